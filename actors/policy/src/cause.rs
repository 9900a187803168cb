//! Causes, and the colour of a code: that of the most severe cause in force. Clearing one cause never clears another.

use jiff::civil::Date;
use protocol::{Basis, Colour};

use crate::trajectory::{days_after, start_of};

/// The kind of a cause. The registry and the decisions store the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum CauseKind {
    /// A stay in an epidemic area, found by a carrier.
    Trajectory = 1,
    /// A stay in an epidemic area, declared by the citizen.
    Declaration = 2,
    /// Close contact with an infected person, set by an authority.
    CloseContact = 3,
    /// An infection, set by an authority.
    Diagnosis = 4,
    /// A quarantine, set by an authority.
    Quarantine = 5,
    /// A verified colour of an imported code.
    Inherited = 6,
    /// A declared colour of an imported code.
    InheritedDeclared = 7,
    /// A stay of the guardian's phone, found by a carrier, with the guardian's statement that the ward was with it.
    Accompanied = 8,
    /// A declaration that its declarer has corrected: it ends after the policy's wait.
    Corrected = 9,
}

impl CauseKind {
    /// The kinds that a policy has rules for, in the order of their numbers, which begin at 1.
    pub const ALL: &[Self] =
        &[Self::Trajectory, Self::Declaration, Self::CloseContact, Self::Diagnosis, Self::Quarantine];

    /// Returns the number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the position in [`Self::ALL`], from 0; at least its length for a kind without a rule.
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// Returns the kind with that number; `None` for an unknown number.
    pub fn from_number(number: u8) -> Option<Self> {
        let others = [Self::Inherited, Self::InheritedDeclared, Self::Accompanied, Self::Corrected];
        Self::ALL.iter().copied().chain(others).find(|kind| kind.number() == number)
    }

    /// Returns the name used in files and commands. Several kinds share a name.
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

    /// Returns the kind of [`Self::ALL`] with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Reports a kind that authorities set by hand.
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

    /// Returns the basis of a colour from this kind of cause.
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

/// A cause of a code, in force from its beginning until its end or until its authority clears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind.
    pub kind: CauseKind,
    /// The colour that it gives.
    pub colour: Colour,
    /// The beginning, seconds since 1970 UTC.
    pub from_s: u64,
    /// The end, exclusive, seconds since 1970 UTC.
    pub until_s: u64,
}

impl Cause {
    /// Returns a cause from `from_s` to the end of the day that lies the rule's days after `day`.
    pub(super) fn through(kind: CauseKind, rule: super::Rule, from_s: u64, day: Date) -> Self {
        let until_s = start_of(days_after(day, i32::from(rule.days) + 1));
        Self { kind, colour: rule.colour, from_s, until_s }
    }

    /// Reports whether the cause is in force at that time.
    pub const fn is_in_force(self, now_s: u64) -> bool {
        self.from_s <= now_s && now_s < self.until_s
    }
}

/// The state of a code at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The colour of the most severe cause in force.
    pub colour: Colour,
    /// The basis of the colour.
    pub basis: Basis,
    /// The time of the next change of colour or basis by the clock, seconds since 1970 UTC; `None` for never.
    pub next_change_s: Option<u64>,
}

/// Returns the state of a code with these causes, none of which is cleared. `green_basis` is its basis while none is in force.
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

/// A change of a code's colour by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColourChange {
    /// The time of the change, seconds since 1970 UTC.
    pub at_s: u64,
    /// The new colour.
    pub to: Colour,
    /// True if the new colour is more severe.
    pub is_worse: bool,
}

/// Returns the next change of the colour that these causes give, if nothing else happens; `None` for never. A change of the basis alone
/// does not count.
pub fn next_colour_change(causes: &[Cause], now_s: u64) -> Option<ColourChange> {
    let colour_at = |at_s| worst(causes, Basis::Verified, at_s).0;
    let colour = colour_at(now_s);
    let bounds = causes.iter().filter(|cause| cause.from_s < cause.until_s);
    let bounds = bounds.flat_map(|cause| [cause.from_s, cause.until_s]).filter(|&at_s| at_s > now_s);
    let at_s = bounds.filter(|&at_s| colour_at(at_s) != colour).min()?;
    let to = colour_at(at_s);
    Some(ColourChange { at_s, to, is_worse: severity(to) > severity(colour) })
}

fn worst(causes: &[Cause], green_basis: Basis, now_s: u64) -> (Colour, Basis) {
    let in_force = causes.iter().filter(|cause| cause.is_in_force(now_s));
    let worst = in_force.max_by_key(|cause| (severity(cause.colour), cause.kind.basis() == Basis::Verified));
    worst.map_or((Colour::Green, green_basis), |cause| (cause.colour, cause.kind.basis()))
}

/// Returns the rank of a colour, from green as the lowest to red.
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
            let turn = next_colour_change(&causes, now_s).map(|turn| (turn.at_s, turn.to, turn.is_worse));
            assert_eq!(turn, expected, "{name}");
        }
    }
}
