//! People's acts on their codes: consent, query, form, cause. Each is one transaction of the registry: it happened whole, or it did
//! not; the colours in memory follow what is durable. A punch comes nowhere near this: it never changes a colour.

mod activation;
mod actor;
pub mod appeals;
mod by_hand;
mod chores;
mod context;
mod counts;
mod forms;
mod handle;
mod leaving;
mod office;
mod places;
mod queries;
mod receipts;
mod shifts;
mod signin;

use std::sync::Arc;

use policy::{Cause, ColourChange, Policy, SubmitError, next_colour_change};
use protocol::CodeId;
use registry::colours::{CodeEntry, Codes};
use registry::{CauseRow, DecisionRow, Registry, RegistryError, inherited};
use runtime::clock;

pub use by_hand::{CLEARED_MAX, MANUAL_REDS_HOUR_MAX, Planned, is_burst_of_reds};
pub use context::Fault;
pub use forms::{Form, Taken};
pub use handle::{RegistrarConfig, RegistrarFront, RegistrarHandle};
pub use leaving::Paper;
pub use queries::QueryPermit;
pub use receipts::{AtGate, Giver, RECEIPT_S_MAX, Receipt, Receipted};
pub use shifts::SHIFT_S;
pub use signin::{CODES_PER_PHONE_MAX, Confirmed, DOCUMENT_TRIES_MAX};

/// Why an act is not done.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// Used, withdrawn, too old, or another phone's.
    #[error("that consent is not good (any more); ask for another")]
    Consent,
    /// A receipt that this gateway has not made, or that is not for a gate.
    #[error("that is no receipt of a consent to a query at a gate")]
    Receipt,
    /// Its time is over.
    #[error("the receipt's time is over; ask the citizen for another")]
    ReceiptExpired,
    /// The form says what it cannot.
    #[error(transparent)]
    Form(#[from] SubmitError),
    /// Somebody has that document, with another phone or with this one at a time too long ago. Says nothing about them.
    #[error(
        "this document is registered, and this phone does not open its code; show the document first, or sign in with the phone that it was registered with"
    )]
    OtherPhone,
    /// No SMS code has shown this phone, or too long ago.
    #[error("the phone is not proven (any more); ask for a code by SMS")]
    NotProven,
    /// The phone does not open that code. Whether there is such a code is not said.
    #[error("that code is not one of this phone's; sign in, or show the document")]
    NotYours,
    /// Too many documents were tried with the phone today.
    #[error("too many documents were tried today; try again tomorrow, or ask at an office")]
    Tries,
    /// The phone's own code is there already, or the one of whoever had it before is not free yet.
    #[error(
        "a code of its own is registered with this phone; further ones are wards'. Show that code's document, apply for a ward, or ask at an office"
    )]
    OwnCode,
    /// The phone has as many codes as one may.
    #[error("this phone has as many codes as one may; a ward may take a phone of its own")]
    PhoneFull,
    /// A ward is no guardian, has one guardian, and is not its own.
    #[error("a ward has one guardian, who is nobody's ward")]
    Ward,
    /// The one who has wards does not leave them behind.
    #[error("there are wards; withdraw them first, or let them take phones of their own")]
    HasWards,
    /// Something that was written cannot be so.
    #[error("{0}")]
    Person(&'static str),
    /// A cause that this authority may not set or clear, or that is there already.
    #[error("{0}")]
    Cause(String),
    /// Decisions name their policy by its version, so each has its own.
    #[error("policy {version} is or was in effect already; give a changed one a new version")]
    PolicyVersion {
        /// Which.
        version: String,
    },
    /// An appeal that cannot be made, or not be answered so.
    #[error("{0}")]
    Appeal(&'static str),
    /// Codes still follow the last one.
    #[error("the last policy is still being applied to the codes; activate the next one when that is done")]
    PolicyUnderWay,
    /// More acts wait than may.
    #[error("too many acts wait to be recorded; try again in a moment")]
    Busy,
    /// The act failed in a way that nobody expected; nothing has happened.
    #[error("the act failed and nothing has happened; try again")]
    Failed,
    /// The registry failed; nothing has happened.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl RegistrarError {
    /// Says if something of the refused act stays: the try of a document counts.
    const fn leaves_a_try(&self) -> bool {
        matches!(self, Self::OtherPhone)
    }
}

/// Why a code has its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Its state.
    pub entry: CodeEntry,
    /// Its causes, cleared and ended ones included.
    pub causes: Vec<CauseRow>,
    /// The changes of its colour.
    pub decisions: Vec<DecisionRow>,
}

impl Why {
    /// Lists the causes in force at that moment, each from then on at the latest. A colour that came with an import has one although it has no
    /// row yet.
    pub fn in_force(&self, now_s: u64) -> Vec<Cause> {
        let now_s = clock::certain_s(now_s);
        if self.causes.is_empty() {
            return inherited(self.entry, now_s).into_iter().collect();
        }
        let force = self.causes.iter().filter(|row| row.is_in_force(now_s));
        force.map(|row| Cause { from_s: row.cause.from_s.min(now_s), ..row.cause }).collect()
    }

    /// Tells when the clock ends the code's colour, and what follows; `None` for never. A change of what it rests on is none.
    pub fn next_colour_change(&self, now_s: u64) -> Option<ColourChange> {
        next_colour_change(&self.in_force(now_s), clock::certain_s(now_s))
    }
}

/// The only one who changes people, consents, causes and colours.
pub struct Registrar<'a> {
    registry: &'a mut Registry,
    codes: &'a Codes,
    policy: Arc<Policy>,
    /// Inside a group: what memory gets once the group is durable.
    later: Option<Vec<(CodeId, Option<CodeEntry>)>>,
    fault: Option<Fault>,
}

impl<'a> Registrar<'a> {
    /// Works on that registry by that policy; each act is a transaction of its own.
    pub fn new(registry: &'a mut Registry, codes: &'a Codes, policy: Arc<Policy>) -> Self {
        Self { registry, codes, policy, later: None, fault: None }
    }

    /// Has `fault` called between the steps of acts; tests let the process die there.
    pub fn with_fault(self, fault: Option<Fault>) -> Self {
        Self { fault, ..self }
    }

    /// Has memory follow what is durable: at once, or with the group.
    fn put(&mut self, code: CodeId, entry: CodeEntry) {
        match &mut self.later {
            Some(later) => later.push((code, Some(entry))),
            None => self.codes.put(code, entry),
        }
    }

    fn put_all(&mut self, entries: Vec<(CodeId, CodeEntry)>) {
        entries.into_iter().for_each(|(code, entry)| self.put(code, entry));
    }

    /// The code is registered no more; memory follows as in [`Self::put`].
    fn forget(&mut self, code: CodeId) {
        match &mut self.later {
            Some(later) => later.push((code, None)),
            None => self.codes.remove(code),
        }
    }

    /// A step of an act is done; the next one follows.
    fn passed(&self, step: &'static str) {
        if let Some(fault) = &self.fault {
            fault(step);
        }
    }

    /// Why the code has its colour.
    pub fn why(&self, code: CodeId) -> Result<Option<Why>, RegistrarError> {
        let Some(entry) = self.registry.code(code)? else { return Ok(None) };
        let (causes, decisions) = (self.registry.causes(code)?, self.registry.decisions(code)?);
        Ok(Some(Why { entry, causes, decisions }))
    }
}

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;
