//! Forms: an application, or a modification by a person who has a code. The field on stays in epidemic areas follows the stored answer,
//! whatever the client sends.

use policy::trajectory::{day_of, start_of};
use policy::{Applicant, Cause, CauseKind, Correction, Policy, QueryOutcome, StayField, severity};
use protocol::{Class, CodeId, metric};
use registry::colours::CodeEntry;
use registry::people::Added;
use registry::periods::FORM_S_MAX;
use registry::{
    Beneficiary, CauseRow, Change, ConsentId, DocumentNumber, Evidence, Person, Phone, Registry,
    RegistryError,
};
use runtime::clock;

use super::signin::{
    CODES_PER_PHONE_MAX, DOCUMENT_TRIES_MAX, check_guardian, check_own, phone_of, proven_after, take_ward,
};
use super::{Registrar, RegistrarError};
use crate::residence::{Districts, NAME_RULE, community, person_name, visible};
use crate::sms::ProvenPhone;

/// The authority of causes that follow from the citizen's own form.
pub(super) const CITIZEN: &str = "citizen";
/// The authority of causes that follow from a carrier's answer.
pub(super) const CARRIER: &str = "carrier";
/// The random codes that are tried before the random source counts as broken.
const ISSUES_MAX: usize = 16;

/// A form as it is sent; its phone was proven in the same session.
#[derive(Clone, Debug)]
pub struct Form {
    /// The person.
    pub person: Person,
    /// The citizen's answer to "history of living in epidemic areas".
    pub declared: Option<bool>,
    /// The consent whose answer the form rests on, if one was given.
    pub consent: Option<ConsentId>,
    /// The proof that the person's phone is in the sender's hand.
    pub proven: ProvenPhone,
    /// The code of the guardian who applies for a ward; `None` of an own application and of a modification.
    pub guardian: Option<CodeId>,
    /// True if a guardian says that the ward was with the phone where it was. Without meaning in an own form.
    pub along: bool,
}

/// The outcome of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The person's code, new or as before.
    pub code: CodeId,
    /// The code's present state.
    pub entry: CodeEntry,
    /// True if the code is new.
    pub is_new: bool,
}

impl Registrar<'_> {
    /// Returns the districts of the city.
    pub fn districts(&self) -> Result<Districts, RegistrarError> {
        Ok(Districts::new(self.registry.regions()?))
    }

    /// Takes a form: an application, or a modification of a person who has a code already.
    pub fn submit(&mut self, form: &Form, now_s: u64) -> Result<Taken, RegistrarError> {
        let phone = phone_of(&form.proven, now_s)?;
        if *phone != form.person.phone {
            return Err(RegistrarError::NotProven);
        }
        let goes_with = goes_with(self.registry, &form.person, now_s)?;
        let person = checked(self.registry, &form.person, goes_with == Some(true))?;
        if goes_with != Some(true) {
            // A fault of the rest is reported before anything about the document.
            let found = self.found_with(form, form.guardian.is_some().then_some(None), now_s)?;
            self.policy()?.submit(&found.outcome, (found.whose, form.declared), now_s)?;
            refuse_strangers(self.registry, phone, goes_with == Some(false), now_s)?;
        }
        let found = self.found(&person, form, now_s)?;
        let policy = self.policy()?;
        let submitted = policy.submit(&found.outcome, (found.whose, form.declared), now_s)?;
        let faults = self.faults.clone();
        let passed = |step: &str| faults.reached(step);
        passed("begin");
        let taken = self.registry.transaction::<_, RegistrarError>(|registry| {
            if let Some(guardian) = form.guardian {
                check_guardian(registry, guardian, &form.proven, now_s)?;
            }
            let (code, is_new) = find_or_add(registry, &person, form.guardian, now_s)?;
            if let Some(consent) = form.consent {
                registry.name_ward(consent, code)?;
            }
            passed("person");
            registry.keep_inherited(code, now_s)?;
            passed("inherited");
            registry.set_rest_basis(code, submitted.rest_basis)?;
            passed("basis");
            if submitted.cause.is_none() {
                take_back(registry, code, &found, &policy, now_s)?;
            }
            let evidence = found.evidence.as_ref();
            let cause = submitted
                .cause
                .map(|cause| set_once(registry, code, cause, evidence, &policy))
                .transpose()?;
            passed("cause");
            let returned = if is_new && cause.is_none() { worst_of(registry, code, now_s)? } else { None };
            // A cause that came back with its holder keeps its authority.
            let (cause, authority) = match &returned {
                Some(row) => (Some(row.id), row.authority.as_str()),
                None => (cause, submitted.cause.map_or(CITIZEN, |cause| authority_of(cause.kind))),
            };
            let change = Change { cause, authority, operators: "", policy: policy.version() };
            let entry = registry.settle(code, &change, now_s)?;
            passed("colour");
            Ok(Taken { code, entry, is_new })
        })?;
        self.faults.reached("done");
        self.put(taken.code, taken.entry);
        if let Some(cause) = submitted.cause {
            metrics::counter!(metric::CAUSES, "kind" => cause.kind.name()).increment(1);
        }
        Ok(taken)
    }
}

/// The basis of a form's field.
struct Found {
    outcome: QueryOutcome,
    whose: Applicant,
    /// The stay, if there is one and it gives a cause.
    evidence: Option<Evidence>,
}

impl Registrar<'_> {
    /// Finds the evidence for that person's form. A stay that was found with an earlier phone of the person locks the form, too, from any
    /// sender; a stay that is found with a guardian's phone is the ward's only if the guardian says so.
    fn found(&self, person: &Person, form: &Form, now_s: u64) -> Result<Found, RegistrarError> {
        let known = self.registry.code_of_document(&person.document)?;
        let is_ward = match known {
            Some(code) => form.guardian.is_some() || self.registry.guardian_of(code)?.is_some(),
            None => form.guardian.is_some(),
        };
        if let (true, None, Some(consent)) = (is_ward, form.guardian, form.consent) {
            // The consent was given on the owner's own form, with the ward's document typed there.
            let owners = (&form.person.phone, Beneficiary::Owner);
            if self.registry.consent_of(consent, owners, now_s.saturating_sub(FORM_S_MAX))?.is_some() {
                return Err(RegistrarError::Ward);
            }
        }
        let found = self.found_with(form, is_ward.then_some(known), now_s)?;
        let tied = self.tied((&found.outcome, found.whose), &person.document, now_s)?;
        Ok(tied.map_or(found, |tied| Found {
            outcome: QueryOutcome::Stay(tied.stay.clone()),
            whose: Applicant::Owner,
            evidence: Some(tied),
        }))
    }

    /// Finds the stay that locks a form although `found` does not: one of a phone that the document's holder had before.
    fn tied(
        &self,
        found: (&QueryOutcome, Applicant),
        document: &DocumentNumber,
        now_s: u64,
    ) -> Result<Option<Evidence>, RegistrarError> {
        if let (QueryOutcome::Stay(_), Applicant::Owner) = found {
            return Ok(None);
        }
        let tied = self.registry.stay_tied_to(document, now_s)?;
        let policy = self.policy()?;
        Ok(tied.filter(|tied| policy.still_counts(&tied.stay, clock::certain_s(now_s))))
    }

    /// Finds what the next form of a registered holder will rest on if it is sent with that phone, and whose form it is. A consent that is
    /// not good counts as none.
    pub fn form_of(
        &self,
        code: CodeId,
        (consent, phone): (Option<ConsentId>, &Phone),
        now_s: u64,
    ) -> Result<(QueryOutcome, Applicant), RegistrarError> {
        let is_ward = self.registry.guardian_of(code)?.is_some();
        let (beneficiary, whose) = if is_ward {
            (Beneficiary::Ward(Some(code)), Applicant::Ward { along: false })
        } else {
            (Beneficiary::Owner, Applicant::Owner)
        };
        let outcome = match self.outcome(consent, (phone, beneficiary), now_s) {
            Err(RegistrarError::Consent) => self.outcome(None, (phone, beneficiary), now_s)?,
            outcome => outcome?,
        };
        let Some(person) = self.registry.person(code)? else { return Ok((outcome, whose)) };
        let tied = self.tied((&outcome, whose), &person.document, now_s)?;
        Ok(tied.map_or((outcome, whose), |tied| (QueryOutcome::Stay(tied.stay), Applicant::Owner)))
    }

    /// Finds what a form rests on without a look at the document; `ward` is `Some` for a ward, with the code if it has one.
    fn found_with(
        &self,
        form: &Form,
        ward: Option<Option<CodeId>>,
        now_s: u64,
    ) -> Result<Found, RegistrarError> {
        let phone = &form.person.phone;
        let beneficiary = ward.map_or(Beneficiary::Owner, Beneficiary::Ward);
        let outcome = self.outcome(form.consent, (phone, beneficiary), now_s)?;
        let whose = ward.map_or(Applicant::Owner, |_| Applicant::Ward { along: form.along });
        let is_locked = outcome.field(whose) == StayField::LockedYes;
        let evidence = match &outcome {
            QueryOutcome::Stay(stay) if is_locked => Some(self.registry.evidence(phone, stay.clone())),
            QueryOutcome::Stay(_)
            | QueryOutcome::Clean
            | QueryOutcome::Partial { .. }
            | QueryOutcome::NewNumber
            | QueryOutcome::Unanswerable
            | QueryOutcome::Unavailable(_)
            | QueryOutcome::NotAsked => None,
        };
        Ok(Found { outcome, whose, evidence })
    }
}

/// Reports whether document and phone belong together: the phone opens the code of the document's holder, or the holder withdrew with it
/// and left something behind. `None` for a document that is not registered and left nothing behind.
fn goes_with(registry: &Registry, person: &Person, now_s: u64) -> Result<Option<bool>, RegistrarError> {
    let Person { phone, document, .. } = person;
    match registry.code_of_document(document)? {
        Some(code) => Ok(Some(registry.proven_codes(phone, proven_after(now_s))?.contains(&code))),
        None => Ok(registry.left_with(document, phone, now_s)?),
    }
}

/// Refuses a phone that does not belong to the document, with the same error whether the document is registered or was; the try counts.
fn refuse_strangers(
    registry: &mut Registry,
    phone: &Phone,
    is_strangers: bool,
    now_s: u64,
) -> Result<(), RegistrarError> {
    let day_s = start_of(day_of(now_s));
    if registry.document_tries(phone, day_s)? >= DOCUMENT_TRIES_MAX {
        return Err(RegistrarError::Tries);
    }
    if !is_strangers {
        return Ok(());
    }
    registry.transaction::<_, RegistrarError>(|registry| {
        Ok(registry.take_document_try(phone, day_s, DOCUMENT_TRIES_MAX)?)
    })?;
    Err(RegistrarError::OtherPhone)
}

fn authority_of(kind: CauseKind) -> &'static str {
    if kind == CauseKind::Trajectory { CARRIER } else { CITIZEN }
}

/// Checks what a person wrote, and returns it with the district as its code. `is_holders` if the sender is the document's holder.
fn checked(registry: &Registry, person: &Person, is_holders: bool) -> Result<Person, RegistrarError> {
    let name = match person_name(&person.name) {
        Some(name) => name.into_owned(),
        None if is_holders => recorded(registry, person)?.ok_or(RegistrarError::Person(NAME_RULE))?,
        None => return Err(RegistrarError::Person(NAME_RULE)),
    };
    let districts = Districts::new(registry.regions()?);
    let district = districts.find(&person.district);
    let district = district.ok_or(RegistrarError::Person("that is no district of this city"))?.to_owned();
    let community = community(&district, &person.community)
        .ok_or(RegistrarError::Person("a community is a street of the district, or up to 64 characters"))?
        .into_owned();
    Ok(Person { name, district, community, ..person.clone() })
}

/// Returns the written name, if it is the one on record: a name of an import may have digits, and stays.
fn recorded(registry: &Registry, person: &Person) -> Result<Option<String>, RegistrarError> {
    let Some(code) = registry.code_of_document(&person.document)? else { return Ok(None) };
    let known = registry.person(code)?.map(|known| known.name);
    Ok(known.filter(|known| visible(&person.name).as_deref() == Some(known)))
}

/// Updates the person who has the document, or adds a new one; returns the code, and whether it is new. One document has one code.
fn find_or_add(
    registry: &Registry,
    person: &Person,
    guardian: Option<CodeId>,
    now_s: u64,
) -> Result<(CodeId, bool), RegistrarError> {
    let found = registry.code_of_document(&person.document)?;
    let (code, is_new) = match found {
        Some(code) => {
            registry.update_person(code, person)?;
            (code, false)
        }
        None => (add(registry, person, guardian, now_s)?, true),
    };
    if let Some(guardian) = guardian {
        // Memory gets the entry of the settled code instead.
        take_ward(registry, code, guardian)?;
    }
    if is_new {
        // An own code gets back what was left behind with the phone, whatever document is shown now.
        let phone = guardian.is_none().then_some(&person.phone);
        registry.return_causes(code, &person.document, phone, now_s)?;
    }
    registry.set_proven(code, now_s)?;
    Ok((code, is_new))
}

fn add(
    registry: &Registry,
    person: &Person,
    guardian: Option<CodeId>,
    now_s: u64,
) -> Result<CodeId, RegistrarError> {
    if guardian.is_none() {
        check_own(registry, &person.phone, &person.document, now_s)?;
    }
    if registry.codes_of_phone(&person.phone)?.len() >= CODES_PER_PHONE_MAX {
        return Err(RegistrarError::PhoneFull);
    }
    let class = if guardian.is_some() { Class::Ward } else { Class::Person };
    // Unknown until the transaction settles it.
    let entry = CodeEntry::new(protocol::Colour::Unknown, protocol::Basis::Nothing, class, 0, 0)
        .unverified(person.document.is_foreign());
    let gateway = registry.gateway()?;
    for _ in 0..ISSUES_MAX {
        let Some(code) = CodeId::issue(gateway, registry.random()?) else { continue };
        match registry.add_person(person, code, entry)? {
            Added::New => return Ok(code),
            Added::SameCode => {}
            Added::SameDocument => return Err(RegistryError::Exists { what: "person" }.into()),
        }
    }
    Err(RegistryError::Exists { what: "every code that was tried" }.into())
}

/// Returns the cause in force with the severest colour.
fn worst_of(registry: &Registry, code: CodeId, now_s: u64) -> Result<Option<CauseRow>, RegistrarError> {
    let rows = registry.causes(code)?.into_iter().filter(|row| row.is_in_force(now_s));
    Ok(rows.max_by_key(|row| severity(row.cause.colour)))
}

/// Sets a cause unless one that lasts as long is there: a form that is sent twice sets its cause once.
fn set_once(
    registry: &Registry,
    code: CodeId,
    cause: Cause,
    evidence: Option<&Evidence>,
    policy: &Policy,
) -> Result<i64, RegistrarError> {
    let lasts = |row: &&CauseRow| {
        row.cleared_s.is_none() && row.cause.kind == cause.kind && row.cause.until_s >= cause.until_s
    };
    match registry.causes(code)?.iter().find(lasts) {
        Some(row) => Ok(row.id),
        None => {
            let authority = authority_of(cause.kind);
            Ok(registry.insert_cause(code, cause, authority, policy.version(), evidence)?)
        }
    }
}

/// Takes back what was declared before, by a form that declares no stay: at once with a carrier's answer that shows the whole window clean,
/// without one after the wait of the policy. Only the declarer's own cause is changed.
fn take_back(
    registry: &Registry,
    code: CodeId,
    found: &Found,
    policy: &Policy,
    now_s: u64,
) -> Result<(), RegistrarError> {
    let field = found.outcome.field(found.whose);
    for row in registry.causes(code)?.into_iter().filter(|row| row.is_in_force(now_s)) {
        match policy.correction(row.cause, field, now_s) {
            Some(Correction::Ends) => registry.clear_cause(row.id, now_s)?,
            Some(Correction::EndsLater { until_s }) => {
                let corrected = Cause { kind: CauseKind::Corrected, until_s, ..row.cause };
                let (operators, policy) = ("", policy.version());
                let change = Change { cause: Some(row.id), authority: CITIZEN, operators, policy };
                registry.correct_cause(code, (row.id, corrected), &change, now_s)?;
            }
            Some(Correction::EndsSooner | Correction::Waits | Correction::Appeal | Correction::Locked)
            | None => {}
        }
    }
    Ok(())
}
