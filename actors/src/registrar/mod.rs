//! The one writer of the registry. Each change is a named message ([`RegistryChange`]) and happens whole or not at all; the memory follows
//! what is durable. A punch never comes here: it changes no colour.
//!
//! [`RegistrarHandle`] (`handle`) is what callers hold, `actor` the actix actor behind it, `state` the registry for changes, and
//! groups of changes; `changes` has the messages, `jobs` what most of them do. Operators' orders and imports have messages of their own.

mod actor;
mod changes;
mod chores;
mod counts;
mod fleet;
mod handle;
mod jobs;
mod state;

use std::time::Duration;

use policy::{Cause, ColourChange, SubmitError, next_colour_change};
use registry::colours::CodeEntry;
use registry::replication::NotNow;
use registry::{CauseRow, DecisionRow, RegistryError, inherited};
use runtime::clock;
use runtime::supervisor::RestartPolicy;
use zeroize::Zeroizing;

use crate::bounds;

#[cfg(test)]
pub(crate) use changes::test_change;
pub use changes::{
    ApplyForUnit, ConfirmDocument, EndShift, GiveConsent, JoinShift, LoadCodes, LookAtDocument, MakeAppeal,
    NoteSignOut, NoteTime, OpenReceipt, ReviseCodes, SignIn, StartQuery, StartQueryByReceipt, SubmitForm,
    WithdrawConsent, WithdrawPapers, WithdrawPerson,
};
pub use fleet::{ApplySteps, FleetPosition, FollowAll, TakeOffice};
pub use handle::RegistrarHandle;
pub use jobs::{
    AtGate, CLEARED_MAX, CODES_PER_PHONE_MAX, Confirmed, DOCUMENT_TRIES_MAX, Form, Giver,
    MANUAL_REDS_HOUR_MAX, Paper, Planned, QueryPermit, RECEIPT_S_MAX, Receipt, Receipted, SHIFT_S, Taken,
    appeals, is_burst_of_reds,
};
pub use state::{Registrar, RegistryChange};

/// Jobs that may wait: two seconds of a busy day; later callers are told to try again.
const JOBS_MAX: usize = bounds::ACTS.entries();

/// The pause of a chore that panicked: it would most likely panic at the next turn, too, and no job is to wait for that.
const CHORE_RESTS: Duration = Duration::from_secs(60);

/// The settings of the registrar.
#[derive(Clone)]
pub struct RegistrarConfig {
    /// The restarts that the actor is given before it is parked.
    pub restarts: RestartPolicy,
    /// The pause of a chore of the clock that panicked, before it is tried again.
    pub chore_rests: Duration,
    /// The Ed25519 key that signs checkpoints of the decisions, PKCS#8.
    pub signing_pkcs8: Zeroizing<Vec<u8>>,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        let (restarts, signing_pkcs8) = (RestartPolicy::default(), Zeroizing::default());
        Self { restarts, chore_rests: CHORE_RESTS, signing_pkcs8 }
    }
}

/// An error that leaves a job undone.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// A consent that is used, withdrawn, too old, or another phone's.
    #[error("that consent is not good (any more); ask for another")]
    Consent,
    /// A receipt that this gateway did not make, or that is not for a gate.
    #[error("that is no receipt of a consent to a query at a gate")]
    Receipt,
    /// A receipt that is too old.
    #[error("the receipt's time is over; ask the citizen for another")]
    ReceiptExpired,
    /// A form that the policy does not allow.
    #[error(transparent)]
    Form(#[from] SubmitError),
    /// A document that is registered with another phone, or with this one too long ago. It tells nothing about the holder.
    #[error(
        "this document is registered, and this phone does not open its code; show the document first, or sign in with the phone that it was registered with"
    )]
    OtherPhone,
    /// A phone that no SMS code has proven, or too long ago.
    #[error("the phone is not proven (any more); ask for a code by SMS")]
    NotProven,
    /// A code that the phone does not open. It does not tell whether there is such a code.
    #[error("that code is not one of this phone's; sign in, or show the document")]
    NotYours,
    /// Too many documents tried with the phone today.
    #[error("too many documents were tried today; try again tomorrow, or ask at an office")]
    Tries,
    /// A phone that has an own code already, or whose former holder's code is not free yet.
    #[error(
        "a code of its own is registered with this phone; further ones are wards'. Show that code's document, apply for a ward, or ask at an office"
    )]
    OwnCode,
    /// A phone with as many codes as one may have.
    #[error("this phone has as many codes as one may; a ward may take a phone of its own")]
    PhoneFull,
    /// A ward that would have two guardians, be its own, or be a guardian.
    #[error("a ward has one guardian, who is nobody's ward")]
    Ward,
    /// A guardian who would leave wards behind.
    #[error("there are wards; withdraw them first, or let them take phones of their own")]
    HasWards,
    /// A field of a form that cannot be right.
    #[error("{0}")]
    Person(&'static str),
    /// A cause that this authority may not set or clear, or that is set already.
    #[error("{0}")]
    Cause(String),
    /// A version that was used before: decisions name their policy by its version, so that each policy needs its own.
    #[error("policy {version} is or was in effect already; give a changed one a new version")]
    PolicyVersion {
        /// The version.
        version: String,
    },
    /// An appeal that cannot be made, or not be answered like this.
    #[error("{0}")]
    Appeal(&'static str),
    /// Codes that do not follow the last policy yet.
    #[error("the last policy is still being applied to the codes; activate the next one when that is done")]
    PolicyUnderWay,
    /// A change that follows the policy in effect, where no gateway runs and none is.
    #[error("this takes a running gateway; start it and order again")]
    NoPolicy,
    /// More jobs waiting than may.
    #[error("too many acts wait to be recorded; try again in a moment")]
    Busy,
    /// A change that panicked or whose group is not durable; or, after a panic at the wrong moment, a change that is durable.
    #[error("the change failed; look whether it was made, then try again")]
    Failed,
    /// A gateway of a fleet that does not lead now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// An error of the registry; nothing has happened.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl RegistrarError {
    /// Returns true if a change of the refused job stays: the try of a document counts.
    const fn leaves_a_try(&self) -> bool {
        matches!(self, Self::OtherPhone)
    }
}

/// The explanation of a code's colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The code's state.
    pub entry: CodeEntry,
    /// The code's causes, cleared and ended ones included.
    pub causes: Vec<CauseRow>,
    /// The changes of the code's colour.
    pub decisions: Vec<DecisionRow>,
}

impl Why {
    /// Returns the causes in force at `now_s`, each with a begin of `now_s` at the latest. An imported colour has a cause although the
    /// registry has no row of it yet.
    pub fn in_force(&self, now_s: u64) -> Vec<Cause> {
        let now_s = clock::certain_s(now_s);
        if self.causes.is_empty() {
            return inherited(self.entry, now_s).into_iter().collect();
        }
        let force = self.causes.iter().filter(|row| row.is_in_force(now_s));
        force.map(|row| Cause { from_s: row.cause.from_s.min(now_s), ..row.cause }).collect()
    }

    /// Returns the next change of the code's colour by the clock; `None` if there is none. A change of its basis alone does not count.
    pub fn next_colour_change(&self, now_s: u64) -> Option<ColourChange> {
        next_colour_change(&self.in_force(now_s), clock::certain_s(now_s))
    }
}

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;
