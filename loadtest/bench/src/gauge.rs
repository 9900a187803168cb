//! The measurements of one round: completed scans and their latency, while the gauge is on. It knows neither rounds nor
//! peers.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use hdrhistogram::Histogram;

/// A count of scans with a histogram of their latency, shared by the clients of one round, all on one thread. It is off until it is turned on.
pub struct Gauge {
    on: Cell<bool>,
    scans: Cell<u64>,
    latency_us: RefCell<Histogram<u64>>,
}

impl Default for Gauge {
    fn default() -> Self {
        let histogram = Histogram::new(3).expect("three digits are within the histogram's bounds");
        Self { on: Cell::new(false), scans: Cell::new(0), latency_us: RefCell::new(histogram) }
    }
}

impl Gauge {
    /// Turns counting on or off.
    pub fn turn(&self, on: bool) {
        self.on.set(on);
    }

    /// Counts an answered frame with that many scans.
    pub fn done(&self, scans: usize, latency: Duration) {
        self.answered(scans);
        self.took(latency);
    }

    /// Counts answered scans of a frame.
    pub(crate) fn answered(&self, scans: usize) {
        if self.on.get() {
            self.scans.set(self.scans.get() + scans as u64);
        }
    }

    /// Records the latency of a frame whose scans are counted.
    pub(crate) fn took(&self, latency: Duration) {
        if self.on.get() {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            *self.latency_us.borrow_mut() += micros;
        }
    }

    /// Returns the number of counted scans.
    pub fn scans(&self) -> u64 {
        self.scans.get()
    }

    /// Returns true if the latency of a frame is recorded.
    pub(crate) fn has_latency(&self) -> bool {
        !self.latency_us.borrow().is_empty()
    }

    /// Returns the latency at that quantile, milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.borrow().value_at_quantile(quantile) as f64 / 1000.0
    }
}
