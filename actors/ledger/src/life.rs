//! The messages of the log's thread and its owner beside the queue: that it is to end, and that it still comes around. Who minds
//! that it does not is elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use runtime::clock;

/// A thread that has not come around for this long hangs in a write or a sync: a hundred times its pause without work.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// Shared by the thread, its owner and the handles.
pub(super) struct Life {
    stop: AtomicBool,
    /// When the thread came around last, on the monotonic clock.
    turned_us: AtomicU64,
}

impl Life {
    pub(super) fn new() -> Self {
        Self { stop: AtomicBool::new(false), turned_us: AtomicU64::new(clock::monotonic_us()) }
    }

    /// The thread is to end when nothing waits.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Said by the thread, each time it comes around; whether it is to end.
    pub(super) fn turn(&self) -> bool {
        self.turned_us.store(clock::monotonic_us(), Ordering::Relaxed);
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn comes_around(&self) -> bool {
        self.came_around_by(clock::monotonic_us())
    }

    fn came_around_by(&self, now_us: u64) -> bool {
        let turned = self.turned_us.load(Ordering::Relaxed);
        Duration::from_micros(now_us.saturating_sub(turned)) < HANGS_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_come_around_for_long_hangs_until_it_does() {
        let life = Life::new();
        let limit = HANGS_AFTER.as_micros() as u64;
        let began = life.turned_us.load(Ordering::Relaxed);
        assert!(life.came_around_by(began) && life.came_around_by(began + limit - 1));
        assert!(!life.came_around_by(began + limit));
        life.turned_us.store(0, Ordering::Relaxed);
        assert!(!life.came_around_by(began + limit), "it was long ago");
        assert!(!life.turn(), "it is not to end");
        assert!(life.comes_around());
        life.stop();
        assert!(life.turn(), "it is to end");
    }
}
