//! Handles of the QUIC side's metrics, registered once; and how long devices wait for an answer, one sample a frame.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use protocol::message::BusyReason;
use protocol::trajectory::TrajectoryReason;
use protocol::{Advice, Colour, ErrorCode, Reason, RegionId, Verdict, metric};
use runtime::clock;

/// The way in which a handshake ended.
#[derive(Clone, Copy)]
pub(super) enum Handshake {
    Accepted,
    Retried,
    Ignored,
    Failed,
    TooSlow,
}

const HANDSHAKES: [&str; 5] = ["accepted", "retried", "ignored", "failed", "too-slow"];

/// Which frames with scans there are.
#[derive(Clone, Copy)]
pub(super) enum Scans {
    Verify,
    Punch,
}

/// The outcome of one; a device's own mistakes are not in it.
#[derive(Clone, Copy)]
pub(super) enum Served {
    Answered,
    Busy,
    /// The gateway could not do its work.
    Failed,
}

const REQUESTS: [&str; 2] = ["verify", "punch"];
const SERVED: [&str; 3] = ["answered", "busy", "failed"];

/// Frames that are answered with the next write.
#[derive(Default)]
pub(super) struct Owed {
    verifies: Vec<Instant>,
    /// When they were read, and how many they are.
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

/// The answer to a trajectory query.
#[derive(Clone, Copy)]
pub(super) enum Answered {
    Reason(TrajectoryReason),
    Busy,
    Refused,
}

/// Counts a query while it waits for its answer, or a handshake until it ends.
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

/// One front's; the exporter adds fronts up.
pub(super) struct QuicMetrics {
    handshakes: [Counter; 5],
    handshake_seconds: Histogram,
    handshakes_under_way: Gauge,
    pub(super) connections: Gauge,
    verifies: HashMap<RegionId, [Counter; 4]>,
    /// Of a region that the process did not start with.
    verifies_elsewhere: [Counter; 4],
    requests: [[Counter; 3]; 2],
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
    pub(super) fn new(regions: impl Iterator<Item = RegionId>) -> Self {
        let errors = |name: &'static str| {
            ErrorCode::ALL.iter().map(|code| metrics::counter!(name, "reason" => code.name())).collect()
        };
        let queries = |outcome: &'static str| metrics::counter!(metric::QUERIES, "outcome" => outcome);
        Self {
            handshakes: HANDSHAKES.map(|outcome| metrics::counter!(metric::HANDSHAKES, "outcome" => outcome)),
            handshake_seconds: metrics::histogram!(metric::HANDSHAKE_SECONDS),
            handshakes_under_way: metrics::gauge!(metric::HANDSHAKES_UNDER_WAY),
            connections: metrics::gauge!(metric::CONNECTIONS),
            verifies: regions.map(|region| (region, verifies(&region.to_string()))).collect(),
            verifies_elsewhere: verifies(metric::OTHER),
            requests: REQUESTS.map(requests),
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
        self.handshakes[outcome as usize].increment(1);
    }

    /// One that came to its end in good order took this long.
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
        self.requests[request as usize][served as usize].increment(frames.into());
    }

    /// Notes the distance of a device's clock from ours, either way.
    pub(super) fn skew(&self, ms: u64) {
        self.skew.record(Duration::from_millis(ms));
    }

    pub(super) fn verified(&self, region: RegionId, verdicts: &[Verdict]) {
        let mut by_colour = [0; 4];
        for verdict in verdicts {
            by_colour[usize::from(verdict.colour.number()) - 1] += 1;
        }
        let counters = self.verifies.get(&region).unwrap_or(&self.verifies_elsewhere);
        for (counter, count) in counters.iter().zip(by_colour).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
        self.rejected(verdicts);
        // A colour that is unknown because nobody has loaded it is no answer.
        let served = match verdicts.iter().any(|verdict| verdict.reason == Reason::NotLoaded) {
            true => Served::Failed,
            false => Served::Answered,
        };
        self.served(Scans::Verify, served, 1);
    }

    /// Scans that were no valid pass code.
    pub(super) fn rejected(&self, verdicts: &[Verdict]) {
        for verdict in verdicts.iter().filter(|verdict| verdict.advice == Advice::NotAPassCode) {
            self.rejected[usize::from(verdict.reason.number()) - 1].increment(1);
        }
    }

    pub(super) fn shed(&self, reason: BusyReason) {
        self.shed[usize::from(reason.number()) - 1].increment(1);
    }

    pub(super) fn closed(&self, code: ErrorCode) {
        self.closed[usize::from(code.number()) - 1].increment(1);
    }

    pub(super) fn refused(&self, code: ErrorCode) {
        self.refused[usize::from(code.number()) - 1].increment(1);
    }

    pub(super) fn query_begins(&self) -> UnderWay {
        UnderWay::new(&self.queries_under_way)
    }

    /// Only what carriers had to do with is timed: a refusal says nothing about them.
    pub(super) fn query_ends(&self, answered: Answered, took: Duration) {
        match answered {
            Answered::Reason(reason) => {
                self.queries[usize::from(reason.number()) - 1].increment(1);
                self.query_seconds.record(took.as_secs_f64());
            }
            Answered::Busy => self.queries_busy.increment(1),
            Answered::Refused => self.queries_refused.increment(1),
        }
    }
}

fn verifies(region: &str) -> [Counter; 4] {
    [Colour::Green, Colour::Yellow, Colour::Red, Colour::Unknown].map(
        |colour| metrics::counter!(metric::VERIFIES, "region" => region.to_owned(), "colour" => colour.name()),
    )
}

fn requests(request: &'static str) -> [Counter; 3] {
    SERVED.map(|outcome| metrics::counter!(metric::REQUESTS, "request" => request, "outcome" => outcome))
}
