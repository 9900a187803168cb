//! The state that a region's handle and its actor share, with the judging of a run of punches: as a whole, or punch by punch if it keeps
//! failing. Nothing here sends or awaits.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use ledger::{LedgerPort, PunchDigest, Record, Run, ScanKind};
use protocol::{DeviceId, Epoch, Punch, Reason, RegionId, Sequence, Verdict};
use runtime::lock::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RegionConfig;
use super::counts::RegionMetrics;
use crate::fault::FaultHook;
use crate::judge::Judge;
use crate::tap::Taps;

/// A run that fails this often is judged punch by punch, and a punch that fails alone is recorded without a judgement: no device is
/// stuck behind one punch, and no other passage is lost with it.
const FAILURES_MAX: u8 = 3;
/// Failing runs that are remembered; more at once are no poison run but a bug, and park the region.
const FAILING_RUNS_MAX: usize = 256;

/// A run, as a device sends it again: device, epoch and first sequence.
pub(super) type RunKey = (DeviceId, Epoch, Sequence);

/// The shared state of one region: written by its handles, read by its actor. A restart of the process starts it empty.
pub(super) struct RegionState {
    pub(super) id: RegionId,
    pub(super) ledger: LedgerPort,
    pub(super) taps: Taps,
    pub(super) metrics: RegionMetrics,
    pub(super) faults: FaultHook<Run<Punch>>,
    judge: Arc<Judge>,
    permits: Arc<Semaphore>,
    permits_max: usize,
    failing: Mutex<HashMap<RunKey, u8>>,
}

impl RegionState {
    pub(super) fn new(
        id: RegionId,
        judge: Arc<Judge>,
        ledger: LedgerPort,
        config: &RegionConfig,
        faults: FaultHook<Run<Punch>>,
    ) -> Self {
        Self {
            id,
            ledger,
            taps: config.taps.clone(),
            metrics: RegionMetrics::new(id, config.punches_max),
            faults,
            judge,
            permits: Arc::new(Semaphore::new(config.punches_max)),
            permits_max: config.punches_max,
            failing: Mutex::default(),
        }
    }

    /// Takes permits for so many punches; `None` if they are not free.
    pub(super) fn permit(&self, punches: usize) -> Option<OwnedSemaphorePermit> {
        let punches = u32::try_from(punches).ok()?;
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(punches).ok()?;
        self.show_permits();
        Some(permit)
    }

    /// Sets the gauge of permits in use.
    pub(super) fn show_permits(&self) {
        self.metrics.permits(self.permits_max - self.permits.available_permits());
    }

    /// Judges the punches of a run together.
    pub(super) fn judged(&self, run: Run<Punch>) -> Run {
        let records = self.judge.records((self.id, run.device), &run.punches, run.received_ms);
        run.judged(records)
    }

    /// Judges the punches of a run one by one; those whose judgement panics are recorded without one.
    pub(super) fn judged_one_by_one(&self, run: Run<Punch>) -> Run {
        let numbered = run.punches.iter().zip(run.first.0..);
        let records: Vec<Record> =
            numbered.map(|(punch, sequence)| self.judged_alone(&run, punch, Sequence(sequence))).collect();
        let unjudged = records.iter().filter(|record| record.verdict.reason == Reason::NotJudged).count();
        tracing::error!(device = %run.device, first = %run.first, punches = records.len(), unjudged,
            "a batch fails its region again and again; it is judged punch by punch");
        self.metrics.poison.increment(1);
        run.judged(records)
    }

    /// Judges one punch of a run. A panic leaves nothing half done: judging changes nothing.
    fn judged_alone(&self, run: &Run<Punch>, punch: &Punch, first: Sequence) -> Record {
        let judge = || {
            let alone = Run { first, punches: vec![punch.clone()], ..*run };
            self.faults.reached(&alone);
            let records = self.judge.records((self.id, run.device), &alone.punches, run.received_ms);
            records.first().copied()
        };
        let judged = catch_unwind(AssertUnwindSafe(judge));
        judged.ok().flatten().unwrap_or_else(|| unjudged(punch))
    }

    /// Returns true if the run has failed [`FAILURES_MAX`] times.
    pub(super) fn has_failed_too_often(&self, key: RunKey) -> bool {
        self.failing().get(&key).is_some_and(|&failures| failures >= FAILURES_MAX)
    }

    /// Counts a failure of the run.
    pub(super) fn failed(&self, key: RunKey) {
        let mut failing = self.failing();
        if failing.len() < FAILING_RUNS_MAX || failing.contains_key(&key) {
            *failing.entry(key).or_default() += 1;
        }
    }

    /// Removes the run's failures.
    pub(super) fn succeeded(&self, key: RunKey) {
        let mut failing = self.failing();
        if !failing.is_empty() {
            failing.remove(&key);
        }
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<RunKey, u8>> {
        lock(&self.failing)
    }
}

/// Returns the record of a punch whose judgement panics.
fn unjudged(punch: &Punch) -> Record {
    Record {
        code: None,
        kind: ScanKind::NotACode,
        direction: punch.direction,
        place: punch.place,
        device_time_ms: punch.device_time_ms,
        offline: punch.offline.is_some(),
        verdict: Verdict::ask_staff(Reason::NotJudged),
        digest: Some(PunchDigest::of(punch)),
    }
}
