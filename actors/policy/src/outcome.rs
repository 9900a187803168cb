//! From a carrier's answer to the field of the form, and from the submitted form to causes. No answer is never a "no".

use jiff::civil::Date;
use protocol::{Basis, Colour};
use serde::{Deserialize, Serialize};

use super::{Cause, CauseKind, Policy};
use crate::trajectory::{Area, CarrierAnswer, Days, Trajectory, Unavailable, Visit, day_of, days_after};

/// A stay in an epidemic area: all that is kept of a trajectory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// The area's name in the policy.
    pub area: String,
    /// The last day of the window on which the person was there.
    pub last_day: Date,
}

/// The meaning of a query, or of its absence, for the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The person was in an epidemic area.
    Stay(Stay),
    /// Was not, and the whole window is covered.
    Clean,
    /// Was not in what is covered, and something is not.
    Partial {
        /// The part that is covered.
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

/// Whose form it is. A number answers for its phone, and no carrier knows where a ward was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The phone's owner.
    Owner,
    /// A ward, registered with the guardian's phone.
    Ward {
        /// The guardian says that the ward was with the phone on its way.
        along: bool,
    },
}

/// The form's field "history of living in epidemic areas".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Yes, and it cannot be changed.
    LockedYes,
    /// No, which the citizen may raise to yes.
    No,
    /// The citizen says.
    Declare,
}

impl Outcome {
    /// Says what the form shows.
    pub const fn field(&self, whose: Whose) -> Field {
        match (self, whose) {
            (Self::Stay(_), Whose::Owner | Whose::Ward { along: true }) => Field::LockedYes,
            (Self::Clean, Whose::Owner) => Field::No,
            (Self::Stay(_) | Self::Clean, Whose::Ward { .. })
            | (
                Self::Partial { .. }
                | Self::NewNumber
                | Self::Unanswerable
                | Self::Unavailable(_)
                | Self::NotAsked,
                _,
            ) => Field::Declare,
        }
    }

    /// Says whether the page offers the carriers' own travel page.
    pub const fn offers_travel_page(&self) -> bool {
        match self {
            Self::Partial { .. } | Self::NewNumber | Self::Unanswerable | Self::Unavailable(_) => true,
            Self::Stay(_) | Self::Clean | Self::NotAsked => false,
        }
    }
}

/// Why a form is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The stored answer shows a stay.
    #[error("the carrier's answer shows a stay in an epidemic area; the field cannot be No")]
    Locked,
    /// Without an answer the citizen has to say.
    #[error("say whether you have been in an epidemic area")]
    DeclarationMissing,
}

/// The outcome of a submitted form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The cause that it sets, if any.
    pub cause: Option<Cause>,
    /// The code's basis when no cause is in force.
    pub rest_basis: Basis,
}

impl Policy {
    /// Says what a carrier's answer means on that day.
    pub fn outcome(&self, answer: &CarrierAnswer, today: Date) -> Outcome {
        match answer {
            CarrierAnswer::Trajectory(trajectory) => self.find(trajectory, today),
            CarrierAnswer::NewNumber => Outcome::NewNumber,
            // Nobody's subscriber has no answer anywhere.
            CarrierAnswer::NotSubscriber | CarrierAnswer::Unanswerable => Outcome::Unanswerable,
            CarrierAnswer::Unavailable(why) => Outcome::Unavailable(*why),
        }
    }

    /// Says what the form comes to on that day at that moment. `declared` is what the citizen says: yes, no, or nothing. The outcome
    /// is the stored one, whatever the client sends. What is said of a ward is never more than declared.
    pub fn submit(
        &self,
        outcome: &Outcome,
        (whose, declared): (Whose, Option<bool>),
        now_s: u64,
    ) -> Result<Submitted, SubmitError> {
        let today = day_of(now_s);
        let cause = |kind, day| self.rule(kind).map(|rule| Cause::through(kind, rule, now_s, day));
        let submitted = |cause, rest_basis| Ok(Submitted { cause, rest_basis });
        match (outcome.field(whose), declared) {
            (Field::LockedYes, Some(false)) => Err(SubmitError::Locked),
            (Field::LockedYes, None | Some(true)) => {
                let Outcome::Stay(stay) = outcome else { return Err(SubmitError::DeclarationMissing) };
                let (kind, basis) = match whose {
                    Whose::Owner => (CauseKind::Trajectory, Basis::Verified),
                    Whose::Ward { .. } => (CauseKind::Accompanied, Basis::Declared),
                };
                submitted(cause(kind, stay.last_day), basis)
            }
            (Field::No, None | Some(false)) => submitted(None, Basis::Verified),
            (Field::Declare, Some(false)) => submitted(None, Basis::Declared),
            (Field::No | Field::Declare, Some(true)) => {
                submitted(cause(CauseKind::Declaration, today), Basis::Declared)
            }
            (Field::Declare, None) => Err(SubmitError::DeclarationMissing),
        }
    }

    /// The colour that a form gives whose field says yes, and the last day on which it is so: after a stay that was found, else
    /// after a declaration of that day. People are told before they send it.
    pub fn foreseen(&self, found: Option<&Stay>, today: Date) -> Option<(Colour, Date)> {
        let (kind, day) =
            found.map_or((CauseKind::Declaration, today), |stay| (CauseKind::Trajectory, stay.last_day));
        self.rule(kind).map(|rule| (rule.colour, days_after(day, i32::from(rule.days))))
    }

    fn find(&self, trajectory: &Trajectory, today: Date) -> Outcome {
        let window = self.window(today);
        let visits = joined(&trajectory.visits);
        let stays = visits.iter().filter_map(|visit| self.stay(visit, window));
        if let Some(stay) = stays.max_by_key(|stay| stay.last_day) {
            return Outcome::Stay(stay);
        }
        if trajectory.covered.covers(window) {
            return Outcome::Clean;
        }
        let first = trajectory.covered.first.max(window.first);
        let last = trajectory.covered.last.min(window.last);
        Outcome::Partial { covered: (first <= last).then_some(Days { first, last }) }
    }

    /// The last day of the window on which the visit was in an area that counted on that day.
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

/// Says what a carrier cuts at midnight, or at another cell of the same city, is one presence.
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
