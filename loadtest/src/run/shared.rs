//! The state that all posts of a run share, on one thread: the people, the expected verdicts, the record, and the receipts.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::crowd::Ended;
use super::model::{Model, People};
use crate::citizens::Citizens;
use crate::citizens::Receipt;
use crate::record::{Record, Seat};
use crate::scenario::Retry;
use crate::scenario::plan::Visit;

pub(super) struct Shared {
    pub(super) retry: Retry,
    pub(super) people: People,
    pub(super) model: Model,
    pub(super) record: RefCell<Record>,
    /// The citizens, if the scenario visits pages.
    pub(super) citizens: Option<Citizens>,
    /// The number of people who have come and not left.
    pub(super) waiting: Cell<u64>,
}

impl Shared {
    /// Counts a person who has come, and the generator's lateness.
    pub(super) fn offered(&self, visit: &Visit, late: Duration) {
        let seat = Seat { kind: visit.kind, stage: visit.stage };
        let mut record = self.record.borrow_mut();
        record.offered(seat);
        record.late(seat, late);
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Counts a person who leaves, answered or not.
    pub(super) fn ended(&self, ended: &Ended, now: Instant) {
        let latency = now.saturating_duration_since(ended.intended);
        let service = now.saturating_duration_since(ended.sent.unwrap_or(ended.intended));
        let mut record = self.record.borrow_mut();
        match ended.reason {
            None => record.answered(ended.seat, latency, service),
            Some(reason) => record.failed(ended.seat, reason),
        }
        self.waiting.set(self.waiting.get() - 1);
    }

    /// Takes an unused receipt.
    pub(super) fn receipt(&self) -> Option<Receipt> {
        self.citizens.as_ref()?.take_receipt()
    }
}
