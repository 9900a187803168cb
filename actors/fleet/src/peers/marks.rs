//! The decision about a device that holds acknowledgements above this gateway's log, from the marks of all other gateways. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::Missing;
use protocol::{DeviceId, Epoch, Sequence};

/// The most ranges that wait for a gateway to come back: one for each device of a large city. More are taken for lost, which is told at once.
pub(crate) const UNCONFIRMED_MAX: usize = 100_000;
/// The most ranges of one device that wait: it needs one for each gateway that dies before another is back.
const RANGES_PER_DEVICE_MAX: usize = 8;

/// The gateways that were not heard about a device's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// These; empty if all were heard.
    Named(Arc<BTreeSet<String>>),
    /// Any of the fleet: its gateways were not known.
    Any,
}

/// The answer of the other gateways about a device's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The highest number that another gateway accounts for; 0 if none does. A gateway's mark speaks for all numbers below it: it has asked
    /// about them when the device came to it.
    pub(crate) upto: Sequence,
    /// Those that may hold more.
    pub(crate) away: Away,
}

impl Held {
    /// The state of not having heard of any gateway.
    pub(crate) const UNKNOWN: Self = Self { upto: Sequence(0), away: Away::Any };
}

impl Away {
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Named(names) if names.is_empty())
    }
}

/// The part of a range of numbers that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    to: Sequence,
    away: Away,
}

type Key = (DeviceId, Epoch, Sequence);

/// The ranges of numbers that devices hold acknowledgements for and that may be in the log of a gateway that is away. Only that gateway, or
/// the copy of its log, can say so: the marks of others may rest on the device's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    ranges: BTreeMap<Key, Waiting>,
    punches: u128,
}

/// The end of a range that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// A gateway that was away holds all of it.
    Held,
    /// No log holds this part.
    Lost(Missing),
    /// It still waits.
    Waits,
}

const fn key(range: Missing) -> Key {
    (range.device, range.epoch, range.from)
}

fn count(from: Sequence, to: Sequence) -> u128 {
    (u128::from(to.0) + 1).saturating_sub(u128::from(from.0))
}

impl Unconfirmed {
    pub(crate) fn from_ranges(ranges: impl IntoIterator<Item = (Missing, Away)>) -> Self {
        let mut all = Self::default();
        for (range, away) in ranges {
            all.add(range, &away);
        }
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the number of punches that wait.
    pub(crate) fn punches(&self) -> u64 {
        u64::try_from(self.punches).unwrap_or(u64::MAX)
    }

    /// Returns all ranges, each with those that may hold it.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (Missing, &Away)> {
        self.ranges.iter().map(|(&key, waiting)| (whole(key, waiting), &waiting.away))
    }

    /// Returns so many ranges that follow this one in order and that someone else than `silent` may hold.
    pub(crate) fn after(
        &self,
        last: Option<Missing>,
        most: usize,
        silent: &BTreeSet<String>,
    ) -> Vec<(Missing, Away)> {
        let from = last.map_or(std::ops::Bound::Unbounded, |last| std::ops::Bound::Excluded(key(last)));
        let is_of_use = |away: &Away| match away {
            Away::Named(names) => names.is_empty() || !names.is_subset(silent),
            Away::Any => true,
        };
        let ranges = self.ranges.range((from, std::ops::Bound::Unbounded));
        let ranges = ranges.filter(|(_, waiting)| is_of_use(&waiting.away));
        ranges.take(most).map(|(&key, waiting)| (whole(key, waiting), waiting.away.clone())).collect()
    }

    /// Adds a range that may be at gateways which are away; false if too many wait. A device that says the same again changes nothing.
    pub(crate) fn add(&mut self, range: Missing, away: &Away) -> bool {
        let Missing { device, epoch, from, to } = range;
        if let Some(known) = self.ranges.get_mut(&key(range)) {
            if to > known.to {
                self.punches += count(Sequence(known.to.0 + 1), to);
                *known = Waiting { to, away: known.away.with(away) };
            }
            return true;
        }
        let of_device = (device, Epoch(0), Sequence(0))..=(device, Epoch(u32::MAX), Sequence(u64::MAX));
        if self.ranges.len() >= UNCONFIRMED_MAX
            || self.ranges.range(of_device).count() >= RANGES_PER_DEVICE_MAX
        {
            return false;
        }
        self.ranges.insert((device, epoch, from), Waiting { to, away: away.clone() });
        self.punches += count(from, to);
        true
    }

    /// Returns what a range has become; nothing is changed. `mark` is what a gateway, or the copy of its log, holds of the epoch; `is_awaited`
    /// says whether a gateway is one of the fleet that was not heard now.
    pub(crate) fn settle(
        range: Missing,
        away: &BTreeSet<String>,
        mark: impl Fn(&str) -> Sequence,
        is_awaited: impl Fn(&str) -> bool,
    ) -> Settled {
        let upto = away.iter().map(|name| mark(name)).max().unwrap_or(Sequence(0));
        if upto >= range.to {
            Settled::Held
        } else if away.iter().any(|name| is_awaited(name)) {
            Settled::Waits
        } else {
            let from = range.from.max(Sequence(upto.0 + 1));
            Settled::Lost(Missing { from, ..range })
        }
    }

    /// Names the gateways that a range waits for, which were not known when it was added.
    pub(crate) fn name(&mut self, range: Missing, names: &Arc<BTreeSet<String>>) {
        if let Some(waiting) = self.ranges.get_mut(&key(range)) {
            waiting.away = Away::Named(Arc::clone(names));
        }
    }

    /// Removes a range that is settled; what was added to it since goes on waiting.
    pub(crate) fn remove(&mut self, range: Missing) {
        let Some(known) = self.ranges.remove(&key(range)) else { return };
        self.punches -= count(range.from, range.to.min(known.to));
        if known.to > range.to {
            self.ranges.insert((range.device, range.epoch, Sequence(range.to.0 + 1)), known);
        }
    }
}

fn whole((device, epoch, from): Key, waiting: &Waiting) -> Missing {
    Missing { device, epoch, from, to: waiting.to }
}

impl Away {
    fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) if other.is_subset(one) => Self::Named(Arc::clone(one)),
            (Self::Named(one), Self::Named(other)) => {
                Self::Named(Arc::new(one.union(other).cloned().collect()))
            }
            (Self::Any, _) | (_, Self::Any) => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(device: u64, from: u64, to: u64) -> Missing {
        Missing { device: DeviceId(device), epoch: Epoch(1), from: Sequence(from), to: Sequence(to) }
    }

    fn named(names: &[&str]) -> Away {
        Away::Named(Arc::new(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    #[test]
    fn a_range_is_held_lost_or_waits_by_the_gateways_that_were_away_alone() {
        let missing = range(1, 11, 20);
        // The mark of each gateway, and whether it is still awaited.
        for (marks, expected) in [
            (vec![], Settled::Lost(missing)),
            (vec![("a", 20, false)], Settled::Held),
            (vec![("a", 0, false), ("b", 25, false)], Settled::Held),
            (vec![("a", 0, true), ("b", 20, false)], Settled::Held),
            (vec![("a", 20, true)], Settled::Held),
            (vec![("a", 0, false), ("b", 10, false)], Settled::Lost(missing)),
            (vec![("a", 14, false), ("b", 3, false)], Settled::Lost(range(1, 15, 20))),
            (vec![("a", 14, false), ("b", 0, true)], Settled::Waits),
            (vec![("a", 0, true)], Settled::Waits),
        ] {
            let away: BTreeSet<String> = marks.iter().map(|(name, ..)| (*name).to_owned()).collect();
            let of = |name: &str| *marks.iter().find(|(known, ..)| *known == name).unwrap();
            let settled = Unconfirmed::settle(missing, &away, |name| Sequence(of(name).1), |name| of(name).2);
            assert_eq!(settled, expected, "{marks:?}");
        }
        let any = |_: &str| panic!("another gateway's mark does not count");
        assert_eq!(Unconfirmed::settle(missing, &BTreeSet::new(), any, |_| true), Settled::Lost(missing));
    }

    #[test]
    fn ranges_wait_once_in_order_and_within_their_limits() {
        let mut all = Unconfirmed::default();
        let (a, b) = (named(&["a"]), named(&["b"]));
        for (device, from, to, away) in [(2, 1, 5, &a), (1, 4, 6, &a), (2, 1, 5, &b), (2, 1, 7, &b)] {
            assert!(all.add(range(device, from, to), away));
        }
        let none = BTreeSet::new();
        assert_eq!((all.ranges().count(), all.punches()), (2, 10));
        assert_eq!(all.after(None, 1, &none), [(range(1, 4, 6), a.clone())]);
        let both = named(&["a", "b"]);
        assert_eq!(all.after(Some(range(1, 4, 6)), 9, &none), [(range(2, 1, 7), both)]);
        assert_eq!(all.after(None, 9, &["a".to_owned()].into()).len(), 1, "the other one may be at b");
        all.remove(range(2, 1, 5));
        assert_eq!(all.after(Some(range(1, 4, 6)), 9, &none)[0].0, range(2, 6, 7), "it was longer meanwhile");
        assert_eq!(Unconfirmed::from_ranges(all.ranges().map(|(range, away)| (range, away.clone()))), all);
        all.remove(range(1, 4, 6));
        all.remove(range(2, 6, 7));
        assert_eq!((all.is_empty(), all.punches()), (true, 0));
        (0..8).for_each(|from| assert!(all.add(range(1, 10 * from + 1, 10 * from + 2), &a)));
        assert!(!all.add(range(1, 99, 99), &a), "one device has no room for more");
        (9..1 + UNCONFIRMED_MAX as u64).for_each(|device| assert!(all.add(range(device, 1, 1), &a)));
        assert!(!all.add(range(2, 1, 1), &a), "there is no room");
        assert!(all.add(range(9, 1, 8), &a), "it waits already");
    }

    #[test]
    fn a_range_that_began_without_the_list_waits_for_those_that_are_named_later() {
        let mut all = Unconfirmed::default();
        assert!(all.add(range(1, 1, 5), &Away::Any));
        all.name(range(1, 1, 5), &Arc::new(["a".to_owned()].into()));
        assert_eq!(all.ranges().next(), Some((range(1, 1, 5), &named(&["a"]))));
    }
}
