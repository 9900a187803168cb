//! The punch log, which makes acknowledged punches durable. One thread owns it: it writes all queued runs as one batch, syncs once,
//! and only then answers. One mark per device tells new punches, repeats and gaps apart.

mod awaited;
mod copy;
mod deletions;
mod disk;
mod error;
mod expiry;
mod expiry_plan;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod heartbeat;
mod log;
mod lookup;
mod marks;
mod min_lsn;
mod numbering;
mod passages;
mod port;
mod preallocation;
mod read;
mod record;
mod recover;
mod recovered;
mod reserve;
mod round;
mod run;
mod scan;
mod scrub;
mod seal;
mod seek;
mod tail;
mod time;
mod voucher;
mod walk;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use protocol::{DeviceId, Epoch, Sequence, Verdict, metric};
use runtime::thread::{self, StopOnDrop, Thread};
use tokio::sync::{oneshot, watch};

use disk::open_for_reading;
use error::MISSING;
use heartbeat::Heartbeat;
use port::Append;

pub use awaited::{AwaitedCopy, CopyProgress};
pub use copy::{copy, forget_expired, verify_copy};
pub use deletions::{Deletion, is_forgotten};
pub use error::LedgerError;
pub use numbering::Missing;
pub use passages::{PASSAGES_MAX, Passage, Passages, TimeRange, passages};
pub use port::LedgerPort;
pub use read::{
    ALL_TIME, ExportFormat, PunchRow, PunchRows, VerifyReport, export, newest_ms, verify, verify_newest,
};
pub use record::{PunchDigest, Record, ScanKind};
pub use recover::last_lsn;
pub use recovered::{CopyExport, CopyReport};
pub use reserve::release_reserve_if_low;
pub use run::Run;
pub use seal::{day_key, days_with_keys, has_day_keys};
pub use tail::{LogTail, SealedBatches, TailError, TailRoom};
pub use voucher::{LogIdentity, LogVoucher};

/// The configuration of the log.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// The directory of the segments.
    pub directory: PathBuf,
    /// The directory of the day keys.
    pub day_keys: PathBuf,
    /// The key that signs deletion records: Ed25519, PKCS#8.
    pub signing_pkcs8: Vec<u8>,
    /// The maximum size of a segment, which otherwise ends with the hour.
    pub segment_bytes_max: u64,
    /// The retention of punches, in days.
    pub retention_days: u32,
    /// The maximum number of punches waiting for a sync; more are answered `Busy`.
    pub queue_punches_max: usize,
}

/// Recorded verdicts with consecutive sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// The first verdict's sequence.
    pub first: Sequence,
    /// The time at which they were formed, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdicts.
    pub verdicts: Vec<Verdict>,
}

/// The outcome of appending a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// All punches are durable. Runs in ascending order that cover exactly the punches sent; repeats have their recorded verdicts.
    Recorded(Vec<RecordedRun>),
    /// A number in the run was already used for another punch, or for one that the log no longer holds. Nothing is recorded.
    NumberUsed {
        /// The first such number.
        sequence: Sequence,
    },
    /// Punches before the run are missing. Nothing is recorded.
    Gap {
        /// The next expected number.
        expected: Sequence,
    },
    /// The device has already used a higher epoch. Nothing is recorded.
    EpochBehind {
        /// The highest used epoch.
        current: Epoch,
    },
    /// The queue or the disk is full. Nothing is recorded.
    Busy,
    /// All punches are durable here, but the second copy does not have them in time.
    NotCopied,
    /// A write or sync failed, and the process is about to end.
    Down,
}

/// The outcome of a device's hello.
#[derive(Debug, PartialEq, Eq)]
pub enum HelloOutcome {
    /// The state of the device's epoch.
    Known {
        /// The highest durable sequence, 0 if none.
        recorded: Sequence,
        /// The number of punches that were acknowledged to the device and are missing in the log. The loss is recorded.
        lost: u64,
    },
    /// The device has already used a higher epoch.
    EpochBehind {
        /// The highest used epoch.
        current: Epoch,
    },
    /// The epoch is too far ahead of the clock.
    EpochAhead {
        /// The highest accepted epoch.
        highest: Epoch,
    },
    /// The acknowledged sequence is too far above the recorded one.
    AcknowledgedAhead {
        /// The highest accepted sequence.
        highest: Sequence,
    },
    /// The queue or the disk is full.
    Busy,
    /// A write or sync failed, and the process is about to end.
    Down,
}

pub(crate) enum Message {
    /// Runs in the order of their calls.
    Append {
        runs: Vec<Append>,
        sent: Instant,
    },
    Hello {
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        /// The highest number that another gateway's log holds; 0 if none does.
        held: Sequence,
        reply: oneshot::Sender<HelloOutcome>,
    },
    CheckHello {
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        reply: oneshot::Sender<Result<Sequence, HelloOutcome>>,
    },
    Marks {
        of: Vec<(DeviceId, Epoch)>,
        reply: oneshot::Sender<Vec<Sequence>>,
    },
    Missing {
        missing: Missing,
        reply: oneshot::Sender<()>,
    },
}

/// The maximum number of queued messages, which bounds the queue's own memory.
const QUEUE_MESSAGES_MAX: usize = 64 * 1024;

/// The owner of the log's thread.
pub struct Ledger {
    thread: Thread<()>,
    scrub: StopOnDrop,
}

/// A handle of the log; clones share it. The log's thread ends when the last one is dropped.
#[derive(Clone)]
pub struct LedgerHandle {
    queue: SyncSender<Message>,
    queued_punches: Arc<AtomicUsize>,
    queue_punches_max: usize,
    poisoned: watch::Receiver<bool>,
    heartbeat: Arc<Heartbeat>,
    durable: Arc<AtomicU64>,
    /// The second copy that answers wait for.
    awaited: Option<AwaitedCopy>,
}

impl Ledger {
    /// Recovers the log in its directory, rewrites and syncs its last segment, and starts the log's thread.
    ///
    /// # Errors
    /// Damage that no power cut can cause, files of a newer version, a missing key, or an error of the operating system.
    pub fn open(config: &LedgerConfig) -> Result<(Self, LedgerHandle), LedgerError> {
        let name = config.directory.display().to_string();
        let disk = disk::RealDisk::open(&config.directory).map_err(LedgerError::io("creating", &name))?;
        let keys = seal::DayKeys::open(&config.day_keys)?;
        let start = runtime::clock::now();
        let log = recover::recover(disk.clone(), keys, config, &runtime::clock::look())
            .map_err(LedgerError::at_start)?;
        metrics::gauge!(metric::RECOVERY_SECONDS).set(runtime::clock::since(start));
        let (queue, messages) = std::sync::mpsc::sync_channel(QUEUE_MESSAGES_MAX);
        let (poison, poisoned) = watch::channel(false);
        let queued_punches = Arc::<AtomicUsize>::default();
        let (heartbeat, durable) = (Arc::new(Heartbeat::new()), Arc::clone(&log.durable));
        let writer = writer::Writer::new(log, messages, Arc::clone(&queued_punches), poison);
        let beats = Arc::clone(&heartbeat);
        let thread = thread::spawn("ledger", move |stop| writer.run(stop, &beats))
            .map_err(LedgerError::io("starting the thread of", &name))?;
        let scrub = scrub::start(disk).map_err(LedgerError::io("starting the scrub of", &name))?;
        let queue_punches_max = config.queue_punches_max;
        metrics::gauge!(metric::LEDGER_QUEUE_MAX).set(queue_punches_max as f64);
        Ok((
            Self { thread, scrub },
            LedgerHandle {
                queue,
                queued_punches,
                queue_punches_max,
                poisoned,
                heartbeat,
                durable,
                awaited: None,
            },
        ))
    }

    /// Waits until all queued runs are written and synced, and ends the thread. Remaining handles are answered `Down` afterwards.
    pub fn shutdown(self) {
        if let Err(error) = self.thread.stop() {
            tracing::error!(%error, "the punch log ended with a panic");
        }
        drop(self.scrub);
    }
}

impl LedgerHandle {
    /// Takes room for so many punches in the queue; false if it is full.
    fn reserve(&self, punches: usize) -> bool {
        let is_full =
            self.queued_punches.fetch_add(punches, Ordering::Relaxed) + punches > self.queue_punches_max;
        if is_full {
            self.release(punches);
        }
        !is_full
    }

    fn release(&self, punches: usize) {
        self.queued_punches.fetch_sub(punches, Ordering::Relaxed);
    }

    /// Queues runs whose room was reserved.
    fn send(&self, runs: Vec<Append>) {
        let Err(error) = self.queue.try_send(Message::Append { runs, sent: runtime::clock::now() }) else {
            return;
        };
        let (message, outcome) = match error {
            TrySendError::Full(message) => (message, AppendOutcome::Busy),
            TrySendError::Disconnected(message) => (message, AppendOutcome::Down),
        };
        self.release(message.punches());
        message.refuse(&outcome, HelloOutcome::Down);
    }

    /// Returns the last durable LSN.
    pub fn durable_lsn(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Reports a failed write or sync.
    pub fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    /// Reports whether the log's thread has checked its queue recently; false while it hangs in a write or a sync.
    pub fn is_responsive(&self) -> bool {
        self.heartbeat.is_responsive()
    }

    /// Resolves when a write or sync has failed. The process must then end and recover at its next start.
    pub async fn poisoned(&self) {
        let mut poisoned = self.poisoned.clone();
        if poisoned.wait_for(|&poisoned| poisoned).await.is_err() && !*poisoned.borrow() {
            std::future::pending::<()>().await;
        }
    }
}

/// Returns the name of a segment's file.
fn segment_name(number: u64) -> String {
    format!("{number:012}.segment")
}

/// Returns the numbers of the segments among these files, ascending.
fn segment_numbers(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(".segment")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests;
