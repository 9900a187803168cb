//! Ends the process when an arbiter is blocked: a thread that never returns to its queue answers nobody, and only a restart
//! helps. The devices keep what was not acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock;
use crate::front::Pulse;

/// The exit code of a process that the watchdog ended.
pub const EXIT_BLOCKED: i32 = 70;
/// An arbiter that runs nothing for this long is blocked: a thousand times the longest handler.
pub const BLOCKED_AFTER: Duration = Duration::from_secs(10);

/// The running watchdog; it ends when this is dropped.
pub struct Watchdog {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watched {
    pulse: Pulse,
    asked: u64,
    heard: Arc<AtomicU64>,
    quiet_since: std::time::Instant,
}

impl Watched {
    /// Asks again if the last question was answered; the time since it has been open.
    fn check(&mut self) -> Duration {
        if self.heard.load(Ordering::Acquire) == self.asked {
            self.asked += 1;
            self.quiet_since = clock::now();
            let (heard, asked) = (Arc::clone(&self.heard), self.asked);
            if !self.pulse.ask(move || heard.store(asked, Ordering::Release)) {
                // The arbiter has ended in good order.
                self.heard.store(self.asked, Ordering::Release);
            }
        }
        clock::since(self.quiet_since)
    }
}

/// Watches arbiters. `end` is called with the name of the first that is blocked for `limit`; it is expected to end the
/// process with [`EXIT_BLOCKED`].
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(
    pulses: Vec<Pulse>,
    limit: Duration,
    end: impl FnOnce(&str) + Send + 'static,
) -> std::io::Result<Watchdog> {
    let (stop, stopped) = sync_channel::<()>(0);
    let mut watched: Vec<_> = pulses
        .into_iter()
        .map(|pulse| Watched { pulse, asked: 0, heard: Arc::default(), quiet_since: clock::now() })
        .collect();
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while stopped.recv_timeout(limit / 10) == Err(RecvTimeoutError::Timeout) {
            if let Some(blocked) = watched.iter_mut().position(|watched| watched.check() >= limit) {
                return end(watched[blocked].pulse.name());
            }
        }
    })?;
    Ok(Watchdog { stop: Some(stop), thread: Some(thread) })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::front;

    #[test]
    fn a_blocked_arbiter_is_named_and_a_busy_one_is_not() {
        let (release, released) = sync_channel::<()>(0);
        let (done, until_done) = tokio::sync::oneshot::channel::<()>();
        let healthy = front::spawn("healthy", || async { drop(until_done.await) }).expect("a thread");
        let blocked = front::spawn("blocked", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        let (named, name) = sync_channel(1);
        let watchdog =
            start(vec![healthy.pulse(), blocked.pulse()], Duration::from_millis(200), move |name| {
                named.send(name.to_owned()).expect("the test waits");
            })
            .expect("a thread");
        assert_eq!(name.recv().as_deref(), Ok("blocked"));
        drop((watchdog, release, done));
        healthy.join().expect("ends well");
        blocked.join().expect("ends well");
    }
}
