//! Causes, and the colour that a code has by them: the worst of those in force. Clearing one never clears another.

use jiff::civil::Date;
use protocol::{Basis, Colour};

use crate::trajectory::{days_after, start_of};

/// The kind of cause. The number is what the registry and the decisions keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum CauseKind {
    /// A carrier's answer shows a stay in an epidemic area.
    Trajectory = 1,
    /// The citizen declares one.
    Declaration = 2,
    /// An authority: was close to somebody who is ill.
    CloseContact = 3,
    /// An authority: is ill.
    Diagnosis = 4,
    /// An authority: is to stay apart.
    Quarantine = 5,
    /// A colour that came with an import.
    Inherited = 6,
    /// The same, resting on a declaration.
    InheritedDeclared = 7,
    /// A carrier's answer shows a stay of the guardian's phone, and the guardian says that the ward was with it.
    Accompanied = 8,
    /// A declaration that whoever made it has taken back: it ends after the wait that the policy asks for.
    Corrected = 9,
}

impl CauseKind {
    /// Every kind that a policy has a rule for, in the order of their numbers.
    pub const ALL: &[Self] =
        &[Self::Trajectory, Self::Declaration, Self::CloseContact, Self::Diagnosis, Self::Quarantine];

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        let others = [Self::Inherited, Self::InheritedDeclared, Self::Accompanied, Self::Corrected];
        Self::ALL.iter().copied().chain(others).find(|kind| kind.number() == number)
    }

    /// Its name in files and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trajectory => "trajectory",
            Self::Declaration | Self::Accompanied | Self::Corrected => "declaration",
            Self::CloseContact => "close-contact",
            Self::Diagnosis => "diagnosis",
            Self::Quarantine => "quarantine",
            Self::Inherited | Self::InheritedDeclared => "inherited",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Says whether an authority sets it by hand, and not the policy by itself.
    pub const fn is_manual(self) -> bool {
        match self {
            Self::Trajectory
            | Self::Declaration
            | Self::Inherited
            | Self::InheritedDeclared
            | Self::Accompanied
            | Self::Corrected => false,
            Self::CloseContact | Self::Diagnosis | Self::Quarantine => true,
        }
    }

    /// Says what a colour by this cause rests on.
    pub const fn basis(self) -> Basis {
        match self {
            Self::Declaration | Self::InheritedDeclared | Self::Accompanied | Self::Corrected => {
                Basis::Declared
            }
            Self::Trajectory | Self::CloseContact | Self::Diagnosis | Self::Quarantine | Self::Inherited => {
                Basis::Verified
            }
        }
    }
}

/// A cause of a code. In force from its begin to its end, or until its authority clears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind.
    pub kind: CauseKind,
    /// Its effect.
    pub colour: Colour,
    /// Its begin, seconds since 1970 UTC.
    pub from_s: u64,
    /// Its end, not part of it, seconds since 1970 UTC.
    pub until_s: u64,
}

impl Cause {
    /// A cause from that moment to the end of a day, so many days after `day`.
    pub(super) fn through(kind: CauseKind, rule: super::Rule, from_s: u64, day: Date) -> Self {
        let until_s = start_of(days_after(day, i32::from(rule.days) + 1));
        Self { kind, colour: rule.colour, from_s, until_s }
    }

    /// Says whether it counts at that moment.
    pub const fn is_in_force(self, now_s: u64) -> bool {
        self.from_s <= now_s && now_s < self.until_s
    }
}

/// The state of a code at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The worst of the causes in force.
    pub colour: Colour,
    /// Its basis.
    pub basis: Basis,
    /// When it changes by the clock, seconds since 1970 UTC; `None` for never.
    pub next_change_s: Option<u64>,
}

/// Says how a code stands with these causes, none of which was cleared. `green_basis` is what it rests on when none is in force.
pub fn standing(causes: &[Cause], green_basis: Basis, now_s: u64) -> Standing {
    let (colour, basis) = worst(causes, green_basis, now_s);
    let mut bounds: Vec<u64> = causes
        .iter()
        .filter(|cause| cause.from_s < cause.until_s)
        .flat_map(|cause| [cause.from_s, cause.until_s])
        .filter(|&at_s| at_s > now_s)
        .collect();
    bounds.sort_unstable();
    let next_change_s = bounds.into_iter().find(|&at_s| worst(causes, green_basis, at_s) != (colour, basis));
    Standing { colour, basis, next_change_s }
}

/// The next other colour that the clock brings a code to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From when on, seconds since 1970 UTC.
    pub at_s: u64,
    /// The colour from then on.
    pub to: Colour,
    /// It is worse than the one before.
    pub is_worse: bool,
}

/// Finds when the clock ends the colour that these causes give, if nothing else happens, and what follows; `None` for never. Causes of the same
/// colour that overlap are one stretch of it, whatever each rests on.
pub fn turn(causes: &[Cause], now_s: u64) -> Option<Turn> {
    let colour_at = |at_s| worst(causes, Basis::Verified, at_s).0;
    let colour = colour_at(now_s);
    let bounds = causes.iter().filter(|cause| cause.from_s < cause.until_s);
    let bounds = bounds.flat_map(|cause| [cause.from_s, cause.until_s]).filter(|&at_s| at_s > now_s);
    let at_s = bounds.filter(|&at_s| colour_at(at_s) != colour).min()?;
    let to = colour_at(at_s);
    Some(Turn { at_s, to, is_worse: severity(to) > severity(colour) })
}

fn worst(causes: &[Cause], green_basis: Basis, now_s: u64) -> (Colour, Basis) {
    let in_force = causes.iter().filter(|cause| cause.is_in_force(now_s));
    let worst = in_force.max_by_key(|cause| (severity(cause.colour), cause.kind.basis() == Basis::Verified));
    worst.map_or((Colour::Green, green_basis), |cause| (cause.colour, cause.kind.basis()))
}

/// The worse, the more.
pub const fn severity(colour: Colour) -> u8 {
    match colour {
        Colour::Green => 0,
        Colour::Unknown => 1,
        Colour::Yellow => 2,
        Colour::Red => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_ends_when_the_last_of_the_causes_that_give_it_ends() {
        let cause = |kind, colour, from_s, until_s| Cause { kind, colour, from_s, until_s };
        let found = cause(CauseKind::Trajectory, Colour::Red, 100, 200);
        let said = cause(CauseKind::Declaration, Colour::Red, 100, 300);
        let ill = cause(CauseKind::Diagnosis, Colour::Red, 250, 400);
        let apart = cause(CauseKind::Quarantine, Colour::Yellow, 100, 350);
        let later = cause(CauseKind::Diagnosis, Colour::Red, 500, 600);
        for (name, causes, now_s, expected) in [
            ("nothing", vec![], 100, None),
            ("one", vec![found], 150, Some((200, Colour::Green, false))),
            ("what it rests on changes before", vec![found, said], 150, Some((300, Colour::Green, false))),
            ("overlapping to the last", vec![said, ill, found], 150, Some((400, Colour::Green, false))),
            ("a better colour follows", vec![found, apart], 150, Some((200, Colour::Yellow, false))),
            ("a worse one is to come", vec![apart, ill], 150, Some((250, Colour::Red, true))),
            ("the same one comes again later", vec![found, later], 150, Some((200, Colour::Green, false))),
            ("from green", vec![later], 450, Some((500, Colour::Red, true))),
            (
                "without an end",
                vec![found, Cause { until_s: u64::MAX, ..said }],
                150,
                Some((u64::MAX, Colour::Green, false)),
            ),
            ("over", vec![found], 200, None),
        ] {
            let turn = turn(&causes, now_s).map(|turn| (turn.at_s, turn.to, turn.is_worse));
            assert_eq!(turn, expected, "{name}");
        }
    }
}
