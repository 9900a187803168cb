//! The people before one device: those who wait to be scanned, for an answer, or for another try. Pure: time is an
//! argument, and randomness is each visit's `luck`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::citizens::Receipt;
use crate::record::Seat;
use crate::scenario::plan::Visit;
use crate::scenario::{Kind, Retry};

/// One try of one person. After it has failed, a refusal of it is ignored; an answer to it still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Try {
    person: u64,
    number: u8,
}

/// The end of one person's visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) seat: Seat,
    pub(super) intended: Instant,
    /// The time at which the answered request was sent.
    pub(super) sent: Option<Instant>,
    /// The reason why there was no answer; `None` if there was one.
    pub(super) reason: Option<&'static str>,
}

struct Person {
    visit: Visit,
    intended: Instant,
    tries: u8,
    receipt: Option<Receipt>,
}

/// The people before one device.
pub(super) struct Crowd {
    retry: Retry,
    next: u64,
    people: HashMap<u64, Person>,
    /// The people who can be scanned: without a connection, and only with one.
    ready: [VecDeque<Try>; 2],
    /// The deadline of each try.
    deadlines: BinaryHeap<Reverse<(Instant, Try)>>,
    later: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Person {
    fn seat(&self) -> Seat {
        Seat { kind: self.visit.kind, stage: self.visit.stage }
    }

    fn ended(&self, sent: Option<Instant>, reason: Option<&'static str>) -> Ended {
        Ended { seat: self.seat(), intended: self.intended, sent, reason }
    }
}

/// Returns the time until a person's next try after a failed one; `None` if the person leaves.
pub(super) fn after(retry: &Retry, luck: u64, tries: u8) -> Option<Duration> {
    let mut random = fastrand::Rng::with_seed(luck ^ (u64::from(tries) << 56));
    let again = tries <= retry.times_max && random.f64() < retry.again;
    again.then(|| Duration::from_millis(retry.think_ms.into()).mul_f64(0.5 + random.f64()))
}

impl Crowd {
    pub(super) fn new(retry: Retry) -> Self {
        let (people, deadlines, later) = (HashMap::new(), BinaryHeap::new(), BinaryHeap::new());
        Self { retry, next: 0, people, ready: Default::default(), deadlines, later }
    }

    /// Adds a person who waits to be scanned.
    pub(super) fn come(&mut self, visit: Visit, intended: Instant, now: Instant) {
        let person = self.next;
        self.next += 1;
        self.people.insert(person, Person { visit, intended, tries: 1, receipt: None });
        self.stand(person, now);
    }

    /// Puts people whose next try is due before the device again.
    pub(super) fn come_again(&mut self, now: Instant) {
        while let Some(Reverse((when, person))) = self.later.peek().copied()
            && when <= now
        {
            self.later.pop();
            self.stand(person, now);
        }
    }

    fn stand(&mut self, person: u64, now: Instant) {
        let Some(one) = self.people.get(&person) else { return };
        let this = Try { person, number: one.tries };
        self.deadlines.push(Reverse((now + patience(&self.retry, one.visit.kind), this)));
        self.ready[usize::from(one.visit.kind != Kind::Punch)].push_back(this);
    }

    /// Returns true if there are no people.
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Returns true if a person waits to be scanned.
    pub(super) fn somebody_is_ready(&self) -> bool {
        self.ready.iter().any(|queue| !queue.is_empty())
    }

    /// Returns the time of the next deadline.
    pub(super) fn wake(&self) -> Option<Instant> {
        let deadline = self.deadlines.peek().map(|Reverse((when, _))| *when);
        let later = self.later.peek().map(|Reverse((when, _))| *when);
        deadline.into_iter().chain(later).min()
    }

    /// Takes the next person to be scanned; punches, which a device keeps until it is connected, go first.
    pub(super) fn next_ready(&mut self, connected: bool) -> Option<(Try, Visit)> {
        let queues = if connected { 2 } else { 1 };
        for queue in 0..queues {
            while let Some(this) = self.ready[queue].pop_front() {
                if let Some(one) = self.goes_on(this) {
                    return Some((this, one.visit));
                }
            }
        }
        None
    }

    /// Puts a person back whose scan was lost; the device repeats it.
    pub(super) fn back(&mut self, this: Try) {
        if self.goes_on(this).is_some() {
            self.ready[1].push_front(this);
        }
    }

    /// Returns the person's receipt, a new one if there is none yet.
    pub(super) fn receipt(&mut self, this: Try, new: impl Fn() -> Option<Receipt>) -> Option<Receipt> {
        let one = self.goes_on(this)?;
        one.receipt = one.receipt.or_else(new);
        one.receipt
    }

    /// Counts the request of a person who still waits; returns kind and stage.
    pub(super) fn seat(&mut self, this: Try) -> Option<Seat> {
        self.goes_on(this).map(|one| one.seat())
    }

    /// Ends a visit with the answer to the request sent at `sent`; `None` if the person has left.
    pub(super) fn answered(&mut self, this: Try, sent: Instant) -> Option<Ended> {
        self.people.remove(&this.person).map(|one| one.ended(Some(sent), None))
    }

    /// Ends a visit without an answer, for that reason.
    pub(super) fn leave(&mut self, this: Try, reason: &'static str) -> Option<Ended> {
        self.goes_on(this)?;
        self.people.remove(&this.person).map(|one| one.ended(None, Some(reason)))
    }

    /// Ends a try: the person comes again later, or leaves.
    pub(super) fn refused(&mut self, this: Try, reason: &'static str, now: Instant) -> Option<Ended> {
        let one = self.people.get_mut(&this.person).filter(|one| one.tries == this.number)?;
        match after(&self.retry, one.visit.luck, one.tries) {
            Some(think) => {
                one.tries += 1;
                self.later.push(Reverse((now + think, this.person)));
                None
            }
            None => self.leave(this, reason),
        }
    }

    /// Takes the next person who has waited too long and leaves; others are scheduled for another try.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Ended> {
        while let Some(Reverse((when, this))) = self.deadlines.peek().copied()
            && when <= now
        {
            self.deadlines.pop();
            if let Some(ended) = self.refused(this, "no-answer", now) {
                return Some(ended);
            }
        }
        None
    }

    /// Returns the person, if still in that try.
    fn goes_on(&mut self, this: Try) -> Option<&mut Person> {
        self.people.get_mut(&this.person).filter(|one| one.tries == this.number)
    }

    /// Ends the visits of all people who are left.
    pub(super) fn everybody_leaves(&mut self, reason: &'static str) -> impl Iterator<Item = Ended> + use<> {
        let people = std::mem::take(&mut self.people);
        people.into_values().map(move |one| one.ended(None, Some(reason)))
    }
}

/// Returns the time that a person waits. A query takes as long as carriers take.
fn patience(retry: &Retry, kind: Kind) -> Duration {
    let ms = u64::from(retry.patience_ms);
    Duration::from_millis(if kind == Kind::Query { ms.max(QUERY_PATIENCE_MS) } else { ms })
}

/// The time that a person waits for a query: the gateway's own limit and five seconds.
const QUERY_PATIENCE_MS: u64 = protocol::limits::QUERY_MS_MAX + 5_000;

#[cfg(test)]
mod tests;
