//! Handles of the QUIC side's metrics, registered once.

use metrics::{Counter, Gauge};
use protocol::message::BusyReason;
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

/// One front's; the exporter adds fronts up.
pub(super) struct QuicMetrics {
    handshakes: [Counter; 5],
    pub(super) connections: Gauge,
    verifies: Vec<Counter>,
    rejected: Vec<Counter>,
    shed: Vec<Counter>,
    closed: Vec<Counter>,
    refused: Vec<Counter>,
}

impl QuicMetrics {
    pub(super) fn new() -> Self {
        let errors = |name: &'static str| {
            ErrorCode::ALL.iter().map(|code| metrics::counter!(name, "reason" => code.name())).collect()
        };
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
}
