//! The effect of another version of the policy on open causes, and the number of codes that it changes. Pure: the registry supplies
//! the causes with their evidence and applies the result.

use protocol::{Basis, Colour};
use serde::{Deserialize, Serialize};

use super::{Cause, CauseKind, Policy, Standing, Stay, standing};
use crate::trajectory::{day_of, days_after, start_of};

impl Policy {
    /// Returns an open cause as this policy defines it; `None` if it no longer applies. A cause set by an authority keeps its end; an
    /// inherited one stays unchanged.
    pub fn revise(&self, cause: Cause, evidence: Option<&Stay>, now_s: u64) -> Option<Cause> {
        let Some(rule) = self.rule(cause.kind) else { return Some(cause) };
        let through = |day| Cause::through(cause.kind, rule, cause.from_s, day);
        let revised = match (cause.kind, evidence) {
            (CauseKind::Trajectory | CauseKind::Accompanied, Some(stay)) if !self.counts(stay) => {
                return None;
            }
            (CauseKind::Trajectory | CauseKind::Accompanied, Some(stay)) => through(stay.last_day),
            (CauseKind::Declaration, _) => through(day_of(cause.from_s)),
            (CauseKind::Trajectory | CauseKind::Accompanied, None)
            | (CauseKind::CloseContact | CauseKind::Diagnosis | CauseKind::Quarantine, _) => {
                Cause { colour: rule.colour, ..cause }
            }
            (CauseKind::Inherited | CauseKind::InheritedDeclared | CauseKind::Corrected, _) => cause,
        };
        Some(revised).filter(|cause| cause.until_s > now_s)
    }

    /// Reports whether an area of that name is in effect on the stay's last day.
    pub fn counts(&self, stay: &Stay) -> bool {
        self.areas_in_effect(stay.last_day).any(|name| name == stay.area)
    }

    /// Reports whether the stay still gives a cause at that time.
    pub fn still_counts(&self, stay: &Stay, now_s: u64) -> bool {
        let days = self.rule(CauseKind::Trajectory).map_or(0, |rule| i32::from(rule.days));
        self.counts(stay) && start_of(days_after(stay.last_day, days + 1)) > now_s
    }

    /// Returns the number of operators needed to replace `old` by this policy: two if more than the version's name differs, even if no
    /// code changes today.
    pub fn operators_needed(&self, old: &Self) -> usize {
        let alone = Self { version: old.version.clone(), ..self.clone() } == *old;
        if alone { 1 } else { 2 }
    }

    /// Reports whether both policies give the same advice.
    pub fn advises_like(&self, other: &Self) -> bool {
        self.advice == other.advice
    }
}

/// Returns the state of a code as [`standing`] does, with unknown instead of green if there is no basis.
pub fn standing_or_unknown(causes: &[Cause], rest: Basis, now_s: u64) -> Standing {
    let mut standing = standing(causes, rest, now_s);
    if standing.colour == Colour::Green && standing.basis == Basis::Nothing {
        standing.colour = Colour::Unknown;
    }
    standing
}

/// The number of codes that another policy changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Codes with open causes. Other codes cannot change.
    pub codes: u64,
    /// Codes by present colour (row) and new colour (column), in the order of [`Colour::ALL`]; the diagonal is zero.
    pub recoloured: [[u64; Colour::ALL.len()]; Colour::ALL.len()],
    /// Codes with the same colour and another time of the next change.
    pub moved: u64,
}

impl PolicyDiff {
    /// Returns the number of codes that change in any way.
    pub fn changed(&self) -> u64 {
        self.recoloured.iter().flatten().sum::<u64>() + self.moved
    }

    /// Counts one code, with its present colour and time of the next change, and its new state.
    pub fn count(&mut self, (before, old): (Colour, Option<u64>), new: Standing) {
        if before != new.colour {
            self.recoloured[before.index()][new.colour.index()] += 1;
        } else if old != new.next_change_s {
            self.moved += 1;
        }
    }
}
