//! Reads closed segments again in the background and compares them with the digests that the segments after them hold: at start
//! and then every hour, a segment at a time with a rest between, on a thread of its own. It only tells; it changes nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::metric;

use super::disk::Disk;
use super::format::SegmentHeader;
use super::recover::{check_digest, read};
use super::scan::Segment;
use super::{LedgerError, segment_name, segment_numbers};

/// Between two segments: leaves the disk to those who wait for a sync.
const REST: Duration = Duration::from_secs(1);
/// Between two passes.
const PASS_EVERY: Duration = Duration::from_secs(3600);

/// The thread; it ends when this is dropped.
pub(super) struct Scrub {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrub {
    pub(super) fn start<D: Disk>(disk: D) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("ledger-scrub".to_owned())
            .spawn(move || while pass(&disk, || rest(&stopped, REST)) && rest(&stopped, PASS_EVERY) {})?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the scrub's thread panicked");
        }
    }
}

/// Waits; `false` when it is time to end.
fn rest(stopped: &Receiver<()>, time: Duration) -> bool {
    stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}

/// Checks every closed segment once; `false` when `rest` says that it is time to end.
fn pass(disk: &impl Disk, mut rest: impl FnMut() -> bool) -> bool {
    let numbers = match disk.list() {
        Ok(names) => segment_numbers(&names),
        Err(error) => {
            tracing::error!(%error, "the scrub cannot list the segments");
            return true;
        }
    };
    for pair in numbers.windows(2) {
        if !rest() {
            return false;
        }
        if let Err(error) = check(disk, pair[0]) {
            tracing::error!(%error, "a closed segment is not as it was written; restore it from a copy");
            metrics::counter!(metric::SCRUB_FAILURES).increment(1);
        }
    }
    true
}

/// A closed segment against the header of the next one. One that has expired meanwhile is in order.
pub(super) fn check(disk: &impl Disk, number: u64) -> Result<(), LedgerError> {
    let gone = |error: &LedgerError| matches!(error, LedgerError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound);
    match compare(disk, number) {
        Err(error) if gone(&error) => Ok(()),
        other @ (Ok(()) | Err(_)) => other,
    }
}

fn compare(disk: &impl Disk, number: u64) -> Result<(), LedgerError> {
    let bytes = read(disk, number)?;
    let segment = Segment::read(number, &bytes)?;
    segment.check_tail(false)?;
    let next = read(disk, number + 1)?;
    let (next, _) = SegmentHeader::decode(&next).map_err(|_| LedgerError::Corrupt {
        name: segment_name(number + 1),
        what: "its header does not read",
        lsn: segment.last_lsn(),
    })?;
    check_digest(&segment, &bytes, &next)
}
