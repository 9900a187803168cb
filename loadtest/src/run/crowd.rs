//! The people before one device: who waits to be scanned, who waits for an answer, who has had enough of it. Pure: time is an
//! argument, and chance is each visit's own luck.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::citizens::Receipt;
use crate::record::Seat;
use crate::scenario::plan::Visit;
use crate::scenario::{Kind, Retry};

/// One try of one person. Once that has come to nothing, a refusal of it means nothing any more; an answer to it still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Try {
    person: u64,
    number: u8,
}

/// The end of it for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) seat: Seat,
    pub(super) intended: Instant,
    /// When the request that was answered went out.
    pub(super) sent: Option<Instant>,
    /// Why there was no answer; nothing if there was one.
    pub(super) reason: Option<&'static str>,
}

struct Person {
    visit: Visit,
    intended: Instant,
    tries: u8,
    receipt: Option<Receipt>,
}

/// Everybody before one device, by numbers of its own.
pub(super) struct Crowd {
    retry: Retry,
    next: u64,
    people: HashMap<u64, Person>,
    /// The people who can be scanned: without a connection, and with one only.
    ready: [VecDeque<Try>; 2],
    /// Until when somebody waits, in which try.
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

/// Says what a person does after a try came to nothing: when to try again, or not at all.
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

    /// Somebody comes and waits to be scanned.
    pub(super) fn come(&mut self, visit: Visit, intended: Instant, now: Instant) {
        let person = self.next;
        self.next += 1;
        self.people.insert(person, Person { visit, intended, tries: 1, receipt: None });
        self.stand(person, now);
    }

    /// Those whose time to try again has come stand before the device again.
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

    /// Says whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Says whether somebody waits to be scanned.
    pub(super) fn somebody_is_ready(&self) -> bool {
        self.ready.iter().any(|queue| !queue.is_empty())
    }

    /// When something is due by the clock.
    pub(super) fn wake(&self) -> Option<Instant> {
        let deadline = self.deadlines.peek().map(|Reverse((when, _))| *when);
        let later = self.later.peek().map(|Reverse((when, _))| *when);
        deadline.into_iter().chain(later).min()
    }

    /// The next one to be scanned; what is kept by the device until it is connected goes first.
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

    /// The scan came to nothing; the device repeats it.
    pub(super) fn back(&mut self, this: Try) {
        if self.goes_on(this).is_some() {
            self.ready[1].push_front(this);
        }
    }

    /// The person's receipt, a new one if there is none yet.
    pub(super) fn receipt(&mut self, this: Try, new: impl Fn() -> Option<Receipt>) -> Option<Receipt> {
        let one = self.goes_on(this)?;
        one.receipt = one.receipt.or_else(new);
        one.receipt
    }

    /// Whose request that is, as long as the person waits for it.
    pub(super) fn seat(&mut self, this: Try) -> Option<Seat> {
        self.goes_on(this).map(|one| one.seat())
    }

    /// The person has an answer, to what was sent then, and goes on; unless gone before.
    pub(super) fn answered(&mut self, this: Try, sent: Instant) -> Option<Ended> {
        self.people.remove(&this.person).map(|one| one.ended(Some(sent), None))
    }

    /// The person leaves for what came of that try.
    pub(super) fn leave(&mut self, this: Try, reason: &'static str) -> Option<Ended> {
        self.goes_on(this)?;
        self.people.remove(&this.person).map(|one| one.ended(None, Some(reason)))
    }

    /// The try came to nothing: the person comes again later, or leaves.
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

    /// The next one who has waited too long and leaves; those who try again are sent to do so.
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

    /// Says who is in that try still.
    fn goes_on(&mut self, this: Try) -> Option<&mut Person> {
        self.people.get_mut(&this.person).filter(|one| one.tries == this.number)
    }

    /// The run is over for everybody who is still there.
    pub(super) fn everybody_leaves(&mut self, reason: &'static str) -> impl Iterator<Item = Ended> + use<> {
        let people = std::mem::take(&mut self.people);
        people.into_values().map(move |one| one.ended(None, Some(reason)))
    }
}

/// A query takes as long as carriers take; nobody expects it sooner.
fn patience(retry: &Retry, kind: Kind) -> Duration {
    let ms = u64::from(retry.patience_ms);
    Duration::from_millis(if kind == Kind::Query { ms.max(QUERY_PATIENCE_MS) } else { ms })
}

/// The gateway's own limit of a query and five seconds.
const QUERY_PATIENCE_MS: u64 = protocol::limits::QUERY_MS_MAX + 5_000;

#[cfg(test)]
mod tests;
