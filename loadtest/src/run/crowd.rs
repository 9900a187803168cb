//! The people before one device: who waits to be scanned, who waits for an answer, who has had enough of it. Pure: time is an
//! argument, and chance is each visit's own luck.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::plan::Visit;
use crate::queries::Receipt;
use crate::record::Seat;
use crate::scenario::{Kind, Retry};

/// How it ended for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) seat: Seat,
    pub(super) intended: Instant,
    /// When the last try went out, if one did.
    pub(super) sent: Option<Instant>,
    /// Why there was no answer; nothing if there was one.
    pub(super) reason: Option<&'static str>,
}

struct Person {
    visit: Visit,
    intended: Instant,
    sent: Option<Instant>,
    tries: u8,
    receipt: Option<Receipt>,
}

/// Everybody before one device, by numbers of its own.
pub(super) struct Crowd {
    retry: Retry,
    next: u64,
    people: HashMap<u64, Person>,
    /// Who can be scanned: without a connection, and with one only.
    ready: [VecDeque<u64>; 2],
    /// Until when somebody waits, and in which try.
    deadlines: VecDeque<(Instant, u64, u8)>,
    later: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Person {
    fn seat(&self) -> Seat {
        Seat { kind: self.visit.kind, stage: self.visit.stage }
    }

    fn ended(&self, reason: Option<&'static str>) -> Ended {
        Ended { seat: self.seat(), intended: self.intended, sent: self.sent, reason }
    }
}

/// What a person does after a try came to nothing: when to try again, or not at all.
pub(super) fn after(retry: &Retry, luck: u64, tries: u8) -> Option<Duration> {
    let mut random = fastrand::Rng::with_seed(luck ^ (u64::from(tries) << 56));
    let again = tries <= retry.times_max && random.f64() < retry.again;
    again.then(|| Duration::from_millis(retry.think_ms.into()).mul_f64(0.5 + random.f64()))
}

impl Crowd {
    pub(super) fn new(retry: Retry) -> Self {
        let (people, deadlines, later) = (HashMap::new(), VecDeque::new(), BinaryHeap::new());
        Self { retry, next: 0, people, ready: Default::default(), deadlines, later }
    }

    /// Somebody comes and waits to be scanned.
    pub(super) fn come(&mut self, visit: Visit, intended: Instant, now: Instant) {
        let person = self.next;
        self.next += 1;
        self.people.insert(person, Person { visit, intended, sent: None, tries: 1, receipt: None });
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
        self.deadlines.push_back((now + patience(&self.retry, one.visit.kind), person, one.tries));
        self.ready[usize::from(one.visit.kind != Kind::Punch)].push_back(person);
    }

    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Whether somebody waits to be scanned.
    pub(super) fn somebody_is_ready(&self) -> bool {
        self.ready.iter().any(|queue| !queue.is_empty())
    }

    /// When something is due by the clock.
    pub(super) fn wake(&self) -> Option<Instant> {
        let deadline = self.deadlines.front().map(|(when, ..)| *when);
        let later = self.later.peek().map(|Reverse((when, _))| *when);
        deadline.into_iter().chain(later).min()
    }

    /// The next one to be scanned; what is kept by the device until it is connected goes first.
    pub(super) fn next_ready(&mut self, connected: bool) -> Option<(u64, Visit)> {
        let queues = if connected { 2 } else { 1 };
        for queue in &mut self.ready[..queues] {
            while let Some(person) = queue.pop_front() {
                if let Some(one) = self.people.get(&person) {
                    return Some((person, one.visit));
                }
            }
        }
        None
    }

    /// The scan came to nothing; the device repeats it.
    pub(super) fn back(&mut self, person: u64) {
        if self.people.contains_key(&person) {
            self.ready[1].push_front(person);
        }
    }

    /// The person's receipt, a new one if there is none yet.
    pub(super) fn receipt(&mut self, person: u64, new: impl Fn() -> Option<Receipt>) -> Option<Receipt> {
        let one = self.people.get_mut(&person)?;
        one.receipt = one.receipt.or_else(new);
        one.receipt
    }

    /// The person's request goes out.
    pub(super) fn sent(&mut self, person: u64, now: Instant) -> Option<Seat> {
        let one = self.people.get_mut(&person)?;
        one.sent = Some(now);
        Some(one.seat())
    }

    /// When the person's last request went out.
    pub(super) fn sent_at(&self, person: u64) -> Option<Instant> {
        self.people.get(&person)?.sent
    }

    /// The person has an answer and goes on, unless gone before.
    pub(super) fn answered(&mut self, person: u64) -> Option<Ended> {
        self.people.remove(&person).map(|one| one.ended(None))
    }

    /// The person leaves.
    pub(super) fn leave(&mut self, person: u64, reason: &'static str) -> Option<Ended> {
        self.people.remove(&person).map(|one| one.ended(Some(reason)))
    }

    /// The try came to nothing: the person comes again later, or leaves.
    pub(super) fn refused(&mut self, person: u64, reason: &'static str, now: Instant) -> Option<Ended> {
        let one = self.people.get_mut(&person)?;
        match after(&self.retry, one.visit.luck, one.tries) {
            Some(think) => {
                one.tries += 1;
                self.later.push(Reverse((now + think, person)));
                None
            }
            None => self.leave(person, reason),
        }
    }

    /// The next one who has waited too long and leaves; those who try again are sent to do so.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Ended> {
        while let Some((when, person, tries)) = self.deadlines.front().copied()
            && when <= now
        {
            self.deadlines.pop_front();
            let waits = self.people.get(&person).is_some_and(|one| one.tries == tries);
            if waits && let Some(ended) = self.refused(person, "no-answer", now) {
                return Some(ended);
            }
        }
        None
    }

    /// The run is over for everybody who is still there.
    pub(super) fn everybody_leaves(&mut self, reason: &'static str) -> impl Iterator<Item = Ended> + use<> {
        let people = std::mem::take(&mut self.people);
        people.into_values().map(move |one| one.ended(Some(reason)))
    }
}

/// A query takes as long as carriers take; nobody expects it sooner.
fn patience(retry: &Retry, kind: Kind) -> Duration {
    let ms = u64::from(retry.patience_ms);
    Duration::from_millis(if kind == Kind::Query { ms.max(QUERY_PATIENCE_MS) } else { ms })
}

/// The gateway's own limit of a query and five seconds.
const QUERY_PATIENCE_MS: u64 = protocol::limits::QUERY_MS_MAX + 5_000;
