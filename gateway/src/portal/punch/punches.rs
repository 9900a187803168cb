//! Check-ins and staff's scans on their way to the ledger. In each region the pages are one device with an epoch and an unbroken sequence.
//! One writer for each region sends what waits as one batch and reports each result when it is durable. Each ask becomes one punch, or is
//! reported as not recorded; repeats are found before (`presses.rs`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actors::bounds;
use actors::region::{Directory, RegionHandle, RegionOutcome};
use ledger::{AppendOutcome, HelloOutcome, LedgerHandle, RecordedRun, Run};
use protocol::message::BusyReason;
use protocol::{CodeId, DeviceId, Direction, Epoch, PlaceId, Punch, RegionId, Scanned, Sequence, Verdict};
use registry::portal_of;
use runtime::clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::presses::{PressOutcome, Presses, Recorded};
use crate::portal::http::paths::PressId;

/// Asks of a region that may wait; more is a gateway that has fallen behind, and people are told at once.
const WAITING_MAX: usize = bounds::SELF_SCANS.entries();
/// The punches of one batch, and so of one sync.
const BATCH_MAX: usize = 256;
/// A batch that is refused is sent again for so long. Less than the pages' own shutdown takes.
const TRY_FOR: Duration = Duration::from_millis(1_500);
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// One person who checks in, or is scanned by staff.
pub(crate) struct Ask {
    pub(crate) whose: AskSource,
    pub(crate) place: PlaceId,
    /// The time of the press or scan, milliseconds since 1970 UTC.
    pub(crate) pressed_ms: u64,
}

/// The source of a punch, which receives the result.
pub(crate) enum AskSource {
    /// A signed-in citizen's, who may load the page again and see the same.
    Citizen { press: PressId, code: CodeId },
    /// A scan of staff; who asked waits.
    Scan { scanned: Scanned, came: oneshot::Sender<Result<Verdict, NotRecorded>> },
}

/// Why no verdict comes of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRecorded {
    /// Nothing of it is in the log or ever will be: it may be made again.
    Busy,
    /// A write or a sync of the log failed while it was under way, or its second copy lacks it: it may be found there later, or not.
    Unsure,
}

impl AskSource {
    fn scanned(&self) -> Scanned {
        match self {
            Self::Citizen { code, .. } => Scanned::SignedIn(*code),
            Self::Scan { scanned, .. } => scanned.clone(),
        }
    }
}

/// The context of writers.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) directory: Directory,
    pub(crate) ledger: LedgerHandle,
}

/// Takes asks for every region.
pub(crate) struct Punches(HashMap<RegionId, mpsc::Sender<Ask>>);

/// The running writers.
pub(crate) struct Writers {
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// The work that is to be run on the pages' thread.
pub(crate) struct IdleWriters(Vec<(Writer, mpsc::Receiver<Ask>)>);

impl Punches {
    /// A queue for each region, and its writer, which does not run yet.
    pub(crate) fn new(records: &Records, presses: &Arc<Presses>) -> (Self, IdleWriters) {
        let (mut queues, mut idle) = (HashMap::new(), Vec::new());
        for region in records.directory.regions() {
            let (queue, asks) = mpsc::channel(WAITING_MAX);
            queues.insert(region.id(), queue);
            let writer = Writer {
                region: region.clone(),
                device: portal_of(region.id()),
                ledger: records.ledger.clone(),
                presses: Arc::clone(presses),
                numbering: None,
            };
            idle.push((writer, asks));
        }
        (Self(queues), IdleWriters(idle))
    }

    /// Records what staff have scanned at a place of the region. Resolves when it is durable, or is not.
    pub(crate) async fn scan(
        &self,
        region: RegionId,
        place: PlaceId,
        scanned: Scanned,
        now_ms: u64,
    ) -> Result<Verdict, NotRecorded> {
        let (came, verdict) = oneshot::channel();
        let ask = Ask { whose: AskSource::Scan { scanned, came }, place, pressed_ms: now_ms };
        if !self.send(region, ask) {
            return Err(NotRecorded::Busy);
        }
        // A writer that is gone says no more what became of it.
        verdict.await.unwrap_or(Err(NotRecorded::Unsure))
    }

    /// Hands an ask over. False if nothing of it will be recorded.
    pub(crate) fn send(&self, region: RegionId, ask: Ask) -> bool {
        self.0.get(&region).is_some_and(|queue| queue.try_send(ask).is_ok())
    }
}

impl IdleWriters {
    /// Runs the writers on this thread.
    pub(crate) fn run(self) -> Writers {
        let (stop, stopped) = watch::channel(false);
        let run = |(writer, asks): (Writer, _)| actix_web::rt::spawn(writer.run(asks, stopped.clone()));
        let tasks = self.0.into_iter().map(run).collect();
        Writers { tasks, stop }
    }
}

impl Writers {
    /// Takes no more asks, writes those that wait, and ends.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a writer of self-scans panicked");
            }
        }
    }
}

/// The state of a device's numbering.
#[derive(Clone, Copy)]
struct Numbering {
    epoch: Epoch,
    next: u64,
}

impl Numbering {
    const fn after(Epoch(used): Epoch) -> Self {
        Self { epoch: Epoch(used.saturating_add(1)), next: 1 }
    }
}

/// The writer of one region.
struct Writer {
    region: RegionHandle,
    device: DeviceId,
    ledger: LedgerHandle,
    presses: Arc<Presses>,
    numbering: Option<Numbering>,
}

impl Writer {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut stopped: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let taken = tokio::select! {
                biased;
                taken = asks.recv_many(&mut batch, BATCH_MAX) => taken,
                _ = stopped.wait_for(|&stopped| stopped) => {
                    asks.close();
                    asks.recv_many(&mut batch, BATCH_MAX).await
                }
            };
            if taken == 0 {
                return;
            }
            let mut recorded = self.record(&batch).await.map(Vec::into_iter);
            for ask in batch.drain(..) {
                let mine = recorded.as_mut().map_err(|why| *why);
                self.land(ask, mine.and_then(|all| all.next().ok_or(NotRecorded::Unsure)));
            }
        }
    }

    /// Reports the result of an ask: the time and the verdict.
    fn land(&self, ask: Ask, recorded: Result<(u64, Verdict), NotRecorded>) {
        let place = ask.place;
        match ask.whose {
            AskSource::Citizen { press, code } => {
                let came = match recorded {
                    Ok((at_ms, verdict)) => PressOutcome::Recorded(Recorded { code, place, at_ms, verdict }),
                    Err(NotRecorded::Busy) => PressOutcome::Refused,
                    Err(NotRecorded::Unsure) => PressOutcome::Unsure,
                };
                self.presses.land(press, came);
            }
            // If the receiver is gone, its page was closed; the punch stays recorded.
            AskSource::Scan { came, .. } => drop(came.send(recorded.map(|(_, verdict)| verdict))),
        }
    }

    /// Resolves when all of it is durable, or is not; its numbers are not used again then.
    async fn record(&mut self, batch: &[Ask]) -> Result<Vec<(u64, Verdict)>, NotRecorded> {
        let (end, mut wait, mut refused) = (clock::now() + TRY_FOR, FIRST_WAIT, NotRecorded::Busy);
        loop {
            if let Some(numbering) = self.numbering().await {
                match self.region.punch(self.run_of(numbering, batch)).await {
                    RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) => {
                        let next = numbering.next + batch.len() as u64;
                        self.numbering = Some(Numbering { next, ..numbering });
                        return Ok(recorded(&runs));
                    }
                    RegionOutcome::Ledger(AppendOutcome::Gap { .. } | AppendOutcome::NumberUsed { .. }) => {
                        self.numbering = Some(Numbering::after(numbering.epoch));
                    }
                    RegionOutcome::Ledger(AppendOutcome::EpochBehind { current }) => {
                        self.numbering = Some(Numbering::after(current));
                    }
                    // The process ends: a batch whose sync failed may be in what the next one finds.
                    RegionOutcome::Ledger(AppendOutcome::Down) => return Err(NotRecorded::Unsure),
                    // It is in this log, and lost with this machine.
                    RegionOutcome::Ledger(AppendOutcome::NotCopied) => refused = NotRecorded::Unsure,
                    // Its answer is lost, as when the process ends: whether the log has it is not known.
                    RegionOutcome::Busy(BusyReason::Failed) => refused = NotRecorded::Unsure,
                    RegionOutcome::Ledger(AppendOutcome::Busy) | RegionOutcome::Busy(_) => {}
                }
            }
            if clock::now() + wait > end {
                // Should a part of it be found in the log after all, other people's punches are not taken for it.
                self.numbering = self.numbering.map(|numbering| Numbering::after(numbering.epoch));
                return Err(refused);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// Returns the current numbering, which begins above every number that this device has used; `None` while the ledger is busy.
    async fn numbering(&mut self) -> Option<Numbering> {
        if self.numbering.is_none() {
            let epoch = Epoch(u32::try_from(clock::now_s()).unwrap_or(u32::MAX - 1));
            self.numbering = match self.ledger.hello(self.device, epoch, Sequence(0)).await {
                HelloOutcome::Known { recorded: Sequence(0), .. } => Some(Numbering { epoch, next: 1 }),
                HelloOutcome::Known { .. } => Some(Numbering::after(epoch)),
                HelloOutcome::EpochBehind { current } => Some(Numbering::after(current)),
                HelloOutcome::EpochAhead { .. }
                | HelloOutcome::AcknowledgedAhead { .. }
                | HelloOutcome::Busy
                | HelloOutcome::Down => None,
            };
        }
        self.numbering
    }

    fn run_of(&self, numbering: Numbering, batch: &[Ask]) -> Run<Punch> {
        let punch = |ask: &Ask| Punch {
            scanned: ask.whose.scanned(),
            direction: Direction::Through,
            place: ask.place,
            device_time_ms: ask.pressed_ms,
            offline: None,
        };
        Run {
            device: self.device,
            epoch: numbering.epoch,
            region: self.region.id(),
            first: Sequence(numbering.next),
            window_punches: BATCH_MAX as u32,
            received_ms: clock::now_ms(),
            punches: batch.iter().map(punch).collect(),
        }
    }
}

/// The verdicts of a batch, each with its moment: the ledger's runs cover it in order.
fn recorded(runs: &[RecordedRun]) -> Vec<(u64, Verdict)> {
    runs.iter().flat_map(|run| run.verdicts.iter().map(|&verdict| (run.as_of_ms, verdict))).collect()
}
