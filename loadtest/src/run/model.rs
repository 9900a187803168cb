//! The right verdicts: the colour of each person's code, and the effect of a change. A changed colour may be
//! seen from the moment it is ordered, and must be seen by requests after the order is done.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use device::clock;
use device::fleet::Fleet;
use device::tokens::{Person, Tokens};
use protocol::limits::TOKEN_GOOD_FOR_S;
use protocol::{CodeId, Colour, Reason, Scanned, Verdict};

use crate::proof::is_forbidden;
use crate::scenario::plan::Visit;

/// The percentage of people who show an imported holder's earlier code.
const LEGACY_PERCENT: u64 = 3;
/// The percentage of people who show nothing.
const NOTHING_PERCENT: u64 = 1;

/// A scan with the person's code.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) scanned: Scanned,
    pub(super) code: Option<CodeId>,
    pub(super) colour: Colour,
}

/// The people of the city.
pub(super) struct People {
    tokens: Tokens,
    legacy: Vec<(String, Colour)>,
}

impl People {
    pub(super) fn new(fleet: &Fleet, tokens: Tokens) -> Self {
        let known = |sample: &device::fleet::LegacySample| {
            Some((sample.text.clone(), Colour::from_name(&sample.colour)?))
        };
        Self { tokens, legacy: fleet.legacy_samples.iter().filter_map(known).collect() }
    }

    /// Makes the scan of that visit's person at this time.
    pub(super) fn scan(&self, visit: &Visit) -> Scan {
        let percent = (visit.luck >> 32) % 100;
        if percent < NOTHING_PERCENT {
            return Scan { scanned: Scanned::Nothing, code: None, colour: Colour::Unknown };
        }
        if percent < NOTHING_PERCENT + LEGACY_PERCENT && !self.legacy.is_empty() {
            let (text, colour) = &self.legacy[visit.person as usize % self.legacy.len()];
            return Scan { scanned: Scanned::Text(text.clone()), code: None, colour: *colour };
        }
        self.token(self.person(visit.person))
    }

    /// Makes the scan of that person's token at this time.
    pub(super) fn token(&self, person: Person) -> Scan {
        let scanned = self.tokens.scan(&person, clock::now_s());
        Scan { scanned, code: Some(person.code), colour: person.colour }
    }

    /// Returns the person of that rank.
    pub(super) fn person(&self, rank: u32) -> Person {
        let people = self.tokens.people();
        people[rank as usize % people.len()]
    }

    /// Returns `count` green people, by rank, without the first `skipped`.
    pub(super) fn green(&self, skipped: usize, count: usize) -> Vec<Person> {
        let green = self.tokens.people().iter().filter(|person| person.colour == Colour::Green);
        green.skip(skipped).take(count).copied().collect()
    }
}

/// A colour that changes during the run.
struct Change {
    person: Person,
    to: Colour,
    ordered: Instant,
    done: Option<Instant>,
    seen: Option<Instant>,
}

/// The expected colours and the wrong verdicts so far.
#[derive(Default)]
pub(super) struct Model {
    changes: RefCell<HashMap<CodeId, Change>>,
    wrong: Cell<u64>,
    stale: Cell<u64>,
}

impl Model {
    /// Records the order that the person's code becomes that colour.
    pub(super) fn ordered(&self, person: Person, to: Colour, now: Instant) {
        let change = Change { person, to, ordered: now, done: None, seen: None };
        self.changes.borrow_mut().insert(person.code, change);
    }

    /// Records the end of an order: requests from now on must see the colour.
    pub(super) fn done(&self, code: CodeId, now: Instant) {
        if let Some(change) = self.changes.borrow_mut().get_mut(&code) {
            change.done = Some(now);
        }
    }

    /// Records a refused order: the code keeps its colour.
    pub(super) fn refused(&self, code: CodeId) {
        self.changes.borrow_mut().remove(&code);
    }

    /// Returns the people whose new colour no device has seen yet.
    pub(super) fn unseen(&self) -> Vec<Person> {
        let changes = self.changes.borrow();
        changes.values().filter(|change| change.seen.is_none()).map(|change| change.person).collect()
    }

    /// Compares a verdict, requested at `asked`, with the expected colour.
    pub(super) fn judge(&self, scan: &Scan, verdict: Verdict, asked: Instant, now: Instant) {
        if is_forbidden(verdict) {
            self.wrong.set(self.wrong.get() + 1);
            return;
        }
        // A token that was asked with for longer than it is good for has run out on the way; and a gateway that has just
        // started says that it does not know yet. Both are said as what they are, and neither is a wrong colour.
        let ran_out = verdict.reason == Reason::Expired
            && now.saturating_duration_since(asked) >= Duration::from_secs(TOKEN_GOOD_FOR_S.into());
        let not_loaded = verdict.reason == Reason::NotLoaded && verdict.colour == Colour::Unknown;
        if ran_out || not_loaded {
            return;
        }
        let mut changes = self.changes.borrow_mut();
        let Some(change) = scan.code.and_then(|code| changes.get_mut(&code)) else {
            self.wrong.set(self.wrong.get() + u64::from(verdict.colour != scan.colour));
            return;
        };
        if verdict.colour == change.to {
            change.seen.get_or_insert(now);
        } else if verdict.colour != scan.colour {
            self.wrong.set(self.wrong.get() + 1);
        } else if change.done.is_some_and(|done| asked > done) {
            self.stale.set(self.stale.get() + 1);
        }
    }

    /// Returns the number of verdicts with a colour that the person never had, or with an advice that the colour forbids.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong.get()
    }

    /// Returns the number of verdicts with the old colour that were requested after the change was done.
    pub(super) fn stale(&self) -> u64 {
        self.stale.get()
    }

    /// Returns the time from each order to the moment a device saw it, and the number of orders that were never seen.
    pub(super) fn lags(&self) -> (Vec<Duration>, u64) {
        let changes = self.changes.borrow();
        let lag = |change: &Change| Some(change.seen?.saturating_duration_since(change.ordered));
        let lags: Vec<_> = changes.values().filter_map(lag).collect();
        let unseen = changes.len() - lags.len();
        (lags, unseen as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Advice, Basis};

    #[test]
    fn a_change_allows_both_colours_until_it_is_done() {
        let (start, step) = (clock::now(), Duration::from_secs(1));
        let code = CodeId::from_u64(7).unwrap();
        let person =
            Person { code, colour: Colour::Green, basis: Basis::Declared, class: protocol::Class::Person };
        let scan = |code| Scan { scanned: Scanned::Nothing, code: Some(code), colour: Colour::Green };
        let verdict = |colour| {
            let advice = if colour == Colour::Red { Advice::Stop } else { Advice::Pass };
            Verdict { colour, advice, basis: Basis::Declared, reason: Reason::Clear }
        };
        let model = Model::default();
        model.ordered(person, Colour::Red, start);
        let look = |colour, asked: u32, wrong, stale, seen| {
            model.judge(&scan(code), verdict(colour), start + step * asked, start + step * asked);
            assert_eq!(
                (model.wrong(), model.stale(), model.unseen().is_empty()),
                (wrong, stale, seen),
                "{colour} at {asked}"
            );
        };
        look(Colour::Green, 1, 0, 0, false);
        model.done(code, start + step * 2);
        look(Colour::Green, 2, 0, 0, false);
        look(Colour::Red, 3, 0, 0, true);
        look(Colour::Green, 4, 0, 1, true);
        look(Colour::Yellow, 5, 1, 1, true);
        assert_eq!(model.lags(), (vec![step * 3], 0));
        let other = CodeId::from_u64(8).unwrap();
        model.judge(&scan(other), verdict(Colour::Red), start, start);
        assert_eq!(model.wrong(), 2);
    }
}
