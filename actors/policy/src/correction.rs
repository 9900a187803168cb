//! Corrections of declarations: the effect of a form that says no on each declared cause. The pages offer exactly what the form does.
//! Pure.

use super::{Cause, CauseKind, Policy, StayField};

/// The effect of a form that says no on a declared cause, in ascending order of importance for the citizen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Correction {
    /// No effect: the cause ends before the policy's wait would be over.
    EndsSooner,
    /// No further effect: the cause is already corrected and its wait is running.
    Waits,
    /// No effect: only an appeal ends the cause.
    Appeal,
    /// The form is refused: a stay that a carrier found locks the field.
    Locked,
    /// The cause ends after the policy's wait.
    EndsLater {
        /// Its new end, seconds since 1970 UTC.
        until_s: u64,
    },
    /// The cause ends at once: a carrier's answer shows no stay in the whole window.
    Ends,
}

impl Correction {
    /// Reports whether a form that says no changes something.
    pub const fn is_by_form(self) -> bool {
        match self {
            Self::EndsLater { .. } | Self::Ends => true,
            Self::EndsSooner | Self::Waits | Self::Appeal | Self::Locked => false,
        }
    }
}

impl Policy {
    /// Returns the effect of a form that says no on a cause in force, for the field's state; `None` for a cause that was not declared.
    /// A correction needs no query, since consent would not be free otherwise. It does not apply to a guardian's statement about a stay
    /// that a carrier found, which takes an appeal.
    pub fn correction(&self, cause: Cause, field: StayField, now_s: u64) -> Option<Correction> {
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
            (StayField::No, _) if is_own => Correction::Ends,
            _ if cause.kind == CauseKind::Corrected => Correction::Waits,
            (StayField::LockedYes, _) => Correction::Locked,
            (StayField::No | StayField::Declare, _) if !is_own => Correction::Appeal,
            (StayField::No | StayField::Declare, None) => Correction::Appeal,
            (StayField::No | StayField::Declare, Some(wait_s)) if cause.until_s > now_s + wait_s => {
                Correction::EndsLater { until_s: now_s + wait_s }
            }
            (StayField::No | StayField::Declare, Some(_)) => Correction::EndsSooner,
        })
    }

    /// Returns the most important effect of such a form on any of a code's causes in force.
    pub fn correction_of(&self, causes: &[Cause], field: StayField, now_s: u64) -> Option<Correction> {
        causes.iter().filter_map(|&cause| self.correction(cause, field, now_s)).max()
    }

    /// Returns the time until which other causes in force outlast the declaration once a form says no, seconds since 1970 UTC; `None` if none
    /// does. The code keeps a colour until then, also without the declaration.
    pub fn outlasting(&self, causes: &[Cause], field: StayField, now_s: u64) -> Option<u64> {
        let end_of = |cause: &Cause| match self.correction(*cause, field, now_s)? {
            Correction::Ends => Some(now_s),
            Correction::EndsLater { until_s } => Some(until_s),
            Correction::Waits | Correction::EndsSooner => Some(cause.until_s),
            Correction::Appeal | Correction::Locked => None,
        };
        let declared_until_s = causes.iter().filter_map(end_of).max()?;
        let others = causes.iter().filter(|cause| end_of(cause).is_none()).map(|cause| cause.until_s);
        others.max().filter(|&until_s| until_s > declared_until_s)
    }
}
