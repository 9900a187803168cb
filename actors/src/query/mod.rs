//! A trajectory query from end to end: the registrar uses up the consent, carriers are asked, the registrar records what may be kept. A
//! query goes on when its caller has left: a late answer still arrives with the form.
//!
//! [`Queries`] (`handle`) is what pages and devices' sessions hold, `actor` the loop behind it on a thread of its own, `state` what the
//! two share. The loop is no actix actor: each query awaits two other parties.

mod actor;
mod handle;
mod state;

use policy::QueryOutcome;
use policy::trajectory::{Area, Days};
use registry::Detail;
use registry::replication::NotNow;

use crate::bounds;
use crate::registrar::{Giver, RegistrarError};

pub use handle::Queries;

/// Queries under way: more than all carriers' permits together, so that carriers shed before this does.
const QUERIES_MAX: usize = bounds::QUERIES.entries();

/// An error that leaves a query without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A consent that is used, withdrawn, too old, or another phone's.
    #[error("that consent is not good (any more); ask the citizen for another")]
    Consent,
    /// Not a receipt that this gateway made.
    #[error("that is no receipt of a consent to a query at a gate")]
    Receipt,
    /// A receipt that is too old.
    #[error("the receipt's time is over; ask the citizen for another")]
    ReceiptExpired,
    /// Too many queries under way; the consent is still good.
    #[error("too many queries are under way; ask again in a moment")]
    Busy,
    /// A failure of the registrar: nothing has happened, or the consent is used up without an answer.
    #[error("the query failed; ask for another consent")]
    Failed,
}

impl From<RegistrarError> for QueryError {
    fn from(error: RegistrarError) -> Self {
        match error {
            RegistrarError::Consent => Self::Consent,
            RegistrarError::Receipt => Self::Receipt,
            RegistrarError::ReceiptExpired => Self::ReceiptExpired,
            RegistrarError::Busy
            | RegistrarError::NotNow(
                NotNow::Elsewhere { .. }
                | NotNow::NoLeader
                | NotNow::Fenced
                | NotNow::AtRest
                | NotNow::NoSnapshot
                | NotNow::Joining,
            ) => Self::Busy,
            RegistrarError::Form(_)
            | RegistrarError::OtherPhone
            | RegistrarError::NotProven
            | RegistrarError::NotYours
            | RegistrarError::Tries
            | RegistrarError::OwnCode
            | RegistrarError::PhoneFull
            | RegistrarError::Ward
            | RegistrarError::HasWards
            | RegistrarError::Person(_)
            | RegistrarError::Cause(_)
            | RegistrarError::PolicyVersion { .. }
            | RegistrarError::Appeal(_)
            | RegistrarError::PolicyUnderWay
            | RegistrarError::NoPolicy
            | RegistrarError::Failed
            | RegistrarError::NotNow(NotNow::Unconfirmed | NotNow::TooLarge(_))
            | RegistrarError::Registry(_) => Self::Failed,
        }
    }
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryAnswer {
    /// Its meaning for the window.
    pub outcome: QueryOutcome,
    /// The share of it that staff may see.
    pub detail: Detail,
    /// The areas in which the phone was, each once, to be shown now; recorded nowhere.
    pub areas: Vec<Area>,
    /// The days that were asked for.
    pub days: Days,
    /// The phone's owner, of a query at a gate.
    pub giver: Option<Giver>,
}

#[cfg(test)]
mod tests;
