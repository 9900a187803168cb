//! Preallocation of disk space before each batch, and the state of a full disk, which is logged once when it begins and once when it
//! ends. Decides who may use the reserve; `log` does the preallocation itself.

use metrics::Gauge;
use protocol::metric;
use runtime::clock::Reading;

use super::disk::Disk;
use super::format;
use super::log::{CommitError, Log};

/// The space that a deletion record needs at least.
const DELETION_BYTES: u64 = 4096;

/// The state of the disk's space. Owned by the writer; not kept over a restart.
pub(super) struct Preallocation {
    /// The size of the largest batch that found no space; `None` while the disk is not full.
    needed_bytes: Option<u64>,
    full: Gauge,
    oldest: Gauge,
}

impl Preallocation {
    pub(super) fn new() -> Self {
        let full = metrics::gauge!(metric::LEDGER_FULL);
        full.set(0.0);
        Self { needed_bytes: None, full, oldest: metrics::gauge!(metric::PUNCHES_OLDEST) }
    }

    /// Preallocates a batch. A full disk counts as full until it has space for `needed_bytes` and for the whole reserve.
    pub(super) fn prepare<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        batch_bytes: u64,
        at: &Reading,
    ) -> Result<(), CommitError> {
        let refilled = log.refill_reserve();
        self.note(refilled, 0)?;
        if let Some(needed) = self.needed_bytes {
            match log.preallocate(needed.max(batch_bytes), at) {
                Ok(()) => {
                    self.end_full();
                    return Ok(());
                }
                Err(CommitError::Full) => {}
                Err(poison @ CommitError::Poison(_)) => return Err(poison),
            }
        }
        let result = log.preallocate(batch_bytes, at);
        self.note(result, batch_bytes)
    }

    /// Checks whether a full disk has space again, and appends a commit marker. Called when no message waits.
    pub(super) fn idle<D: Disk>(&mut self, log: &mut Log<D>, at: &Reading) -> Result<(), CommitError> {
        let empty = format::batch_bytes(0, 0) as u64;
        if self.needed_bytes.is_some() || !log.reserve.is_whole() {
            self.prepare(log, empty, at)?;
        }
        let result = log.append_commit_marker(at);
        self.note(result, empty)
    }

    /// Releases the reserve and preallocates a batch that a full disk must not stop. Punches find no space until the reserve is whole
    /// again.
    pub(super) fn prepare_critical<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        batch_bytes: u64,
        at: &Reading,
    ) -> Result<(), CommitError> {
        log.release_reserve()?;
        let result = log.preallocate(batch_bytes, at);
        self.note(result, batch_bytes)
    }

    /// Does one step of the day's expiry, which frees space; on a full disk with the reserve released.
    pub(super) fn expire<D: Disk>(&mut self, log: &mut Log<D>, at: &Reading) -> Result<(), CommitError> {
        let before = log.expired_on;
        let mut result = log.expire(at);
        if matches!(result, Err(CommitError::Full)) && log.release_reserve()? {
            result = log.expire(at);
        }
        if log.expired_on != before {
            self.oldest.set(log.oldest_ms(at.now_ms) as f64 / 1000.0);
        }
        self.note(result, DELETION_BYTES)
    }

    fn note(&mut self, result: Result<(), CommitError>, bytes: u64) -> Result<(), CommitError> {
        if matches!(result, Err(CommitError::Full)) {
            if self.needed_bytes.is_none() {
                tracing::warn!("the punch log's disk is full; punches are answered Busy until it has space");
                self.full.set(1.0);
            }
            self.needed_bytes = Some(bytes.max(self.needed_bytes.unwrap_or(0)));
        }
        result
    }

    fn end_full(&mut self) {
        tracing::info!("the punch log's disk has space again");
        self.full.set(0.0);
        self.needed_bytes = None;
    }
}
