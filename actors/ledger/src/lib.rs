//! The punch log: what an acknowledgement stands on. One thread owns it; it writes whatever waits as one batch, syncs once, and
//! only then answers. Marks, one for each device, tell what is new, what is a repeat and what is missing.

mod copy;
mod deletions;
mod disk;
mod expiry;
mod floor;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod life;
mod log;
mod lookup;
mod marks;
mod overdue;
mod passages;
mod read;
mod record;
mod recover;
mod reserve;
mod room;
mod scan;
mod scrub;
mod seal;
mod seek;
mod take;
mod time;
mod voucher;
mod walk;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Instant;

use protocol::{DeviceId, Epoch, RegionId, Sequence, Verdict, metric};
use tokio::sync::{oneshot, watch};

pub use copy::{copy, forget_expired, verify_copy};
pub use deletions::Deletion;
pub use passages::{PASSAGES_MAX, Passage, Passages, Stretch, passages};
pub use read::{ALWAYS, ExportFormat, VerifyReport, export, newest_ms, verify, verify_newest};
pub use record::{PunchDigest, Record, ScanKind};
pub use recover::last_lsn;
pub use reserve::make_way;
pub use seal::has_day_keys;
pub use voucher::{LogFound, LogVoucher};

/// The place where the log lives and what it may take.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// The segments' directory.
    pub directory: PathBuf,
    /// The day keys' directory.
    pub day_keys: PathBuf,
    /// Signs deletion records: Ed25519, PKCS#8.
    pub signing_pkcs8: Vec<u8>,
    /// A segment is closed at this size, or at the hour.
    pub segment_bytes_max: u64,
    /// Days that punches are kept.
    pub retention_days: u32,
    /// Punches that may wait for a sync; what comes beyond is answered `Busy`.
    pub queue_punches_max: usize,
}

/// Consecutive punches of one device, judged.
#[derive(Clone, Debug)]
pub struct Run {
    /// The one who sent them.
    pub device: DeviceId,
    /// The device's epoch.
    pub epoch: Epoch,
    /// The region of their places.
    pub region: RegionId,
    /// The first record's sequence.
    pub first: Sequence,
    /// When they arrived, milliseconds since 1970 UTC.
    pub received_ms: u64,
    /// Verdicts of this device to keep in memory for repeats.
    pub window_punches: u32,
    /// The records.
    pub records: Vec<Record>,
}

/// Verdicts as they are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// The first verdict's sequence.
    pub first: Sequence,
    /// When they were formed, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdicts.
    pub verdicts: Vec<Verdict>,
}

/// The outcome of a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable. Runs in ascending order that cover exactly what was sent; repeats have the verdict that was recorded.
    Recorded(Vec<RecordedRun>),
    /// A number in it stands for another punch, or for one that the log no longer knows. Nothing of it is recorded.
    NumberUsed {
        /// The first such number.
        sequence: Sequence,
    },
    /// Punches before it are missing.
    Gap {
        /// The next expected number.
        expected: Sequence,
    },
    /// The device has used a higher epoch.
    EpochBehind {
        /// The highest.
        current: Epoch,
    },
    /// The queue or the disk is full.
    Busy,
    /// A write or sync failed; the process is about to end.
    Down,
}

/// The place where an outcome goes.
pub type Reply = oneshot::Sender<Outcome>;

/// Everything that the log knows of a device that says hello.
#[derive(Debug, PartialEq, Eq)]
pub enum HelloOutcome {
    /// The highest durable sequence of the epoch, and how many acknowledged punches the log does not have.
    Known {
        /// Highest sequence, 0 if none.
        recorded: Sequence,
        /// Punches that the device holds an acknowledgement for and that are not in the log. This is on record now.
        lost: u64,
    },
    /// The device has used a higher epoch.
    EpochBehind {
        /// The highest.
        current: Epoch,
    },
    /// The epoch is further ahead than any clock is wrong.
    EpochAhead {
        /// The highest that may be taken now.
        highest: Epoch,
    },
    /// More is acknowledged than any device can have punched.
    AcknowledgedAhead {
        /// The highest that can be.
        highest: Sequence,
    },
    /// The queue or the disk is full.
    Busy,
    /// A write or sync failed; the process is about to end.
    Down,
}

/// Why the log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused.
    #[error("punch log: {action} {name}: {error}")]
    Io {
        /// The attempt.
        action: &'static str,
        /// The file.
        name: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The log is damaged where damage cannot come from a power cut. Nothing was changed.
    #[error("punch log is damaged: {name}: {what}{}; {}", after(*lsn), mend(what, *is_newest))]
    Corrupt {
        /// The segment's file.
        name: String,
        /// The fault.
        what: &'static str,
        /// The last sound batch before the damage; 0 if none is known.
        lsn: u64,
        /// True if a start reads it: the newest or the one before.
        is_newest: bool,
    },
    /// Written by a later version of the gateway.
    #[error("punch log: {name} was written by a newer version; start that version")]
    Newer {
        /// The segment's file.
        name: String,
    },
    /// A key is missing or unusable.
    #[error("punch log: {0}")]
    Key(String),
}

/// The fault of a segment that is not there.
const MISSING: &str = "it is missing";

fn after(lsn: u64) -> String {
    if lsn == 0 { String::new() } else { format!(" after LSN {lsn}") }
}

/// Says what to do about damage.
fn mend(what: &str, is_newest: bool) -> &'static str {
    match (what, is_newest) {
        (MISSING, _) => "put it back from a backup: the gateway does not start without it",
        (_, true) => {
            "the gateway does not start on it, and no copy holds its end: keep the directory as it is, and restore the newest backup \
             into another"
        }
        (_, false) => {
            "put it back from a backup that was made after it was closed; the gateway starts meanwhile"
        }
    }
}

impl LedgerError {
    /// Says that a start reads what is damaged.
    fn at_start(self) -> Self {
        match self {
            Self::Corrupt { name, what, lsn, .. } => Self::Corrupt { name, what, lsn, is_newest: true },
            other @ (Self::Io { .. } | Self::Newer { .. } | Self::Key(_)) => other,
        }
    }

    fn io(action: &'static str, name: &str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |error| Self::Io { action, name, error }
    }

    /// Says whether the disk has no room, which may change.
    fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if disk::is_full(error))
    }
}

pub(crate) enum Message {
    Append { run: Run, reply: Reply, sent: Instant },
    Hello { device: DeviceId, epoch: Epoch, acknowledged: Sequence, reply: oneshot::Sender<HelloOutcome> },
}

/// Runs that may wait, whatever their size: bounds the queue's own memory.
const QUEUE_RUNS_MAX: usize = 64 * 1024;

/// Owns the log's thread.
pub struct Ledger {
    thread: JoinHandle<()>,
    life: Arc<life::Life>,
    scrub: scrub::Scrub,
}

/// Speaks to the log; clones share it. The log ends when the last one is dropped.
#[derive(Clone)]
pub struct LedgerHandle {
    queue: SyncSender<Message>,
    queued_punches: Arc<AtomicUsize>,
    queue_punches_max: usize,
    poisoned: watch::Receiver<bool>,
    life: Arc<life::Life>,
    durable: Arc<AtomicU64>,
}

impl Ledger {
    /// Recovers the log in its directory, making its tail durable anew, and starts the thread that owns it.
    ///
    /// # Errors
    /// Damage that no power cut leaves behind, files of a newer version, a missing key, or the operating system's word.
    pub fn open(config: &LedgerConfig) -> Result<(Self, LedgerHandle), LedgerError> {
        let name = config.directory.display().to_string();
        let disk = disk::RealDisk::open(&config.directory).map_err(LedgerError::io("making", &name))?;
        let keys = seal::DayKeys::open(&config.day_keys)?;
        let start = runtime::clock::now();
        let log = recover::recover(disk.clone(), keys, config, &runtime::clock::look())
            .map_err(LedgerError::at_start)?;
        metrics::gauge!(metric::RECOVERY_SECONDS).set(runtime::clock::since(start));
        let (queue, messages) = std::sync::mpsc::sync_channel(QUEUE_RUNS_MAX);
        let (poison, poisoned) = watch::channel(false);
        let queued_punches = Arc::<AtomicUsize>::default();
        let (life, durable) = (Arc::new(life::Life::new()), Arc::clone(&log.durable));
        let writer = writer::Writer::new(log, messages, Arc::clone(&queued_punches), poison);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn({
                let life = Arc::clone(&life);
                move || writer.run(&life)
            })
            .map_err(LedgerError::io("starting the thread of", &name))?;
        let scrub = scrub::Scrub::start(disk).map_err(LedgerError::io("starting the scrub of", &name))?;
        let queue_punches_max = config.queue_punches_max;
        metrics::gauge!(metric::LEDGER_QUEUE_MAX).set(queue_punches_max as f64);
        Ok((
            Self { thread, life: Arc::clone(&life), scrub },
            LedgerHandle { queue, queued_punches, queue_punches_max, poisoned, life, durable },
        ))
    }

    /// Waits until everything queued is written and synced. Handles that are left over are answered `Down` afterwards.
    pub fn shutdown(self) {
        self.life.stop();
        if self.thread.join().is_err() {
            tracing::error!("the ledger's thread panicked");
        }
        drop(self.scrub);
    }
}

impl LedgerHandle {
    /// Hands over a run; never blocks. The outcome comes through `reply` when the records are durable, or at once if the
    /// queue is full.
    pub fn append(&self, run: Run, reply: Reply) {
        let punches = run.records.len();
        if self.queued_punches.fetch_add(punches, Ordering::Relaxed) + punches > self.queue_punches_max {
            self.queued_punches.fetch_sub(punches, Ordering::Relaxed);
            let _ = reply.send(Outcome::Busy);
            return;
        }
        let Err(error) = self.queue.try_send(Message::Append { run, reply, sent: runtime::clock::now() })
        else {
            return;
        };
        self.queued_punches.fetch_sub(punches, Ordering::Relaxed);
        let (message, outcome) = match error {
            TrySendError::Full(message) => (message, Outcome::Busy),
            TrySendError::Disconnected(message) => (message, Outcome::Down),
        };
        if let Message::Append { reply, .. } = message {
            let _ = reply.send(outcome);
        }
    }

    /// Says where the device's numbering stands. A device that holds an acknowledgement for more than the log has is a loss: it is
    /// recorded, counted, and the numbering goes on above it.
    pub async fn hello(&self, device: DeviceId, epoch: Epoch, acknowledged: Sequence) -> HelloOutcome {
        let (reply, outcome) = oneshot::channel();
        match self.queue.try_send(Message::Hello { device, epoch, acknowledged, reply }) {
            Ok(()) => outcome.await.unwrap_or(HelloOutcome::Down),
            Err(TrySendError::Full(_)) => HelloOutcome::Busy,
            Err(TrySendError::Disconnected(_)) => HelloOutcome::Down,
        }
    }

    /// The last LSN, which is durable.
    pub fn durable_lsn(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Says whether a write or sync has failed.
    pub fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    /// Says whether the log's thread still comes around to its queue; false while it hangs in a write or a sync.
    pub fn comes_around(&self) -> bool {
        self.life.comes_around()
    }

    /// Resolves when a write or sync has failed: the process has to end and recover.
    pub async fn poisoned(&self) {
        let mut poisoned = self.poisoned.clone();
        if poisoned.wait_for(|&poisoned| poisoned).await.is_err() && !*poisoned.borrow() {
            std::future::pending::<()>().await;
        }
    }
}

/// The name of a segment's file.
fn segment_name(number: u64) -> String {
    format!("{number:012}.segment")
}

/// The segments' numbers, ascending.
fn segment_numbers(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(".segment")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The directory's files, for reading only.
fn open_for_reading(directory: &Path) -> Result<disk::RealDisk, LedgerError> {
    let name = directory.display().to_string();
    if !directory.is_dir() {
        return Err(LedgerError::Io { action: "opening", name, error: std::io::ErrorKind::NotFound.into() });
    }
    disk::RealDisk::open(directory).map_err(LedgerError::io("opening", &name))
}

#[cfg(test)]
mod tests;
