//! The room of the disk: said once when it is full and once when it no longer is, however many batches are turned away in
//! between. It also says who gets what is kept back for such times; how room is set aside is the log's.

use metrics::Gauge;
use protocol::metric;
use runtime::clock::Reading;

use super::disk::Disk;
use super::format;
use super::log::{CommitError, Log};

/// The room that a deletion record needs at least.
const DELETION_BYTES: u64 = 4096;

/// Everything known of the disk's room. The writer owns it; it begins anew with the process.
pub(super) struct Room {
    /// The room that the largest batch that found no room needed, until there is that much.
    lacking_bytes: Option<u64>,
    full: Gauge,
    oldest: Gauge,
}

impl Room {
    pub(super) fn new() -> Self {
        let full = metrics::gauge!(metric::LEDGER_FULL);
        full.set(0.0);
        Self { lacking_bytes: None, full, oldest: metrics::gauge!(metric::PUNCHES_OLDEST) }
    }

    /// Sets room aside for a batch. A disk that was full has room again only when it has what was lacking, and what is kept back.
    pub(super) fn make<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        batch_bytes: u64,
        at: &Reading,
    ) -> Result<(), CommitError> {
        let kept = log.keep_back();
        self.note(kept, 0)?;
        if let Some(lacking) = self.lacking_bytes {
            match log.reserve(lacking.max(batch_bytes), at) {
                Ok(()) => {
                    self.found();
                    return Ok(());
                }
                Err(CommitError::Full) => {}
                Err(poison @ CommitError::Poison(_)) => return Err(poison),
            }
        }
        let result = log.reserve(batch_bytes, at);
        self.note(result, batch_bytes)
    }

    /// When nothing waits: looks for the room that was lacking, and has the log vouch for its last batch.
    pub(super) fn idle<D: Disk>(&mut self, log: &mut Log<D>, at: &Reading) -> Result<(), CommitError> {
        let empty = format::batch_bytes(0, 0) as u64;
        if self.lacking_bytes.is_some() || !log.kept.is_whole() {
            self.make(log, empty, at)?;
        }
        let result = log.say_durable(at);
        self.note(result, empty)
    }

    /// Sets room aside, out of what is kept back, for what a full disk must not stop. Punches have none until that is whole again.
    pub(super) fn make_in_need<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        batch_bytes: u64,
        at: &Reading,
    ) -> Result<(), CommitError> {
        log.let_go()?;
        let result = log.reserve(batch_bytes, at);
        self.note(result, batch_bytes)
    }

    /// Does a step of forgetting what is too old, once a day; on a full disk out of what is kept back, for it makes room.
    pub(super) fn expire<D: Disk>(&mut self, log: &mut Log<D>, at: &Reading) -> Result<(), CommitError> {
        let before = log.expired_on;
        let mut result = log.expire(at);
        if matches!(result, Err(CommitError::Full)) && log.let_go()? {
            result = log.expire(at);
        }
        if log.expired_on != before {
            self.oldest.set(log.oldest_ms(at.now_ms) as f64 / 1000.0);
        }
        self.note(result, DELETION_BYTES)
    }

    fn note(&mut self, result: Result<(), CommitError>, bytes: u64) -> Result<(), CommitError> {
        if matches!(result, Err(CommitError::Full)) {
            if self.lacking_bytes.is_none() {
                tracing::warn!("the punch log's disk is full; punches are answered Busy until there is room");
                self.full.set(1.0);
            }
            self.lacking_bytes = Some(bytes.max(self.lacking_bytes.unwrap_or(0)));
        }
        result
    }

    fn found(&mut self) {
        tracing::info!("the punch log's disk has room again");
        self.full.set(0.0);
        self.lacking_bytes = None;
    }
}
