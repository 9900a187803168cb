//! People pass a device's places at the times of an open-loop schedule, whatever is answered, with latency from
//! the intended time; each verdict is compared with the colour of the person's code.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bench::pace::Lane;
use device::clock;
use device::fleet::Fleet;
use device::tokens::Tokens;
use device::{Counts, Device, DeviceError};
use hdrhistogram::Histogram;
use protocol::limits::TOKEN_GOOD_FOR_S;
use protocol::{CodeId, Colour, Direction, Epoch, PlaceId, Punch, Reason, RegionId, Scanned, Verdict};

use crate::proof::{Claim, Fact, is_forbidden};

/// The percentage of people who show an imported holder's earlier code.
const LEGACY_PERCENT: u8 = 3;
/// The percentage of people who show nothing.
const NOTHING_PERCENT: u8 = 1;

/// The people: those with tokens, and imported holders with their earlier QR texts.
pub(super) struct People {
    tokens: Tokens,
    legacy: Vec<(String, Colour)>,
}

/// A person before a scanner.
struct Visit {
    scanned: Scanned,
    code: Option<CodeId>,
    colour: Colour,
}

impl People {
    /// Takes the people of that city; legacy samples whose colour has no known name are left out.
    pub(super) fn new(fleet: &Fleet, tokens: Tokens) -> Self {
        let legacy = fleet
            .legacy_samples
            .iter()
            .filter_map(|sample| Some((sample.text.clone(), Colour::from_name(&sample.colour)?)));
        Self { tokens, legacy: legacy.collect() }
    }

    /// Makes scans with the colour that each must show.
    pub(super) fn scans(&self, random: &mut fastrand::Rng, count: usize) -> Vec<(Scanned, Colour)> {
        (0..count).map(|_| self.visit(random)).map(|visit| (visit.scanned, visit.colour)).collect()
    }

    fn visit(&self, random: &mut fastrand::Rng) -> Visit {
        let percent = random.u8(..100);
        if percent < NOTHING_PERCENT {
            return Visit { scanned: Scanned::Nothing, code: None, colour: Colour::Unknown };
        }
        if percent < NOTHING_PERCENT + LEGACY_PERCENT
            && let Some((text, colour)) = random.choice(&self.legacy)
        {
            return Visit { scanned: Scanned::Text(text.clone()), code: None, colour: *colour };
        }
        let person = self.tokens.anybody(random);
        let scanned = self.tokens.scan(&person, clock::now_s());
        Visit { scanned, code: Some(person.code), colour: person.colour }
    }
}

/// The figures of all devices so far.
#[derive(Clone)]
pub struct Tally {
    /// Punches that were due.
    pub offered: u64,
    /// Returns the number of acknowledged punches.
    pub acknowledged: u64,
    /// The time from the intended time to the verdict, microseconds.
    pub latency_us: Histogram<u64>,
    /// The generator's lateness, from the intended time to the punch, microseconds.
    pub late_us: Histogram<u64>,
    /// Verdicts by colour, in the order of [`Colour::ALL`].
    pub colours: [u64; Colour::ALL.len()],
    /// Verdicts with another colour than the person has.
    pub wrong: u64,
    /// Tokens that expired while the gateway was not there.
    pub expired: u64,
}

impl Tally {
    fn new() -> Self {
        let histogram = || Histogram::new(3).expect("three digits are within the histogram's bounds");
        Self {
            offered: 0,
            acknowledged: 0,
            latency_us: histogram(),
            late_us: histogram(),
            colours: [0; Colour::ALL.len()],
            wrong: 0,
            expired: 0,
        }
    }

    fn verdict(&mut self, verdict: Verdict, pending: &Pending, latency: Duration) {
        self.acknowledged += 1;
        self.latency_us += micros(latency);
        if let Some(at) = Colour::ALL.iter().position(|colour| *colour == verdict.colour) {
            self.colours[at] += 1;
        }
        let ran_out =
            verdict.reason == Reason::Expired && latency >= Duration::from_secs(u64::from(TOKEN_GOOD_FOR_S));
        self.expired += u64::from(ran_out);
        // A gateway that has just started says that it does not know yet: unknown, never a wrong colour.
        let not_loaded = verdict.reason == Reason::NotLoaded && verdict.colour == Colour::Unknown;
        let wrong = verdict.colour != pending.colour && !ran_out && !not_loaded;
        self.wrong += u64::from(wrong || is_forbidden(verdict));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The tally of all devices of a run.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Tally>>);

impl Default for Shared {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Tally::new())))
    }
}

impl Shared {
    /// Locks the tally; the guard is never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of a device.
pub(super) struct Walked {
    /// The device, still connected if it was.
    pub(super) device: Device,
    /// Its claim about its epoch.
    pub(super) claim: Claim,
    /// The reason why it stopped early, if it did.
    pub(super) error: Option<DeviceError>,
}

impl Walked {
    /// Returns the epoch of its claim.
    pub(super) fn epoch(&self) -> Epoch {
        self.device.state().epoch()
    }

    /// Returns the counts of its connections.
    pub(super) fn counts(&self) -> Counts {
        self.device.counts()
    }
}

struct Pending {
    intended: Instant,
    colour: Colour,
    fact: Fact,
}

/// A device and the people before it.
pub(super) struct Walk {
    device: Device,
    places: Vec<(PlaceId, RegionId)>,
    people: Arc<People>,
    tally: Shared,
    random: fastrand::Rng,
    pending: VecDeque<Pending>,
    claim: Claim,
}

impl Walk {
    /// Takes a device with an empty queue; `seed` decides which people come, and where.
    pub(super) fn new(
        device: Device,
        places: Vec<(PlaceId, RegionId)>,
        people: Arc<People>,
        tally: Shared,
        seed: u64,
    ) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { device, places, people, tally, random, pending: VecDeque::new(), claim: Claim::default() }
    }

    /// Lets all people of the lane pass, then waits at most `patience` for the last acknowledgements.
    pub(super) async fn run(mut self, lane: Lane, patience: Duration) -> Walked {
        let error = self.walk(lane, patience).await.err();
        self.claim.sent = self.device.state().sent().0;
        Walked { device: self.device, claim: self.claim, error }
    }

    async fn walk(&mut self, mut lane: Lane, patience: Duration) -> Result<(), DeviceError> {
        loop {
            tokio::select! {
                biased;
                intended = lane.recv() => match intended {
                    Some(intended) => self.visit(intended, clock::now()),
                    None => break,
                },
                stepped = self.device.step() => stepped?,
            }
            self.settle();
        }
        let end = clock::now() + patience;
        while self.device.state().unacknowledged() > 0 && clock::now() < end {
            tokio::select! {
                () = tokio::time::sleep_until(end.into()) => {}
                stepped = self.device.step() => stepped?,
            }
            self.settle();
        }
        Ok(())
    }

    fn visit(&mut self, intended: Instant, now: Instant) {
        let visit = self.people.visit(&mut self.random);
        let (place, region) = self.places[self.random.usize(..self.places.len())];
        let direction = if self.random.bool() { Direction::In } else { Direction::Out };
        let device_time_ms = clock::now_ms();
        let punch = Punch { scanned: visit.scanned, direction, place, device_time_ms, offline: None };
        let fact = Fact::sent(region, &punch, visit.code);
        self.pending.push_back(Pending { intended, colour: visit.colour, fact });
        self.device.punch(region, punch, 0);
        let mut tally = self.tally.lock();
        tally.offered += 1;
        tally.late_us += micros(now.saturating_duration_since(intended));
    }

    /// Books the acknowledgements that have arrived.
    fn settle(&mut self) {
        let acknowledged = self.device.take_acknowledged();
        if acknowledged.is_empty() {
            return;
        }
        let now = clock::now();
        let mut tally = self.tally.lock();
        for answer in acknowledged {
            let pending = self.pending.pop_front().expect("what is acknowledged was sent");
            tally.verdict(answer.verdict, &pending, now.saturating_duration_since(pending.intended));
            self.claim.acknowledged.push(pending.fact.told(&answer));
        }
    }
}
