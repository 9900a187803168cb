//! The measures of one round: what was completed and its latency, while the gauge is on. It counts; nothing here knows what a round or a
//! peer is.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use hdrhistogram::Histogram;

/// A count of scans with a histogram of their latency, shared by the lines of one round, all on one thread. It is off until it is turned on.
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
    /// Counts from here on, or not any more.
    pub fn turn(&self, on: bool) {
        self.on.set(on);
    }

    /// A frame with that many scans is answered.
    pub fn done(&self, scans: usize, latency: Duration) {
        if self.on.get() {
            self.scans.set(self.scans.get() + scans as u64);
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            *self.latency_us.borrow_mut() += micros;
        }
    }

    /// Scans counted.
    pub fn scans(&self) -> u64 {
        self.scans.get()
    }

    /// Milliseconds at that quantile.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.borrow().value_at_quantile(quantile) as f64 / 1000.0
    }
}
