//! Reads closed segments again in the background and compares them with the digests that the segments after them hold: at start
//! and then every hour, a segment at a time with a long rest between, on a thread of its own that gives way to all others. It only
//! tells; it changes nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::metric;
use runtime::clock;
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::disk::Disk;
use super::headers::read_header;
use super::scan::Segment;
use super::walk::{check_digest, read};
use super::{LedgerError, segment_numbers};

/// Between two segments at least: leaves the disk to those who wait for a sync …
const REST_MIN: Duration = Duration::from_secs(1);
/// … and so many times as long as the last one took: a start with a day's segments behind it is when devices come back, and a scrub
/// at full speed took two fifths of their core.
const REST_TIMES: u32 = 20;
/// The least that a thread can ask for: it runs when nobody else wants to.
const NICE: i32 = 19;
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
        let thread = std::thread::Builder::new().name("ledger-scrub".to_owned()).spawn(move || {
            give_way();
            while pass(&disk, |time| rest(&stopped, time)) && rest(&stopped, PASS_EVERY) {}
        })?;
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

/// This thread comes after all others from now on.
fn give_way() {
    if let Err(error) = setpriority_process(Some(gettid()), NICE) {
        tracing::warn!(%error, "the scrub cannot lower its priority");
    }
}

/// Waits; `false` when it is time to end.
fn rest(stopped: &Receiver<()>, time: Duration) -> bool {
    stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}

/// Checks every closed segment once; `false` when `rest` says that it is time to end.
fn pass(disk: &impl Disk, mut rest: impl FnMut(Duration) -> bool) -> bool {
    let numbers = match disk.list() {
        Ok(names) => segment_numbers(&names),
        Err(error) => {
            tracing::error!(%error, "the scrub cannot list the segments");
            return true;
        }
    };
    let mut took = Duration::ZERO;
    for pair in numbers.windows(2) {
        if !rest(REST_MIN.max(took * REST_TIMES)) {
            return false;
        }
        let start = clock::now();
        if let Err(error) = check(disk, pair[0]) {
            tracing::error!(%error, "a closed segment is not as it was written; restore it from a copy");
            metrics::counter!(metric::SCRUB_FAILURES).increment(1);
        }
        took = clock::since(start);
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
    // Without it there is nothing to compare with; a start names what is missing.
    let Some(next) = read_header(disk, number + 1)? else { return Ok(()) };
    check_digest(&segment, &bytes, &next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scrubs_thread_comes_after_all_others() {
        let nice = std::thread::spawn(|| {
            give_way();
            rustix::process::getpriority_process(Some(gettid())).expect("of this thread")
        });
        assert_eq!(nice.join().expect("no panic"), NICE);
        let own = rustix::process::getpriority_process(Some(gettid())).expect("of this thread");
        assert!(own < NICE, "other threads keep theirs");
    }
}
