//! One region: judges punches and hands them to the ledger. Its actor holds no state that could be lost, so it can die at any
//! moment; a batch that kills it three times is judged punch by punch. Others know it by its [`RegionHandle`].

mod actor;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use actor::{Punches, RegionActor};
use ledger::PunchDigest;
use ledger::{AppendOutcome, LedgerHandle, Record, RecordedRun, Run, ScanKind};
use metrics::{Counter, Gauge};
use protocol::message::BusyReason;
use protocol::{Colour, DeviceId, Epoch, Punch, Reason, RegionId, Sequence, Verdict, metric};
use runtime::clock;
use runtime::supervisor::{ActorRef, RestartPolicy, supervise};
use tokio::sync::{Semaphore, oneshot};

use crate::judge::Judge;
use crate::tap::Taps;

/// Called in the actor's handler before anything else; tests make it panic or block.
pub type Fault = Arc<dyn Fn(&RegionRequest) + Send + Sync>;

/// The limits of a region.
#[derive(Clone)]
pub struct RegionConfig {
    /// Punches inside the actor and its mailbox; what comes beyond is answered `Busy`.
    pub punches_max: usize,
    /// The limit of the actor's failures.
    pub restarts: RestartPolicy,
    /// The one who is shown verdicts while they are given.
    pub taps: Taps,
    /// For tests only.
    pub fault: Option<Fault>,
}

impl Default for RegionConfig {
    /// Four of the largest windows.
    fn default() -> Self {
        Self {
            punches_max: 64 * 1024,
            restarts: RestartPolicy::default(),
            taps: Taps::default(),
            fault: None,
        }
    }
}

/// A batch that fails this often is judged punch by punch, and what fails alone is recorded without a judgement: no device is stuck
/// behind one punch, and nobody else's passage is lost with it.
const FAILURES_MAX: u8 = 3;
/// Failing batches remembered; more at once is no poison batch but a bug, and parks the region.
const FAILING_BATCHES_MAX: usize = 256;

/// Consecutive punches of one device, all in this region.
#[derive(Clone, Debug)]
pub struct RegionRequest {
    /// The one who sends them.
    pub device: DeviceId,
    /// The device's epoch.
    pub epoch: Epoch,
    /// The first punch's sequence.
    pub first: Sequence,
    /// Verdicts of this device that the ledger keeps in memory for repeats.
    pub window_punches: u32,
    /// When they arrived, milliseconds since 1970 UTC.
    pub received_ms: u64,
    /// The punches; their places were checked against the device's rights.
    pub punches: Vec<Punch>,
}

/// The outcome of a request.
#[derive(Debug)]
pub enum RegionOutcome {
    /// The ledger's word.
    Ledger(AppendOutcome),
    /// Not taken; to be sent again later.
    Busy(BusyReason),
}

/// Speaks for a region; clones share one actor.
#[derive(Clone)]
pub struct RegionHandle(Arc<Inner>);

struct Inner {
    id: RegionId,
    actor: ActorRef<RegionActor>,
    permits: Arc<Semaphore>,
    permits_max: usize,
    judge: Arc<Judge>,
    ledger: LedgerHandle,
    fault: Option<Fault>,
    failing: Mutex<HashMap<(DeviceId, Epoch, Sequence), u8>>,
    taps: Taps,
    metrics: RegionMetrics,
}

struct RegionMetrics {
    punches: [Counter; 4],
    /// By why they were answered `Busy`.
    refused: Vec<Counter>,
    permits: Gauge,
    poison: Counter,
}

impl RegionMetrics {
    fn new(id: RegionId, config: &RegionConfig) -> Self {
        let region = id.to_string();
        metrics::gauge!(metric::PERMITS_MAX, "region" => region.clone()).set(config.punches_max as f64);
        let refused = |reason: &BusyReason| metrics::counter!(metric::REFUSED, "region" => region.clone(), "reason" => reason.name());
        let colour = |colour: Colour| metrics::counter!(metric::PUNCHES, "region" => region.clone(), "colour" => colour.name());
        Self {
            punches: [Colour::Green, Colour::Yellow, Colour::Red, Colour::Unknown].map(colour),
            refused: BusyReason::ALL.iter().map(refused).collect(),
            permits: metrics::gauge!(metric::PERMITS_IN_USE, "region" => region.clone()),
            poison: metrics::counter!(metric::POISON_BATCHES),
        }
    }

    /// Counts what was not taken.
    fn refused(&self, outcome: &RegionOutcome, punches: usize) {
        let reason = match outcome {
            RegionOutcome::Busy(reason) => *reason,
            RegionOutcome::Ledger(AppendOutcome::Busy) => BusyReason::Ledger,
            RegionOutcome::Ledger(
                AppendOutcome::Recorded(_)
                | AppendOutcome::NumberUsed { .. }
                | AppendOutcome::Gap { .. }
                | AppendOutcome::EpochBehind { .. }
                | AppendOutcome::Down,
            ) => return,
        };
        self.refused[usize::from(reason.number()) - 1].increment(punches as u64);
    }

    fn count(&self, runs: &[RecordedRun]) {
        let mut by_colour = [0u64; 4];
        for verdict in runs.iter().flat_map(|run| &run.verdicts) {
            by_colour[usize::from(verdict.colour.number()) - 1] += 1;
        }
        for (counter, count) in self.punches.iter().zip(by_colour) {
            if count > 0 {
                counter.increment(count);
            }
        }
    }
}

impl RegionHandle {
    /// Starts the region's actor on the current arbiter.
    pub(crate) fn start(
        id: RegionId,
        judge: Arc<Judge>,
        ledger: LedgerHandle,
        config: &RegionConfig,
    ) -> Self {
        let (fault, actor_judge, actor_ledger) = (config.fault.clone(), Arc::clone(&judge), ledger.clone());
        let parked = metrics::gauge!(metric::REGION_PARKED, "region" => id.to_string());
        let waited = metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "region");
        let actor = supervise(format!("region-{id}"), config.restarts, parked, move || {
            RegionActor::new(
                id,
                Arc::clone(&actor_judge),
                actor_ledger.clone(),
                waited.clone(),
                fault.clone(),
            )
        });
        Self(Arc::new(Inner {
            id,
            actor,
            permits: Arc::new(Semaphore::new(config.punches_max)),
            permits_max: config.punches_max,
            judge,
            ledger,
            fault: config.fault.clone(),
            failing: Mutex::default(),
            taps: config.taps.clone(),
            metrics: RegionMetrics::new(id, config),
        }))
    }

    /// Which region.
    pub fn id(&self) -> RegionId {
        self.0.id
    }

    /// Says whether the region's actor keeps failing and is left alone for a while.
    pub fn is_parked(&self) -> bool {
        self.0.actor.is_parked()
    }

    /// Judges and records. Resolves when the punches are durable, or were refused; never later than the ledger answers.
    pub async fn punch(&self, request: RegionRequest) -> RegionOutcome {
        let (device, punches) = (request.device, request.punches.len());
        let passing = self.0.taps.passing(&request.punches);
        let outcome = self.take(request).await;
        if let (Some(passing), RegionOutcome::Ledger(AppendOutcome::Recorded(runs))) = (&passing, &outcome) {
            self.0.taps.punches(self.0.id, device, passing, runs);
        }
        self.0.metrics.refused(&outcome, punches);
        outcome
    }

    async fn take(&self, request: RegionRequest) -> RegionOutcome {
        let key = (request.device, request.epoch, request.first);
        if self.has_failed_too_often(key) {
            return self.record_one_by_one(key, request).await;
        }
        let outcome = match self.send(request) {
            Ok(answer) => answer.await,
            Err(reason) => return RegionOutcome::Busy(reason),
        };
        self.0.metrics.permits.set(self.permits_in_use() as f64);
        match outcome {
            Ok(outcome) => {
                self.succeeded(key);
                self.recorded(outcome)
            }
            Err(_) if self.is_parked() => RegionOutcome::Busy(BusyReason::Parked),
            Err(_) => {
                self.failed(key);
                RegionOutcome::Busy(BusyReason::Failed)
            }
        }
    }

    fn send(&self, request: RegionRequest) -> Result<oneshot::Receiver<AppendOutcome>, BusyReason> {
        let addr = self.0.actor.addr().ok_or(BusyReason::Parked)?;
        let punches = u32::try_from(request.punches.len()).map_err(|_| BusyReason::Region)?;
        let permit =
            Arc::clone(&self.0.permits).try_acquire_many_owned(punches).map_err(|_| BusyReason::Region)?;
        self.0.metrics.permits.set(self.permits_in_use() as f64);
        let (reply, answer) = oneshot::channel();
        addr.try_send(Punches { request, reply, permit, sent: clock::now() })
            .map_err(|_| BusyReason::Region)?;
        Ok(answer)
    }

    fn permits_in_use(&self) -> usize {
        self.0.permits_max - self.0.permits.available_permits()
    }

    fn recorded(&self, outcome: AppendOutcome) -> RegionOutcome {
        if let AppendOutcome::Recorded(runs) = &outcome {
            self.0.metrics.count(runs);
        }
        RegionOutcome::Ledger(outcome)
    }

    async fn record_one_by_one(&self, key: FailingKey, request: RegionRequest) -> RegionOutcome {
        let records: Vec<Record> = request
            .punches
            .iter()
            .zip(request.first.0..)
            .map(|(punch, sequence)| self.judge_alone(&request, punch, Sequence(sequence)))
            .collect();
        let unjudged = records.iter().filter(|record| record.verdict.reason == Reason::NotJudged).count();
        tracing::error!(device = %request.device, first = %request.first, punches = records.len(), unjudged,
            "a batch fails its region again and again; it is judged punch by punch");
        self.0.metrics.poison.increment(1);
        let (reply, answer) = oneshot::channel();
        self.0.ledger.append(run(self.0.id, &request, records), reply);
        let outcome = answer.await.unwrap_or(AppendOutcome::Down);
        if matches!(outcome, AppendOutcome::Recorded(_)) {
            self.succeeded(key);
        }
        self.recorded(outcome)
    }

    /// One punch of a batch that fails. Nothing is left half done by a panic here: judging changes nothing.
    fn judge_alone(&self, request: &RegionRequest, punch: &Punch, sequence: Sequence) -> Record {
        let judge = || {
            if let Some(fault) = &self.0.fault {
                fault(&RegionRequest { first: sequence, punches: vec![punch.clone()], ..*request });
            }
            let whose = (self.0.id, request.device);
            let records = self.0.judge.records(whose, std::slice::from_ref(punch), request.received_ms);
            records.first().copied()
        };
        let judged = catch_unwind(AssertUnwindSafe(judge));
        judged.ok().flatten().unwrap_or_else(|| unjudged(punch))
    }

    fn has_failed_too_often(&self, key: FailingKey) -> bool {
        self.failing().get(&key).is_some_and(|&failures| failures >= FAILURES_MAX)
    }

    fn failed(&self, key: FailingKey) {
        let mut failing = self.failing();
        if failing.len() < FAILING_BATCHES_MAX || failing.contains_key(&key) {
            *failing.entry(key).or_default() += 1;
        }
    }

    fn succeeded(&self, key: FailingKey) {
        let mut failing = self.failing();
        if !failing.is_empty() {
            failing.remove(&key);
        }
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, HashMap<FailingKey, u8>> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type FailingKey = (DeviceId, Epoch, Sequence);

/// The ledger's run of a request.
fn run(region: RegionId, request: &RegionRequest, records: Vec<Record>) -> Run {
    Run {
        device: request.device,
        epoch: request.epoch,
        region,
        first: request.first,
        received_ms: request.received_ms,
        window_punches: request.window_punches,
        records,
    }
}

/// Says what a punch is recorded as when judging it is what fails.
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

#[cfg(test)]
mod tests;
