//! The measurements while people come: counts, latency from the intended time, service time, interval by interval and stage by
//! stage. It only counts; the callers decide what an answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::scenario::{Kind, Scenario};

pub mod hlog;

use hlog::Interval;

const KINDS: usize = Kind::ALL.len();

/// A histogram of microseconds with three significant digits.
pub type Latencies = Histogram<u64>;

/// Latency and service time of answered people.
#[derive(Clone, Debug)]
pub struct Both {
    /// Latency from the intended time.
    pub latency_us: Latencies,
    /// Service time, from when the request was sent.
    pub service_us: Latencies,
}

impl Default for Both {
    fn default() -> Self {
        let histogram = || Histogram::new(3).expect("three digits are within the histogram's bounds");
        Self { latency_us: histogram(), service_us: histogram() }
    }
}

/// The end of one person's visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// People who have come.
    pub offered: u64,
    /// Tries, the first ones too.
    pub tries: u64,
    /// People who got their answer.
    pub answered: u64,
    /// People who left without one.
    pub failed: u64,
}

/// The figures of one kind in one stage.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The counts.
    pub counts: Counts,
    /// Latency and service time.
    pub times: Both,
    /// People who left without an answer, by the reason of the last try.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// One interval of one kind, by when things happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point {
    /// The counts.
    pub counts: Counts,
    /// Median latency, milliseconds; `None` if no person was answered.
    pub p50_ms: Option<f64>,
    /// The 99th percentile, milliseconds.
    pub p99_ms: Option<f64>,
}

/// The kind and stage of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The kind.
    pub kind: Kind,
    /// The stage in which it was due.
    pub stage: u16,
}

/// The record of a run.
pub struct Record {
    warm_up: Vec<bool>,
    cells: Vec<[Cell; KINDS]>,
    now: [(Counts, Both); KINDS],
    since: Duration,
    points: Vec<(Duration, [Point; KINDS])>,
    intervals: Vec<Interval>,
    late_us: Latencies,
}

impl Record {
    /// Makes an empty record for the stages of that scenario.
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            warm_up: scenario.stages.iter().map(|stage| stage.warm_up).collect(),
            cells: scenario.stages.iter().map(|_| Default::default()).collect(),
            now: Default::default(),
            since: Duration::ZERO,
            points: Vec::new(),
            intervals: Vec::new(),
            late_us: Both::default().latency_us,
        }
    }

    /// Records the generator's lateness at a visit.
    pub fn late(&mut self, seat: Seat, by: Duration) {
        if !self.warm_up[usize::from(seat.stage)] {
            self.late_us += micros(by);
        }
    }

    /// Counts a person who has come.
    pub fn offered(&mut self, seat: Seat) {
        self.count(seat, |counts| counts.offered += 1);
    }

    /// Counts a request for a person, the first one or a repeated one.
    pub fn tried(&mut self, seat: Seat) {
        self.count(seat, |counts| counts.tries += 1);
    }

    /// Counts an answered person, with latency and service time.
    pub fn answered(&mut self, seat: Seat, latency: Duration, service: Duration) {
        self.count(seat, |counts| counts.answered += 1);
        let (now, cell) = self.places(seat);
        for both in [&mut now.1, &mut cell.times] {
            both.latency_us += micros(latency);
            both.service_us += micros(service);
        }
    }

    /// Counts a person who left without an answer.
    pub fn failed(&mut self, seat: Seat, reason: &'static str) {
        self.count(seat, |counts| counts.failed += 1);
        *self.places(seat).1.reasons.entry(reason).or_default() += 1;
    }

    /// Closes the interval that began with the last call, unless it is empty.
    pub fn tick(&mut self, elapsed: Duration) {
        let (start, length) = (self.since, elapsed.saturating_sub(self.since));
        if length.is_zero() {
            return;
        }
        let mut points = [Point::default(); KINDS];
        for (kind, point) in Kind::ALL.into_iter().zip(&mut points) {
            let (counts, both) = std::mem::take(&mut self.now[kind as usize]);
            let at = |quantile| both.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
            let some = !both.latency_us.is_empty();
            *point = Point { counts, p50_ms: some.then(|| at(0.5)), p99_ms: some.then(|| at(0.99)) };
            if some {
                for (tag, histogram) in [("", &both.latency_us), ("-service", &both.service_us)] {
                    let tag = format!("{}{tag}", kind.name());
                    self.intervals.push(Interval::new(start, length, tag, histogram));
                }
            }
        }
        self.points.push((elapsed, points));
        self.since = elapsed;
    }

    /// Returns the closed intervals: the end of each, and its figures by kind, in the order of [`Kind::ALL`].
    pub fn points(&self) -> &[(Duration, [Point; KINDS])] {
        &self.points
    }

    /// Returns the figures of one kind in one stage.
    pub fn cell(&self, stage: usize, kind: Kind) -> &Cell {
        &self.cells[stage][kind as usize]
    }

    /// Returns the figures of one kind over all stages but the warm-up.
    pub fn total(&self, kind: Kind) -> Cell {
        let measured = self.cells.iter().zip(&self.warm_up).filter(|(_, warm_up)| !**warm_up);
        measured.fold(Cell::default(), |mut sum, (cells, _)| {
            sum.add(&cells[kind as usize]);
            sum
        })
    }

    /// Returns the number of answered people of that kind, warm-up included.
    pub(crate) fn answered_ever(&self, kind: Kind) -> u64 {
        self.cells.iter().map(|cells| cells[kind as usize].counts.answered).sum()
    }

    /// Checks that all of the `handed` people have come and left, answered or not, warm-up included. The error is a
    /// sentence.
    pub(crate) fn balance(&self, handed: u64) -> Result<(), String> {
        let (mut offered, mut ended) = (0, 0);
        for cell in self.cells.iter().flatten() {
            offered += cell.counts.offered;
            ended += cell.counts.answered + cell.counts.failed;
        }
        let points = self.points.iter().flat_map(|(_, kinds)| kinds).map(|point| point.counts);
        let seen: u64 = points.map(|counts| counts.answered + counts.failed).sum();
        if (offered, ended, seen) == (handed, handed, handed) {
            return Ok(());
        }
        Err(format!(
            "the record does not add up: {handed} people were sent, {offered} came and {ended} went, {seen} of them within an interval"
        ))
    }

    /// Returns the generator's lateness, microseconds, without the warm-up.
    pub(crate) fn late_us(&self) -> &Latencies {
        &self.late_us
    }

    /// Writes the intervals as an interval log: latency under the kind's name, service time under that and `-service`.
    pub fn hlog(&self, started_ms: u64) -> Vec<u8> {
        const ABOUT: &str = "microseconds: latency from the intended time; -service: from when it was sent";
        hlog::write(ABOUT, started_ms, 1000.0, &self.intervals)
    }

    fn count(&mut self, seat: Seat, add: impl Fn(&mut Counts)) {
        let (now, cell) = self.places(seat);
        add(&mut now.0);
        add(&mut cell.counts);
    }

    fn places(&mut self, seat: Seat) -> (&mut (Counts, Both), &mut Cell) {
        let kind = seat.kind as usize;
        (&mut self.now[kind], &mut self.cells[usize::from(seat.stage)][kind])
    }
}

impl Cell {
    fn add(&mut self, other: &Self) {
        let (sum, one) = (&mut self.counts, other.counts);
        sum.offered += one.offered;
        sum.tries += one.tries;
        sum.answered += one.answered;
        sum.failed += one.failed;
        self.times.latency_us += &other.times.latency_us;
        self.times.service_us += &other.times.service_us;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn stages_intervals_and_the_log_hold_the_same_people() {
        let mut record = Record::new(&scenario::load("steady").unwrap());
        for (stage, people) in [(0, 10), (1, 200), (1, 300)] {
            for n in 0..people {
                let seat = Seat { kind: Kind::Punch, stage };
                record.late(seat, MS / 10);
                record.offered(seat);
                record.tried(seat);
                if n % 10 == 0 {
                    record.failed(seat, "busy");
                } else {
                    record.answered(seat, MS * 20, MS * 5);
                }
            }
            record.tick(record.since + Duration::from_secs(1));
        }
        let total = record.total(Kind::Punch);
        assert_eq!(total.counts, Counts { offered: 500, tries: 500, answered: 450, failed: 50 });
        assert_eq!(total.reasons, BTreeMap::from([("busy", 50)]));
        assert_eq!(record.late_us().len(), 500);
        assert_eq!(record.cell(0, Kind::Punch).counts.answered, 9);
        assert_eq!(record.total(Kind::Verify).counts, Counts::default());
        assert_eq!(record.balance(510), Ok(()));
        assert!(record.balance(511).is_err(), "somebody was never heard of");
        let points: Vec<_> = record.points().iter().map(|(_, kinds)| kinds[Kind::Punch as usize]).collect();
        assert_eq!(points.iter().map(|point| point.counts.answered).collect::<Vec<_>>(), [9, 180, 270]);
        assert!(points[2].p99_ms.is_some_and(|ms| (ms - 20.0).abs() < 0.1));
        let log = hlog::read(&record.hlog(1)).unwrap();
        let answers =
            |tag| log.iter().filter(|one| one.tag == tag).map(|one| one.histogram().len()).sum::<u64>();
        assert_eq!((answers("punch"), answers("punch-service"), answers("verify")), (459, 459, 0));
    }
}
