//! Counters of one carrier, registered once at its start. A query's time is counted in three parts: waiting here, on the wire, and the
//! carrier's own processing as it reports it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use policy::trajectory::{CarrierAnswer, Unavailable};
use protocol::metric;

use super::breaker::Standing;

protocol::numbered! {
    /// The outcome of one carrier's query; its name is a label.
    pub(super) enum CarrierOutcome {
        Trajectory = 1 => "trajectory",
        NewNumber = 2 => "new-number",
        NotSubscriber = 3 => "not-subscriber",
        Unanswerable = 4 => "unanswerable",
        TimedOut = 5 => "timed-out",
        Unreachable = 6 => "unreachable",
        Refused = 7 => "refused",
        Garbage = 8 => "garbage",
        Busy = 9 => "busy",
        Paused = 10 => "paused",
        /// Lost in a panic of ours.
        Failed = 11 => "failed",
    }
}

impl CarrierOutcome {
    pub(super) const fn of(answer: &CarrierAnswer) -> Self {
        match answer {
            CarrierAnswer::Trajectory(_) => Self::Trajectory,
            CarrierAnswer::NewNumber => Self::NewNumber,
            CarrierAnswer::NotSubscriber => Self::NotSubscriber,
            CarrierAnswer::Unanswerable => Self::Unanswerable,
            CarrierAnswer::Unavailable(Unavailable::TimedOut) => Self::TimedOut,
            CarrierAnswer::Unavailable(Unavailable::Unreachable) => Self::Unreachable,
            CarrierAnswer::Unavailable(Unavailable::Refused) => Self::Refused,
            CarrierAnswer::Unavailable(Unavailable::Garbage) => Self::Garbage,
            CarrierAnswer::Unavailable(Unavailable::Busy) => Self::Busy,
            CarrierAnswer::Unavailable(Unavailable::Paused) => Self::Paused,
        }
    }
}

pub(super) struct CarrierMetrics {
    queries: [Counter; CarrierOutcome::ALL.len()],
    /// The wire time of answers that report the carrier's own time.
    wire_with_own: Histogram,
    /// The wire time of all others.
    wire_without: Histogram,
    own: Histogram,
    wait: Histogram,
    retries: Counter,
    /// Moved by each permit.
    pub(super) permits: Gauge,
    breaker: Gauge,
    probe_up: Gauge,
    probe_seconds: Gauge,
    probe_own_seconds: Gauge,
    /// Set once another actor of the same carrier sets the gauges; queries are counted to the end.
    silent: AtomicBool,
}

/// Resets the gauges of a carrier that is no longer configured: nothing is wrong with it, and nothing is known of it.
pub(super) fn forget(id: &str) {
    let gauge = |name: &'static str, value: f64| metrics::gauge!(name, "carrier" => id.to_owned()).set(value);
    for name in [metric::CARRIER_BREAKER, metric::CARRIER_PARKED, metric::CARRIER_PERMITS_MAX] {
        gauge(name, 0.0);
    }
    for name in [metric::CARRIER_PROBE_UP, metric::CARRIER_PROBE_SECONDS, metric::CARRIER_PROBE_OWN_SECONDS] {
        gauge(name, f64::NAN);
    }
}

impl CarrierMetrics {
    pub(super) fn new(id: &str, permits_max: usize) -> Self {
        let carrier = || id.to_owned();
        metrics::gauge!(metric::CARRIER_PERMITS_MAX, "carrier" => carrier()).set(permits_max as f64);
        let queries = |at: usize| metrics::counter!(metric::CARRIER_QUERIES, "carrier" => carrier(), "outcome" => CarrierOutcome::ALL[at].name());
        let wire = |own: &'static str| metrics::histogram!(metric::CARRIER_SECONDS, "carrier" => carrier(), "own" => own);
        Self {
            queries: std::array::from_fn(queries),
            wire_with_own: wire("yes"),
            wire_without: wire("no"),
            own: metrics::histogram!(metric::CARRIER_OWN_SECONDS, "carrier" => carrier()),
            wait: metrics::histogram!(metric::CARRIER_WAIT_SECONDS, "carrier" => carrier()),
            retries: metrics::counter!(metric::CARRIER_RETRIES, "carrier" => carrier()),
            permits: metrics::gauge!(metric::CARRIER_PERMITS_IN_USE, "carrier" => carrier()),
            breaker: metrics::gauge!(metric::CARRIER_BREAKER, "carrier" => carrier()),
            probe_up: metrics::gauge!(metric::CARRIER_PROBE_UP, "carrier" => carrier()),
            probe_seconds: metrics::gauge!(metric::CARRIER_PROBE_SECONDS, "carrier" => carrier()),
            probe_own_seconds: metrics::gauge!(metric::CARRIER_PROBE_OWN_SECONDS, "carrier" => carrier()),
            silent: AtomicBool::new(false),
        }
    }

    pub(super) fn asked(&self, outcome: CarrierOutcome) {
        self.queries[outcome.index()].increment(1);
    }

    /// Records the times of a citizen's query; `wait` is the time before its first attempt, `None` for a second one.
    pub(super) fn was_on_the_wire(&self, wait: Option<Duration>, wire: Duration, own: Option<Duration>) {
        if let Some(wait) = wait {
            self.wait.record(wait.as_secs_f64());
        }
        match own {
            Some(own) => {
                self.wire_with_own.record(wire.as_secs_f64());
                self.own.record(own.as_secs_f64());
            }
            None => self.wire_without.record(wire.as_secs_f64()),
        }
    }

    pub(super) fn probed(&self, healthy: bool, wire: Duration, own: Option<Duration>) {
        if self.is_silent() {
            return;
        }
        self.probe_up.set(f64::from(u8::from(healthy)));
        self.probe_seconds.set(wire.as_secs_f64());
        if let Some(own) = own {
            self.probe_own_seconds.set(own.as_secs_f64());
        }
    }

    /// Shows a probe that the open breaker held back as failed.
    pub(super) fn not_probed(&self) {
        if !self.is_silent() {
            self.probe_up.set(0.0);
        }
    }

    pub(super) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(super) fn breaker(&self, standing: Standing) {
        if !self.is_silent() {
            self.breaker.set(f64::from(standing as u8));
        }
    }

    pub(super) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Release);
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }
}
