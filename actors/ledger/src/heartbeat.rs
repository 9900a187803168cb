//! The heartbeat of the log's thread. The watchdog's keep-alive depends on it, in the gateway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runtime::clock;

/// The time without a beat after which the thread counts as hung in a write or a sync: a hundred times its idle interval.
const HUNG_AFTER: Duration = Duration::from_secs(10);

/// The time of the thread's last beat, shared by the thread and the handles.
pub(super) struct Heartbeat {
    /// Microseconds of the monotonic clock.
    beat_us: AtomicU64,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { beat_us: AtomicU64::new(clock::monotonic_us()) }
    }

    /// Records a beat. The thread calls this before each wait for messages.
    pub(super) fn beat(&self) {
        self.beat_us.store(clock::monotonic_us(), Ordering::Relaxed);
    }

    /// Reports a beat within [`HUNG_AFTER`].
    pub(super) fn is_responsive(&self) -> bool {
        self.is_responsive_at(clock::monotonic_us())
    }

    fn is_responsive_at(&self, now_us: u64) -> bool {
        let beat_us = self.beat_us.load(Ordering::Relaxed);
        Duration::from_micros(now_us.saturating_sub(beat_us)) < HUNG_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_a_beat_for_long_is_hung_until_it_beats() {
        let heartbeat = Heartbeat::new();
        let limit = HUNG_AFTER.as_micros() as u64;
        let began = heartbeat.beat_us.load(Ordering::Relaxed);
        assert!(heartbeat.is_responsive_at(began) && heartbeat.is_responsive_at(began + limit - 1));
        assert!(!heartbeat.is_responsive_at(began + limit));
        heartbeat.beat_us.store(0, Ordering::Relaxed);
        assert!(!heartbeat.is_responsive_at(began + limit), "it was long ago");
        heartbeat.beat();
        assert!(heartbeat.is_responsive());
    }
}
