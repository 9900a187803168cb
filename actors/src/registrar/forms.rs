//! Forms: an application, or a modification by somebody who has a code. What the field says comes from the stored answer,
//! whatever the client sends.

use std::sync::Arc;

use protocol::{Class, CodeId, metric};

use super::{Registrar, RegistrarError};
use crate::codes::CodeEntry;
use crate::policy::{Cause, CauseKind, Field, Outcome, Policy, Stay};
use crate::registry::people::Added;
use crate::registry::{CauseRow, Change, ConsentId, Person, Registry, RegistryError};

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
    /// Takes a form: an application, or, from somebody who has a code already, a modification.
    pub fn submit(&mut self, form: &Form, now_s: u64) -> Result<Taken, RegistrarError> {
        let phone = &form.person.phone;
        let outcome = self.outcome(form.consent, phone, now_s)?;
        let submitted = self.policy.submit(&outcome, form.declared, now_s)?;
        let policy = Arc::clone(&self.policy);
        let fault = self.fault.clone();
        let passed = |step| fault.iter().for_each(|fault| fault(step));
        passed("begin");
        let taken = self.registry.transaction::<_, RegistrarError>(|registry| {
            let (code, is_new) = find_or_add(registry, &form.person)?;
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
            let authority = submitted.cause.map_or(CITIZEN, |cause| authority_of(cause.kind));
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
        let open = row.cleared_s.is_none() && row.cause.is_in_force(now_s);
        if open && row.cause.kind == CauseKind::Declaration {
            registry.clear_cause(row.id, now_s)?;
        }
    }
    Ok(())
}
