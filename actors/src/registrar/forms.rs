//! Forms: an application, or a modification by somebody who has a code. What the field says comes from the stored answer,
//! whatever the client sends.

use std::sync::Arc;

use protocol::{Class, CodeId, metric};

use super::signin::{
    CODES_PER_PHONE_MAX, DOCUMENT_TRIES_MAX, check_guardian, check_own, phone_of, proven_after, take_ward,
};
use super::{Registrar, RegistrarError};
use crate::clock;
use crate::codes::CodeEntry;
use crate::policy::{Cause, CauseKind, Field, Outcome, Policy, Stay, severity};
use crate::registry::people::Added;
use crate::registry::{CauseRow, Change, ConsentId, Person, Phone, Registry, RegistryError};
use crate::residence::{Districts, community, visible};
use crate::sms::ProvenPhone;
use crate::trajectory::{day_of, start_of};

/// Who sets and clears what follows from the citizen's own form.
pub(super) const CITIZEN: &str = "citizen";
/// Who sets what a carrier's answer shows.
pub(super) const CARRIER: &str = "carrier";
/// Random codes that are tried before the random source is suspected.
const ISSUES_MAX: usize = 16;

/// A form as it is sent: the phone was proven in the same session.
#[derive(Clone, Debug)]
pub struct Form {
    /// Who.
    pub person: Person,
    /// What the citizen says to "history of living in epidemic areas".
    pub declared: Option<bool>,
    /// The consent whose answer it rests on, if one was given.
    pub consent: Option<ConsentId>,
    /// The proof that the person's phone is in the hand of whoever sends it.
    pub proven: ProvenPhone,
    /// The code of the guardian who sends it for a ward; `None` from whoever sends it for themselves.
    pub guardian: Option<CodeId>,
}

/// What a form came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The person's code: a new one, or the one there was.
    pub code: CodeId,
    /// How it stands now.
    pub entry: CodeEntry,
    /// Whether the code is new.
    pub is_new: bool,
}

impl Registrar<'_> {
    /// Where people of this city live.
    pub fn districts(&self) -> Result<Districts, RegistrarError> {
        Ok(Districts::new(self.registry.regions()?))
    }

    /// Takes a form: an application, or, from somebody who has a code already, a modification.
    pub fn submit(&mut self, form: &Form, now_s: u64) -> Result<Taken, RegistrarError> {
        let phone = phone_of(&form.proven, now_s)?;
        if *phone != form.person.phone {
            return Err(RegistrarError::NotProven);
        }
        let person = checked(self.registry, &form.person)?;
        let goes_with = goes_with(self.registry, &person, now_s)?;
        if goes_with != Some(true) {
            // Whatever is wrong with the rest is said before anything is said of the document.
            let outcome = self.outcome(form.consent, phone, now_s)?;
            self.policy.submit(&outcome, form.declared, now_s)?;
            refuse_strangers(self.registry, phone, goes_with == Some(false), now_s)?;
        }
        let outcome = self.outcome_of(&person, form.consent, now_s)?;
        let submitted = self.policy.submit(&outcome, form.declared, now_s)?;
        let policy = Arc::clone(&self.policy);
        let fault = self.fault.clone();
        let passed = |step| fault.iter().for_each(|fault| fault(step));
        passed("begin");
        let taken = self.registry.transaction::<_, RegistrarError>(|registry| {
            if let Some(guardian) = form.guardian {
                check_guardian(registry, guardian, &form.proven, now_s)?;
            }
            let (code, is_new) = find_or_add(registry, &person, form.guardian, now_s)?;
            passed("person");
            registry.keep_inherited(code, now_s)?;
            passed("inherited");
            registry.set_rest_basis(code, submitted.rest_basis)?;
            passed("basis");
            if outcome.field() == Field::No && submitted.cause.is_none() {
                clear_declarations(registry, code, now_s)?;
            }
            let stay = if let Outcome::Stay(stay) = &outcome { Some(stay) } else { None };
            let cause =
                submitted.cause.map(|cause| set_once(registry, code, cause, stay, &policy)).transpose()?;
            passed("cause");
            let returned = if is_new && cause.is_none() { worst_of(registry, code, now_s)? } else { None };
            // Of what came back with its holder, who set it answers for it.
            let (cause, authority) = match &returned {
                Some(row) => (Some(row.id), row.authority.as_str()),
                None => (cause, submitted.cause.map_or(CITIZEN, |cause| authority_of(cause.kind))),
            };
            let change = Change { cause, authority, operators: "", policy: policy.version() };
            let entry = registry.settle(code, &change, now_s)?;
            passed("colour");
            Ok(Taken { code, entry, is_new })
        })?;
        self.passed("done");
        self.put(taken.code, taken.entry);
        if let Some(cause) = submitted.cause {
            metrics::counter!(metric::CAUSES, "kind" => cause.kind.name()).increment(1);
        }
        Ok(taken)
    }
}

impl Registrar<'_> {
    /// What the field of that person's form rests on: a stay that was found with the phone they had before locks it too.
    fn outcome_of(
        &self,
        person: &Person,
        consent: Option<ConsentId>,
        now_s: u64,
    ) -> Result<Outcome, RegistrarError> {
        let outcome = self.outcome(consent, &person.phone, now_s)?;
        if let Outcome::Stay(_) = outcome {
            return Ok(outcome);
        }
        let tied = self.registry.stay_tied_to(&person.document, now_s)?;
        let tied = tied.filter(|stay| self.policy.still_counts(stay, clock::certain_s(now_s)));
        Ok(tied.map_or(outcome, Outcome::Stay))
    }
}

/// Says if the document goes with the phone: that of somebody who has a code already, and modifies with the phone that opens it, or of
/// who withdrew, left something behind and comes back with the phone of then. `None` for one that nobody has or left.
fn goes_with(registry: &Registry, person: &Person, now_s: u64) -> Result<Option<bool>, RegistrarError> {
    let Person { phone, document, .. } = person;
    match registry.code_of_document(document)? {
        Some(code) => Ok(Some(registry.proven_codes(phone, proven_after(now_s))?.contains(&code))),
        None => Ok(registry.left_with(document, phone, now_s)?),
    }
}

/// Every other phone is told the same, whether the document is registered or was, and the try counts.
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

/// What was written, if it can be so; the district as its code.
fn checked(registry: &Registry, person: &Person) -> Result<Person, RegistrarError> {
    let name = visible(&person.name)
        .ok_or(RegistrarError::Person("a name is 1 to 64 characters that can be seen"))?
        .into_owned();
    let districts = Districts::new(registry.regions()?);
    let district = districts.find(&person.district);
    let district = district.ok_or(RegistrarError::Person("that is no district of this city"))?.to_owned();
    let community = community(&district, &person.community)
        .ok_or(RegistrarError::Person("a community is a street of the district, or up to 64 characters"))?
        .into_owned();
    Ok(Person { name, district, community, ..person.clone() })
}

/// One person, one code: whoever has the document already modifies.
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
        // The entry for memory is that of the settled code.
        take_ward(registry, code, guardian)?;
    }
    if is_new {
        // Of a phone's holder it is the own code that they come back with, whatever document they show now.
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
    // Until the transaction settles it, nothing is known of it.
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

/// The cause in force that colours the code.
fn worst_of(registry: &Registry, code: CodeId, now_s: u64) -> Result<Option<CauseRow>, RegistrarError> {
    let rows = registry.causes(code)?.into_iter().filter(|row| row.is_in_force(now_s));
    Ok(rows.max_by_key(|row| severity(row.cause.colour)))
}

/// Sent twice, a form sets its cause once: one that lasts as long is there already.
fn set_once(
    registry: &Registry,
    code: CodeId,
    cause: Cause,
    evidence: Option<&Stay>,
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

/// What the citizen declared ends when a carrier's answer shows the whole window clean and the citizen says no: it is the
/// citizen's own cause. Without an answer it stays, or it could be shaken off by saying no.
fn clear_declarations(registry: &Registry, code: CodeId, now_s: u64) -> Result<(), RegistrarError> {
    for row in registry.causes(code)? {
        if row.is_in_force(now_s) && row.cause.kind == CauseKind::Declaration {
            registry.clear_cause(row.id, now_s)?;
        }
    }
    Ok(())
}
