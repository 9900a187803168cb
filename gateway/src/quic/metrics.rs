//! Handles of the QUIC side's metrics, registered once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use protocol::message::BusyReason;
use protocol::trajectory::TrajectoryReason;
use protocol::{Advice, Colour, ErrorCode, Reason, Verdict, metric};

/// How a handshake ended.
#[derive(Clone, Copy)]
pub(super) enum Handshake {
    Accepted,
    Retried,
    Ignored,
    Failed,
    TooSlow,
}

const HANDSHAKES: [&str; 5] = ["accepted", "retried", "ignored", "failed", "too-slow"];

/// What a trajectory query was answered with.
#[derive(Clone, Copy)]
pub(super) enum Answered {
    Reason(TrajectoryReason),
    Busy,
    Refused,
}

/// Counts a query while it waits for its answer.
pub(super) struct UnderWay(Gauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// One front's; the exporter adds fronts up.
pub(super) struct QuicMetrics {
    handshakes: [Counter; 5],
    pub(super) connections: Gauge,
    verifies: Vec<Counter>,
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
    pub(super) fn new() -> Self {
        let errors = |name: &'static str| {
            ErrorCode::ALL.iter().map(|code| metrics::counter!(name, "reason" => code.name())).collect()
        };
        let queries = |outcome: &'static str| metrics::counter!(metric::QUERIES, "outcome" => outcome);
        Self {
            handshakes: HANDSHAKES.map(|outcome| metrics::counter!(metric::HANDSHAKES, "outcome" => outcome)),
            connections: metrics::gauge!(metric::CONNECTIONS),
            verifies: Colour::ALL
                .iter()
                .map(|colour| metrics::counter!(metric::VERIFIES, "colour" => colour.name()))
                .collect(),
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

    pub(super) fn verified(&self, verdicts: &[Verdict]) {
        let mut by_colour = [0; 4];
        for verdict in verdicts {
            by_colour[usize::from(verdict.colour.number()) - 1] += 1;
        }
        for (counter, count) in self.verifies.iter().zip(by_colour).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
        self.rejected(verdicts);
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
        self.queries_under_way.increment(1.0);
        UnderWay(self.queries_under_way.clone())
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
