//! People's acts on their codes: consent, query, form, cause. Each is one transaction of the registry: it happened whole, or it did
//! not; the colours in memory follow what is durable. A punch comes nowhere near this: it never changes a colour.

pub mod appeals;

use std::sync::Arc;

use protocol::{Class, CodeId, metric};

use crate::codes::{CodeEntry, Codes};
use crate::operators::Signed;
use crate::policy::{Cause, CauseKind, Field, Outcome, Policy, SubmitError};
use crate::registry::people::Added;
use crate::registry::{
    CauseRow, Change, ConsentId, ConsentState, DecisionRow, Flow, Person, Phone, Registry, RegistryError,
};
use crate::trajectory::{CarrierAnswer, Days, Unavailable, day_of, days_after, start_of};

/// A form that is open for longer is begun again: its consent and its answer are too old to rest a colour on.
pub const FORM_S_MAX: u64 = 30 * 60;
/// Words that a consent may name are versions, not texts.
const CONSENT_TEXT_CHARS_MAX: usize = 32;
/// Who sets and clears what follows from the citizen's own form.
const CITIZEN: &str = "citizen";
/// Who sets what a carrier's answer shows.
const CARRIER: &str = "carrier";
/// Random codes that are tried before the random source is suspected.
const ISSUES_MAX: usize = 16;

/// Why an act is not done.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// Used, withdrawn, too old, or another phone's.
    #[error("that consent is not good (any more); ask for another")]
    Consent,
    /// The form says what it cannot.
    #[error(transparent)]
    Form(#[from] SubmitError),
    /// Somebody has that document with another phone. Says nothing about them.
    #[error("this document is registered with another phone; sign in with that one, or ask at an office")]
    OtherPhone,
    /// A cause that this authority may not set or clear.
    #[error("{0}")]
    Cause(&'static str),
    /// An appeal that cannot be made, or not be answered so.
    #[error("{0}")]
    Appeal(&'static str),
    /// The registry failed; nothing has happened.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The right to one query, from a consent that has been used up for it. There is no other way to come by one, and asking takes it.
#[derive(Debug)]
pub struct QueryPermit {
    consent: ConsentId,
    flow: Flow,
    phone: Phone,
    days: Days,
}

impl QueryPermit {
    /// Which consent it comes from.
    pub const fn consent(&self) -> ConsentId {
        self.consent
    }

    /// Whose number may be asked for.
    pub const fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The days that may be asked for.
    pub const fn days(&self) -> Days {
        self.days
    }
}

/// A form as it is sent: the phone was proven in the same session.
#[derive(Clone, Debug)]
pub struct Form {
    /// Who.
    pub person: Person,
    /// What the citizen says to "history of living in epidemic areas".
    pub declared: Option<bool>,
    /// The consent whose answer it rests on, if one was given.
    pub consent: Option<ConsentId>,
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

/// Why a code has its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// How it stands.
    pub entry: CodeEntry,
    /// Its causes, cleared and ended ones included.
    pub causes: Vec<CauseRow>,
    /// The changes of its colour.
    pub decisions: Vec<DecisionRow>,
}

/// The only one who changes people, consents, causes and colours.
pub struct Registrar<'a> {
    registry: &'a mut Registry,
    codes: &'a Codes,
    policy: Arc<Policy>,
}

impl<'a> Registrar<'a> {
    /// Works on that registry by that policy.
    pub fn new(registry: &'a mut Registry, codes: &'a Codes, policy: Arc<Policy>) -> Self {
        Self { registry, codes, policy }
    }

    /// The citizen agrees to one query. `text` is the version of the words on the page.
    pub fn consent(
        &mut self,
        phone: &Phone,
        flow: Flow,
        text: &str,
        now_s: u64,
    ) -> Result<ConsentId, RegistrarError> {
        if text.is_empty() || text.chars().count() > CONSENT_TEXT_CHARS_MAX {
            return Err(RegistrarError::Consent);
        }
        self.registry.transaction(|registry| Ok(registry.insert_consent(phone, flow, text, now_s)?))
    }

    /// Uses the consent up for one query.
    pub fn start_query(
        &mut self,
        consent: ConsentId,
        phone: &Phone,
        now_s: u64,
    ) -> Result<QueryPermit, RegistrarError> {
        let from_s = now_s.saturating_sub(FORM_S_MAX);
        let flow = self
            .registry
            .transaction::<_, RegistrarError>(|registry| Ok(registry.use_consent(consent, phone, from_s)?))?;
        let flow = flow.ok_or(RegistrarError::Consent)?;
        Ok(QueryPermit { consent, flow, phone: phone.clone(), days: self.policy.window(day_of(now_s)) })
    }

    /// Takes the answer. Of a query from a punch page nothing is kept; of one whose consent was withdrawn meanwhile neither.
    pub fn finish_query(
        &mut self,
        permit: &QueryPermit,
        answer: &CarrierAnswer,
        now_s: u64,
    ) -> Result<Outcome, RegistrarError> {
        let outcome = self.policy.outcome(answer, day_of(now_s));
        if permit.flow == Flow::Scan {
            return Ok(outcome);
        }
        let days = self.policy.rule(CauseKind::Trajectory).map_or(0, |rule| i32::from(rule.days));
        let kept = self.registry.transaction::<_, RegistrarError>(|registry| {
            registry.forget_outcomes(now_s.saturating_sub(FORM_S_MAX), now_s)?;
            if !registry.set_outcome(permit.consent, &outcome)? {
                return Ok(false);
            }
            if let Outcome::Stay(stay) = &outcome {
                registry.keep_stay(&permit.phone, stay, start_of(days_after(stay.last_day, days + 1)))?;
            }
            Ok(true)
        })?;
        if kept { Ok(outcome) } else { Err(RegistrarError::Consent) }
    }

    /// The citizen takes a consent back: an answer still under way is not kept. A stay that was answered before stays until its
    /// time is over, or taking back would be a way to shake it off.
    pub fn withdraw_consent(&mut self, consent: ConsentId, phone: &Phone) -> Result<(), RegistrarError> {
        let known = self
            .registry
            .transaction::<_, RegistrarError>(|registry| Ok(registry.withdraw_consent(consent, phone)?))?;
        if known { Ok(()) } else { Err(RegistrarError::Consent) }
    }

    /// What the form's field rests on: a stay that is kept of that phone, whether or not it was asked for again; else what came
    /// of the consent.
    pub fn outcome(
        &self,
        consent: Option<ConsentId>,
        phone: &Phone,
        now_s: u64,
    ) -> Result<Outcome, RegistrarError> {
        if let Some(stay) = self.registry.stay_of(phone, now_s)? {
            return Ok(Outcome::Stay(stay));
        }
        let Some(consent) = consent else { return Ok(Outcome::NotAsked) };
        let found = self.registry.consent_of(consent, phone, now_s.saturating_sub(FORM_S_MAX))?;
        match found.ok_or(RegistrarError::Consent)? {
            (ConsentState::Used, Some(outcome)) => Ok(outcome),
            // The citizen did not wait for the answer, or it never came.
            (ConsentState::Used, None) => Ok(Outcome::Unavailable(Unavailable::TimedOut)),
            (ConsentState::Given | ConsentState::Withdrawn, _) => Ok(Outcome::NotAsked),
        }
    }

    /// Takes a form: an application, or, from somebody who has a code already, a modification.
    pub fn submit(&mut self, form: &Form, now_s: u64) -> Result<Taken, RegistrarError> {
        let phone = &form.person.phone;
        let outcome = self.outcome(form.consent, phone, now_s)?;
        let submitted = self.policy.submit(&outcome, form.declared, now_s)?;
        let policy = Arc::clone(&self.policy);
        let taken = self.registry.transaction::<_, RegistrarError>(|registry| {
            let (code, is_new) = find_or_add(registry, &form.person)?;
            registry.keep_inherited(code, now_s)?;
            registry.set_rest_basis(code, submitted.rest_basis)?;
            if outcome.field() == Field::No && submitted.cause.is_none() {
                clear_declarations(registry, code, now_s)?;
            }
            let cause = submitted.cause.map(|cause| set_once(registry, code, cause, &policy)).transpose()?;
            let authority = submitted.cause.map_or(CITIZEN, |cause| authority_of(cause.kind));
            let change = Change { cause, authority, operators: "", policy: policy.version() };
            Ok(Taken { code, entry: registry.settle(code, &change, now_s)?, is_new })
        })?;
        self.codes.put(taken.code, taken.entry);
        if let Some(cause) = submitted.cause {
            metrics::counter!(metric::CAUSES, "kind" => cause.kind.name()).increment(1);
        }
        Ok(taken)
    }

    /// An authority sets a cause until the end of a day.
    pub fn add_cause(
        &mut self,
        code: CodeId,
        kind: CauseKind,
        by: &Signed,
        until: jiff::civil::Date,
        now_s: u64,
    ) -> Result<i64, RegistrarError> {
        let Some(rule) = self.policy.rule(kind).filter(|_| kind.is_manual()) else {
            return Err(RegistrarError::Cause("this cause is not set by hand"));
        };
        let until_s = start_of(days_after(until, 1));
        let latest_s = start_of(days_after(day_of(now_s), i32::from(rule.days) + 1));
        if until_s <= now_s || until_s > latest_s {
            return Err(RegistrarError::Cause("a cause ends after today and within the days of its policy"));
        }
        let cause = Cause { kind, colour: rule.colour, from_s: now_s, until_s };
        let policy = Arc::clone(&self.policy);
        let (id, entry) = self.registry.transaction::<_, RegistrarError>(|registry| {
            registry.keep_inherited(code, now_s)?;
            let id = registry.insert_cause(code, cause, &by.authority, policy.version(), None)?;
            let change = by_hand(id, by, &policy);
            Ok((id, registry.settle(code, &change, now_s)?))
        })?;
        self.codes.put(code, entry);
        metrics::counter!(metric::CAUSES, "kind" => kind.name()).increment(1);
        Ok(id)
    }

    /// The authority that set a cause takes it back; every other cause stays.
    pub fn clear_cause(&mut self, id: i64, by: &Signed, now_s: u64) -> Result<CodeId, RegistrarError> {
        let policy = Arc::clone(&self.policy);
        let (code, entry) = self.registry.transaction::<_, RegistrarError>(|registry| {
            let (code, row) = registry.cause(id)?.ok_or(RegistryError::Missing { what: "cause" })?;
            if row.authority != by.authority {
                return Err(RegistrarError::Cause("only the authority that set a cause clears it"));
            }
            registry.clear_cause(id, now_s)?;
            let change = by_hand(id, by, &policy);
            Ok((code, registry.settle(code, &change, now_s)?))
        })?;
        self.codes.put(code, entry);
        Ok(code)
    }

    /// Why the code has its colour.
    pub fn why(&self, code: CodeId) -> Result<Option<Why>, RegistrarError> {
        let Some(entry) = self.registry.code(code)? else { return Ok(None) };
        let (causes, decisions) = (self.registry.causes(code)?, self.registry.decisions(code)?);
        Ok(Some(Why { entry, causes, decisions }))
    }
}

/// More causes by hand that turn people red than this, within an hour, and somebody looks whether they are meant: a tracing team
/// finds some tens of contacts in that time.
pub const MANUAL_REDS_HOUR_MAX: u64 = 100;

/// Whether more people were turned red by hand within the last hour.
pub fn is_burst_of_reds(registry: &Registry, now_s: u64) -> Result<bool, RegistryError> {
    Ok(registry.set_by_hand(protocol::Colour::Red, now_s.saturating_sub(3600))? > MANUAL_REDS_HOUR_MAX)
}

fn by_hand<'a>(cause: i64, by: &'a Signed, policy: &'a Policy) -> Change<'a> {
    let Signed { authority, operators } = by;
    Change { cause: Some(cause), authority, operators, policy: policy.version() }
}

fn authority_of(kind: CauseKind) -> &'static str {
    if kind == CauseKind::Trajectory { CARRIER } else { CITIZEN }
}

/// One person, one code: whoever has the document already modifies.
fn find_or_add(registry: &Registry, person: &Person) -> Result<(CodeId, bool), RegistrarError> {
    if let Some(code) = registry.code_of_document(&person.document)? {
        let known = registry.codes_of_phone(&person.phone)?;
        return if known.contains(&code) { Ok((code, false)) } else { Err(RegistrarError::OtherPhone) };
    }
    // Until the transaction settles it, nothing is known of it.
    let entry = CodeEntry::new(protocol::Colour::Unknown, protocol::Basis::Nothing, Class::Person, 0, 0);
    let gateway = registry.gateway()?;
    for _ in 0..ISSUES_MAX {
        let Some(code) = CodeId::issue(gateway, registry.random()?) else { continue };
        match registry.add_person(person, code, entry)? {
            Added::New => return Ok((code, true)),
            Added::SameCode => {}
            Added::SameDocument => return Err(RegistryError::Exists { what: "person" }.into()),
        }
    }
    Err(RegistryError::Exists { what: "every code that was tried" }.into())
}

/// Sent twice, a form sets its cause once: one that lasts as long is there already.
fn set_once(registry: &Registry, code: CodeId, cause: Cause, policy: &Policy) -> Result<i64, RegistrarError> {
    let lasts = |row: &&CauseRow| {
        row.cleared_s.is_none() && row.cause.kind == cause.kind && row.cause.until_s >= cause.until_s
    };
    match registry.causes(code)?.iter().find(lasts) {
        Some(row) => Ok(row.id),
        None => {
            let authority = authority_of(cause.kind);
            Ok(registry.insert_cause(code, cause, authority, policy.version(), None)?)
        }
    }
}

/// What the citizen declared ends when a carrier's answer shows the whole window clean and the citizen says no: it is the
/// citizen's own cause. Without an answer it stays, or it could be shaken off by saying no.
fn clear_declarations(registry: &Registry, code: CodeId, now_s: u64) -> Result<(), RegistrarError> {
    for row in registry.causes(code)? {
        let open = row.cleared_s.is_none() && row.cause.is_in_force(now_s);
        if open && row.cause.kind == CauseKind::Declaration {
            registry.clear_cause(row.id, now_s)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
