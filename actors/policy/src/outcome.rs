//! Outcomes of queries: from a carrier's answer to the form's field, and from the submitted form to a cause. A missing answer is never
//! a "no".

use jiff::civil::Date;
use protocol::{Basis, Colour};
use serde::{Deserialize, Serialize};

use super::{Cause, CauseKind, Policy};
use crate::trajectory::{Area, CarrierAnswer, Days, Trajectory, Unavailable, Visit, day_of, days_after};

/// A stay in an epidemic area: the only part of a trajectory that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// The area's name in the policy.
    pub area: String,
    /// The last day of the stay within the window.
    pub last_day: Date,
}

/// The outcome of a query for the window, or of having none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryOutcome {
    /// A stay in an epidemic area was found.
    Stay(Stay),
    /// No stay was found, and the whole window is covered.
    Clean,
    /// No stay was found in the covered days, and days of the window are missing.
    Partial {
        /// The covered days.
        covered: Option<Days>,
    },
    /// The number is too new.
    NewNumber,
    /// The number cannot have an answer.
    Unanswerable,
    /// No carrier answered.
    Unavailable(Unavailable),
    /// The citizen did not consent to a query.
    NotAsked,
}

/// The person that a form is about. A query is about a phone, so a ward's form needs the guardian's statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicant {
    /// The phone's owner.
    Owner,
    /// A ward, registered with the guardian's phone.
    Ward {
        /// The guardian's statement that the ward was with the phone.
        along: bool,
    },
}

/// The state of the form's field "history of living in epidemic areas".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StayField {
    /// Yes, which cannot be changed.
    LockedYes,
    /// No, which the citizen may change to yes.
    No,
    /// Open: the citizen declares yes or no.
    Declare,
}

impl QueryOutcome {
    /// Returns the state of the form's field.
    pub const fn field(&self, whose: Applicant) -> StayField {
        match (self, whose) {
            (Self::Stay(_), Applicant::Owner | Applicant::Ward { along: true }) => StayField::LockedYes,
            (Self::Clean, Applicant::Owner) => StayField::No,
            (Self::Stay(_) | Self::Clean, Applicant::Ward { .. })
            | (
                Self::Partial { .. }
                | Self::NewNumber
                | Self::Unanswerable
                | Self::Unavailable(_)
                | Self::NotAsked,
                _,
            ) => StayField::Declare,
        }
    }

    /// Reports whether the page links to the carriers' own travel page.
    pub const fn offers_travel_page(&self) -> bool {
        match self {
            Self::Partial { .. } | Self::NewNumber | Self::Unanswerable | Self::Unavailable(_) => true,
            Self::Stay(_) | Self::Clean | Self::NotAsked => false,
        }
    }
}

/// The reason for refusing a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The form says no, and the stored answer shows a stay.
    #[error("the carrier's answer shows a stay in an epidemic area; the field cannot be No")]
    Locked,
    /// The field is open, and the citizen declared nothing.
    #[error("say whether you have been in an epidemic area")]
    DeclarationMissing,
}

/// The effect of a submitted form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The new cause, if any.
    pub cause: Option<Cause>,
    /// The code's basis while no cause is in force.
    pub rest_basis: Basis,
}

impl Policy {
    /// Evaluates a carrier's answer on that day.
    pub fn outcome(&self, answer: &CarrierAnswer, today: Date) -> QueryOutcome {
        match answer {
            CarrierAnswer::Trajectory(trajectory) => self.find(trajectory, today),
            CarrierAnswer::NewNumber => QueryOutcome::NewNumber,
            // A number that is no carrier's subscriber has no answer.
            CarrierAnswer::NotSubscriber | CarrierAnswer::Unanswerable => QueryOutcome::Unanswerable,
            CarrierAnswer::Unavailable(why) => QueryOutcome::Unavailable(*why),
        }
    }

    /// Evaluates a form at the time `now_s`. `outcome` is the stored one, never the client's. `declared` is the citizen's declaration:
    /// yes, no, or none. The basis of a ward's form is never more than declared.
    ///
    /// # Errors
    /// The declaration contradicts a found stay, or is missing.
    pub fn submit(
        &self,
        outcome: &QueryOutcome,
        (whose, declared): (Applicant, Option<bool>),
        now_s: u64,
    ) -> Result<Submitted, SubmitError> {
        let today = day_of(now_s);
        let cause = |kind, day| self.rule(kind).map(|rule| Cause::through(kind, rule, now_s, day));
        let submitted = |cause, rest_basis| Ok(Submitted { cause, rest_basis });
        match (outcome.field(whose), declared) {
            (StayField::LockedYes, Some(false)) => Err(SubmitError::Locked),
            (StayField::LockedYes, None | Some(true)) => {
                let QueryOutcome::Stay(stay) = outcome else { return Err(SubmitError::DeclarationMissing) };
                let (kind, basis) = match whose {
                    Applicant::Owner => (CauseKind::Trajectory, Basis::Verified),
                    Applicant::Ward { .. } => (CauseKind::Accompanied, Basis::Declared),
                };
                submitted(cause(kind, stay.last_day), basis)
            }
            (StayField::No, None | Some(false)) => submitted(None, Basis::Verified),
            (StayField::Declare, Some(false)) => submitted(None, Basis::Declared),
            (StayField::No | StayField::Declare, Some(true)) => {
                submitted(cause(CauseKind::Declaration, today), Basis::Declared)
            }
            (StayField::Declare, None) => Err(SubmitError::DeclarationMissing),
        }
    }

    /// Returns the colour that a form with yes would give, and its last day: from the found stay, else from a declaration on that day.
    /// The pages display it before the form is sent.
    pub fn foreseen(&self, found: Option<&Stay>, today: Date) -> Option<(Colour, Date)> {
        let (kind, day) =
            found.map_or((CauseKind::Declaration, today), |stay| (CauseKind::Trajectory, stay.last_day));
        self.rule(kind).map(|rule| (rule.colour, days_after(day, i32::from(rule.days))))
    }

    fn find(&self, trajectory: &Trajectory, today: Date) -> QueryOutcome {
        let window = self.window(today);
        let visits = joined(&trajectory.visits);
        let stays = visits.iter().filter_map(|visit| self.stay(visit, window));
        if let Some(stay) = stays.max_by_key(|stay| stay.last_day) {
            return QueryOutcome::Stay(stay);
        }
        if trajectory.covered.covers(window) {
            return QueryOutcome::Clean;
        }
        let first = trajectory.covered.first.max(window.first);
        let last = trajectory.covered.last.min(window.last);
        QueryOutcome::Partial { covered: (first <= last).then_some(Days { first, last }) }
    }

    /// Returns the last day of the window on which the visit was in an area in effect on that day.
    fn stay(&self, visit: &Visit, window: Days) -> Option<Stay> {
        let long_enough = match visit.area {
            Area::City(_) => visit.until_s.saturating_sub(visit.from_s) >= self.stay_s_min,
            Area::Country(_) => visit.until_s > visit.from_s,
        };
        if !long_enough {
            return None;
        }
        let first = day_of(visit.from_s).max(window.first);
        let mut day = day_of(visit.until_s - 1).min(window.last);
        let areas: Vec<_> = self.areas.iter().filter(|area| area.contains(visit.area)).collect();
        while day >= first {
            if let Some(area) = areas.iter().find(|area| area.is_in_effect(day)) {
                return Some(Stay { area: area.name.clone(), last_day: day });
            }
            day = days_after(day, -1);
        }
        None
    }
}

/// Joins adjacent visits to the same area, which carriers split at midnight and between cells.
fn joined(visits: &[Visit]) -> Vec<Visit> {
    let mut joined: Vec<Visit> = Vec::with_capacity(visits.len());
    for visit in visits {
        match joined.last_mut() {
            Some(last) if last.area == visit.area && last.until_s == visit.from_s => {
                last.until_s = visit.until_s;
            }
            Some(_) | None => joined.push(*visit),
        }
    }
    joined
}
