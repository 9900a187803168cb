//! The background scrub: reads each closed segment again and compares it with the digest in the next segment's header, at the start
//! and then every hour, on a thread with the lowest priority and with pauses between segments. Reports damage; changes nothing.

use std::io;
use std::time::Duration;

use protocol::metric;
use runtime::clock;
use runtime::thread::{self, StopOnDrop};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::disk::Disk;
use super::headers::read_header;
use super::scan::Segment;
use super::walk::{check_digest, read};
use super::{LedgerError, segment_numbers};

/// The minimum pause between two segments, which leaves the disk to syncs …
const REST_MIN: Duration = Duration::from_secs(1);
/// … and the pause as a multiple of the last segment's time. Devices reconnect while a start scrubs a day's segments; at full speed
/// the scrub took two fifths of their core.
const REST_TIMES: u32 = 20;
/// The lowest priority of a thread.
const NICE: i32 = 19;
/// The pause between two passes.
const PASS_EVERY: Duration = Duration::from_secs(3600);

/// Starts the scrub's thread, which ends when the result is dropped.
pub(super) fn start<D: Disk>(disk: D) -> io::Result<StopOnDrop> {
    let thread = thread::spawn("ledger-scrub", move |stop| {
        lower_priority();
        let rest = |time| !stop.wait(time);
        while pass(&disk, rest) && rest(PASS_EVERY) {}
    })?;
    Ok(thread.stop_on_drop())
}

/// Gives the calling thread the lowest priority.
fn lower_priority() {
    if let Err(error) = setpriority_process(Some(gettid()), NICE) {
        tracing::warn!(%error, "the scrub cannot lower its priority");
    }
}

/// Checks every closed segment once. `rest` waits and returns false to stop; then the result is false.
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
            tracing::error!(%error, "a closed segment is damaged; restore it from a copy");
            metrics::counter!(metric::SCRUB_FAILURES).increment(1);
        }
        took = clock::since(start);
    }
    true
}

/// Checks a closed segment against the header of the next one. A segment that has expired meanwhile is no error.
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
    // A missing next segment is reported by a start.
    let Some(next) = read_header(disk, number + 1)? else { return Ok(()) };
    check_digest(&segment, &bytes, &next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scrubs_thread_comes_after_all_others() {
        let nice = std::thread::spawn(|| {
            lower_priority();
            rustix::process::getpriority_process(Some(gettid())).expect("of this thread")
        });
        assert_eq!(nice.join().expect("no panic"), NICE);
        let own = rustix::process::getpriority_process(Some(gettid())).expect("of this thread");
        assert!(own < NICE, "other threads keep theirs");
    }
}
