//! The metrics of the QUIC side, registered once, and the time that devices wait for an answer, one sample for each frame.

use std::array::from_fn;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use protocol::message::BusyReason;
use protocol::trajectory::TrajectoryReason;
use protocol::{Advice, Colour, ErrorCode, Reason, RegionId, Verdict, metric};
use runtime::clock;

use super::admission::HANDSHAKES_MAX;

protocol::numbered! {
    /// The end of a handshake.
    pub(super) enum Handshake {
        Accepted = 1 => "accepted",
        Retried = 2 => "retried",
        Ignored = 3 => "ignored",
        Failed = 4 => "failed",
        TooSlow = 5 => "too-slow",
    }
}

protocol::numbered! {
    /// The kinds of frames with scans.
    pub(super) enum Scans {
        Verify = 1 => "verify",
        Punch = 2 => "punch",
    }
}

protocol::numbered! {
    /// The outcome of a frame with scans. A device's own mistakes are not counted here.
    pub(super) enum Served {
        Answered = 1 => "answered",
        Busy = 2 => "busy",
        /// A failure of the gateway.
        Failed = 3 => "failed",
    }
}

/// The frames whose answers go out with the next write.
#[derive(Default)]
pub(super) struct Owed {
    verifies: Vec<Instant>,
    /// The times at which they were read, with their numbers.
    punches: Vec<(Instant, u32)>,
}

impl Owed {
    pub(super) fn verify(&mut self, read: Instant) {
        self.verifies.push(read);
    }

    pub(super) fn punches(&mut self, read: Instant, frames: u32) {
        self.punches.push((read, frames));
    }
}

/// The end of a trajectory query.
#[derive(Clone, Copy)]
pub(super) enum QueryEnd {
    Answered(TrajectoryReason),
    Busy,
    Refused,
}

/// A guard that counts a query while it waits for its answer, or a handshake until it ends.
pub(super) struct UnderWay(Gauge);

impl UnderWay {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A counter for each colour.
type ByColour = [Counter; Colour::ALL.len()];

/// The metrics of one front. The fronts add to the same counters; what a front holds now has its number.
pub(super) struct QuicMetrics {
    handshakes: [Counter; Handshake::ALL.len()],
    handshake_seconds: Histogram,
    handshakes_under_way: Gauge,
    pub(super) connections: Gauge,
    verifies: HashMap<RegionId, ByColour>,
    /// The verifies in a region that the process did not start with.
    verifies_elsewhere: ByColour,
    requests: [[Counter; Served::ALL.len()]; Scans::ALL.len()],
    verify_seconds: Histogram,
    punch_seconds: Histogram,
    skew: Histogram,
    rejected: Vec<Counter>,
    shed: Vec<Counter>,
    closed: Vec<Counter>,
    refused: Vec<Counter>,
    queries: Vec<Counter>,
    queries_busy: Counter,
    queries_refused: Counter,
    queries_under_way: Gauge,
    query_seconds: Histogram,
}

impl QuicMetrics {
    pub(super) fn new(front: usize, regions: impl Iterator<Item = RegionId>) -> Self {
        let here = |name: &'static str| metrics::gauge!(name, "front" => front.to_string());
        here(metric::HANDSHAKES_MAX).set(HANDSHAKES_MAX as f64);
        let errors = |name: &'static str| {
            ErrorCode::ALL.iter().map(|code| metrics::counter!(name, "reason" => code.name())).collect()
        };
        let queries = |outcome: &'static str| metrics::counter!(metric::QUERIES, "outcome" => outcome);
        Self {
            handshakes: from_fn(
                |at| metrics::counter!(metric::HANDSHAKES, "outcome" => Handshake::ALL[at].name()),
            ),
            handshake_seconds: metrics::histogram!(metric::HANDSHAKE_SECONDS),
            handshakes_under_way: here(metric::HANDSHAKES_UNDER_WAY),
            connections: here(metric::CONNECTIONS),
            verifies: regions.map(|region| (region, verifies(&region.to_string()))).collect(),
            verifies_elsewhere: verifies(metric::OTHER),
            requests: from_fn(|at| requests(Scans::ALL[at])),
            verify_seconds: metrics::histogram!(metric::VERIFY_SECONDS),
            punch_seconds: metrics::histogram!(metric::PUNCH_SECONDS),
            skew: metrics::histogram!(metric::CLOCK_SKEW_SECONDS),
            rejected: Reason::ALL
                .iter()
                .map(|reason| metrics::counter!(metric::NOT_A_PASS_CODE, "reason" => reason.name()))
                .collect(),
            shed: BusyReason::ALL
                .iter()
                .map(|reason| metrics::counter!(metric::SHED, "reason" => reason.name()))
                .collect(),
            closed: errors(metric::CLOSED),
            refused: errors(metric::REQUEST_ERRORS),
            queries: TrajectoryReason::ALL.iter().map(|reason| queries(reason.name())).collect(),
            queries_busy: queries("busy"),
            queries_refused: queries("refused"),
            queries_under_way: metrics::gauge!(metric::QUERIES_UNDER_WAY),
            query_seconds: metrics::histogram!(metric::QUERY_SECONDS),
        }
    }

    pub(super) fn handshake(&self, outcome: Handshake) {
        self.handshakes[outcome.index()].increment(1);
    }

    /// Records the time of a handshake that succeeded.
    pub(super) fn handshake_took(&self, took: Duration) {
        self.handshake_seconds.record(took);
    }

    pub(super) fn handshake_begins(&self) -> UnderWay {
        UnderWay::new(&self.handshakes_under_way)
    }

    /// Counts answers that were owed as written.
    pub(super) fn written(&self, owed: &mut Owed) {
        if owed.verifies.is_empty() && owed.punches.is_empty() {
            return;
        }
        let now = clock::now();
        for read in owed.verifies.drain(..) {
            self.verify_seconds.record(now.saturating_duration_since(read));
        }
        for (read, frames) in owed.punches.drain(..) {
            self.punch_seconds.record_many(now.saturating_duration_since(read), frames as usize);
        }
    }

    pub(super) fn served(&self, request: Scans, served: Served, frames: u32) {
        self.requests[request.index()][served.index()].increment(frames.into());
    }

    /// Records the difference of a device's clock from the gateway's, either way.
    pub(super) fn skew(&self, ms: u64) {
        self.skew.record(Duration::from_millis(ms));
    }

    pub(super) fn verified(&self, region: RegionId, verdicts: &[Verdict]) {
        let mut by_colour = [0; Colour::ALL.len()];
        for verdict in verdicts {
            by_colour[verdict.colour.index()] += 1;
        }
        let counters = self.verifies.get(&region).unwrap_or(&self.verifies_elsewhere);
        for (counter, count) in counters.iter().zip(by_colour).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
        self.rejected(verdicts);
        // A colour that is unknown because colours are not loaded yet is no answer.
        let not_loaded = verdicts.iter().any(|verdict| verdict.reason == Reason::NotLoaded);
        self.served(Scans::Verify, if not_loaded { Served::Failed } else { Served::Answered }, 1);
    }

    /// Counts the scans that were no valid pass code.
    pub(super) fn rejected(&self, verdicts: &[Verdict]) {
        for verdict in verdicts.iter().filter(|verdict| verdict.advice == Advice::NotAPassCode) {
            self.rejected[verdict.reason.index()].increment(1);
        }
    }

    pub(super) fn shed(&self, reason: BusyReason) {
        self.shed[reason.index()].increment(1);
    }

    pub(super) fn closed(&self, code: ErrorCode) {
        self.closed[code.index()].increment(1);
    }

    pub(super) fn refused(&self, code: ErrorCode) {
        self.refused[code.index()].increment(1);
    }

    pub(super) fn query_begins(&self) -> UnderWay {
        UnderWay::new(&self.queries_under_way)
    }

    /// Counts the end of a query. Only answered ones are timed: a refusal tells nothing about carriers.
    pub(super) fn query_ends(&self, end: QueryEnd, took: Duration) {
        match end {
            QueryEnd::Answered(reason) => {
                self.queries[reason.index()].increment(1);
                self.query_seconds.record(took.as_secs_f64());
            }
            QueryEnd::Busy => self.queries_busy.increment(1),
            QueryEnd::Refused => self.queries_refused.increment(1),
        }
    }
}

fn verifies(region: &str) -> ByColour {
    from_fn(
        |at| metrics::counter!(metric::VERIFIES, "region" => region.to_owned(), "colour" => Colour::ALL[at].name()),
    )
}

fn requests(request: Scans) -> [Counter; Served::ALL.len()] {
    from_fn(
        |at| metrics::counter!(metric::REQUESTS, "request" => request.name(), "outcome" => Served::ALL[at].name()),
    )
}
