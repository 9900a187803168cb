//! The effect of another version of the policy on the causes that are open, and how many codes that changes. Pure: the causes with
//! their evidence come from the registry, which also applies what is found here.

use protocol::{Basis, Colour};
use serde::{Deserialize, Serialize};

use super::{Cause, CauseKind, Policy, Standing, Stay, standing};
use crate::trajectory::{day_of, days_after, start_of};

impl Policy {
    /// Says what an open cause is by this policy; `None` if there is nothing left of it. What an authority set keeps its end, what was
    /// inherited stays as it is.
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

    /// Says whether an area of that name is in effect on the stay's last day.
    pub fn counts(&self, stay: &Stay) -> bool {
        self.areas_in_effect(stay.last_day).any(|name| name == stay.area)
    }

    /// Says whether the stay still gives a cause at that moment.
    pub fn still_counts(&self, stay: &Stay, now_s: u64) -> bool {
        let days = self.rule(CauseKind::Trajectory).map_or(0, |rule| i32::from(rule.days));
        self.counts(stay) && start_of(days_after(stay.last_day, days + 1)) > now_s
    }

    /// Says how many operators it takes to put this one into effect instead of `old`: two if it says anything else. A rule that turns
    /// nobody red today turns people red tomorrow.
    pub fn operators_needed(&self, old: &Self) -> usize {
        let alone = Self { version: old.version.clone(), ..self.clone() } == *old;
        if alone { 1 } else { 2 }
    }

    /// Says whether staff are told the same by both.
    pub fn advises_like(&self, other: &Self) -> bool {
        self.advice == other.advice
    }
}

/// Says how a code stands; what nothing is known of is not green.
pub fn stand(causes: &[Cause], rest: Basis, now_s: u64) -> Standing {
    let mut standing = standing(causes, rest, now_s);
    if standing.colour == Colour::Green && standing.basis == Basis::Nothing {
        standing.colour = Colour::Unknown;
    }
    standing
}

/// The changes by another policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Codes with open causes; no other can change.
    pub codes: u64,
    /// Codes with a colour (row) that get another one (column), in the order of [`Colour::ALL`]; the diagonal is empty.
    pub recoloured: [[u64; Colour::ALL.len()]; Colour::ALL.len()],
    /// Codes that keep their colour for a longer or a shorter time.
    pub moved: u64,
}

impl PolicyDiff {
    /// Codes that change in any way.
    pub fn changed(&self) -> u64 {
        self.recoloured.iter().flatten().sum::<u64>() + self.moved
    }

    /// Counts a code that stood and will stand so.
    pub fn count(&mut self, (before, old): (Colour, Option<u64>), new: Standing) {
        let index = |colour: Colour| usize::from(colour.number()) - 1;
        if before != new.colour {
            self.recoloured[index(before)][index(new.colour)] += 1;
        } else if old != new.next_change_s {
            self.moved += 1;
        }
    }
}
