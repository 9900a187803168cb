//! The second copy of the log, as far as answers wait for it: how far the copy has come, and the wait of one sync's outcomes. The copy
//! itself is made elsewhere. A log without it answers as soon as its own disk is synced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::clock;
use tokio::sync::{Notify, watch};

use super::LedgerHandle;

/// The longest time that answers wait for the copy after their sync. After it they are `NotCopied`, and the device sends the punches
/// again; a copy over a healthy network takes milliseconds.
const COPY_WAIT: Duration = Duration::from_secs(2);

/// The progress of the copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// The last LSN up to which the copy has everything.
    lsn: u64,
    /// True while the copy takes nothing.
    is_away: bool,
}

/// The writing end of the copy's progress, for whoever makes the copy.
#[derive(Debug)]
pub struct CopyProgress {
    progress: watch::Sender<Progress>,
    wanted: Arc<Notify>,
}

/// The copy that answers wait for; clones share it.
#[derive(Clone, Debug)]
pub struct AwaitedCopy {
    progress: watch::Receiver<Progress>,
    wanted: Arc<Notify>,
}

impl CopyProgress {
    /// Creates both ends. The copy is away until the first progress.
    pub fn new() -> (Self, AwaitedCopy) {
        let (sender, progress) = watch::channel(Progress { lsn: 0, is_away: true });
        let wanted = Arc::new(Notify::new());
        (Self { progress: sender, wanted: Arc::clone(&wanted) }, AwaitedCopy { progress, wanted })
    }

    /// Records that the copy has everything up to that LSN.
    pub fn reached(&self, lsn: u64) {
        self.progress.send_replace(Progress { lsn, is_away: false });
    }

    /// Records that the copy takes nothing for now: answers are `Busy` without waiting.
    pub fn away(&self) {
        self.progress.send_modify(|progress| progress.is_away = true);
    }

    /// Resolves when answers have begun to wait since the last call.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl LedgerHandle {
    /// Returns a handle whose ports tell recorded punches only when that copy has them, too.
    #[must_use]
    pub fn awaiting(self, copy: AwaitedCopy) -> Self {
        Self { awaited: Some(copy), ..self }
    }
}

impl AwaitedCopy {
    /// Reports a copy that takes nothing for now.
    pub(crate) fn is_away(&self) -> bool {
        self.progress.borrow().is_away
    }

    /// Waits until the copy has that LSN, which was synced at `synced`; false if it is away or takes too long.
    pub(crate) async fn has(&mut self, lsn: u64, synced: Instant) -> bool {
        if self.progress.borrow().lsn >= lsn {
            return true;
        }
        self.wanted.notify_one();
        let left = COPY_WAIT.saturating_sub(clock::since(synced));
        let settled = self.progress.wait_for(|progress| progress.is_away || progress.lsn >= lsn);
        match tokio::time::timeout(left, settled).await {
            Ok(Ok(progress)) => progress.lsn >= lsn,
            // It is late, or whoever made the copy has ended.
            Ok(Err(_)) | Err(_) => false,
        }
    }
}
