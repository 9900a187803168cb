//! Taking back what was declared: what a form that says no makes of each declared cause. The form does so, and the pages offer exactly
//! that. Pure.

use super::{Cause, CauseKind, Field, Policy};

/// The effect of a form that says no on a declared cause. The later ones are the ones to tell of first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Correction {
    /// Nothing: it is over before the wait would be.
    EndsSooner,
    /// Nothing more: it was taken back, and its wait is left.
    Waits,
    /// Nothing: only an appeal ends it.
    Appeal,
    /// No such form is taken: a stay that a carrier found locks the field.
    Locked,
    /// It ends after the wait that the policy asks for.
    EndsLater {
        /// Its new end, seconds since 1970 UTC.
        until_s: u64,
    },
    /// It ends at once: a carrier's answer shows the whole window clean.
    Ends,
}

impl Correction {
    /// True if a form that says no changes something.
    pub const fn is_by_form(self) -> bool {
        match self {
            Self::EndsLater { .. } | Self::Ends => true,
            Self::EndsSooner | Self::Waits | Self::Appeal | Self::Locked => false,
        }
    }
}

impl Policy {
    /// Says what a form that says no makes of a cause in force, where its field stands so; `None` for a cause that nobody declared. No query
    /// is needed to take a declaration back, or consent would not be free. A guardian's word about a stay that was found is none of these.
    pub fn correction(&self, cause: Cause, field: Field, now_s: u64) -> Option<Correction> {
        let is_own = match cause.kind {
            CauseKind::Declaration | CauseKind::InheritedDeclared | CauseKind::Corrected => true,
            CauseKind::Accompanied => false,
            CauseKind::Trajectory
            | CauseKind::CloseContact
            | CauseKind::Diagnosis
            | CauseKind::Quarantine
            | CauseKind::Inherited => return None,
        };
        let wait_s = self.correction_wait_hours().map(|hours| u64::from(hours) * 3600);
        Some(match (field, wait_s) {
            (Field::No, _) if is_own => Correction::Ends,
            _ if cause.kind == CauseKind::Corrected => Correction::Waits,
            (Field::LockedYes, _) => Correction::Locked,
            (Field::No | Field::Declare, _) if !is_own => Correction::Appeal,
            (Field::No | Field::Declare, None) => Correction::Appeal,
            (Field::No | Field::Declare, Some(wait_s)) if cause.until_s > now_s + wait_s => {
                Correction::EndsLater { until_s: now_s + wait_s }
            }
            (Field::No | Field::Declare, Some(_)) => Correction::EndsSooner,
        })
    }

    /// Says the same of a code with these causes in force: the most that such a form does for any of them.
    pub fn correction_of(&self, causes: &[Cause], field: Field, now_s: u64) -> Option<Correction> {
        causes.iter().filter_map(|&cause| self.correction(cause, field, now_s)).max()
    }
}
