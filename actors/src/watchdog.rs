//! Ends the process when an arbiter is blocked: a thread that never returns to its queue answers nobody, and only a restart
//! helps. The devices keep what was not acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
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
    watched: Arc<Mutex<Vec<Watched>>>,
}

impl Watchdog {
    /// Watches these as well. Those that have ended are forgotten by themselves.
    pub fn watch(&self, pulses: Vec<Pulse>) {
        lock(&self.watched).extend(pulses.into_iter().map(Watched::new));
    }
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
    fn new(pulse: Pulse) -> Self {
        Self { pulse, asked: 0, heard: Arc::default(), quiet_since: clock::now() }
    }

    /// Asks again if the last question was answered; the time since it has been open, `None` if the arbiter has ended in good
    /// order. A question that was still in its queue then is answered by nobody, and is no sign of a blocked one.
    fn check(&mut self) -> Option<Duration> {
        if self.heard.load(Ordering::Acquire) == self.asked {
            self.asked += 1;
            self.quiet_since = clock::now();
            let (heard, asked) = (Arc::clone(&self.heard), self.asked);
            self.pulse
                .ask(move || heard.store(asked, Ordering::Release))
                .then(|| clock::since(self.quiet_since))
        } else {
            self.pulse.ask(|| ()).then(|| clock::since(self.quiet_since))
        }
    }
}

fn lock(watched: &Mutex<Vec<Watched>>) -> std::sync::MutexGuard<'_, Vec<Watched>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at each once; the name of the first that is blocked.
fn blocked(watched: &mut Vec<Watched>, limit: Duration) -> Option<String> {
    let mut named = None;
    watched.retain_mut(|one| {
        let quiet = one.check();
        if quiet.is_some_and(|quiet| quiet >= limit) && named.is_none() {
            named = Some(one.pulse.name().to_owned());
        }
        quiet.is_some()
    });
    named
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
    let watched = Arc::new(Mutex::new(pulses.into_iter().map(Watched::new).collect::<Vec<_>>()));
    let mine = Arc::clone(&watched);
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while stopped.recv_timeout(limit / 10) == Err(RecvTimeoutError::Timeout) {
            let blocked = blocked(&mut lock(&mine), limit);
            if let Some(name) = blocked {
                return end(&name);
            }
        }
    })?;
    Ok(Watchdog { stop: Some(stop), thread: Some(thread), watched })
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

    #[test]
    fn one_that_ended_with_a_question_in_its_queue_is_forgotten_and_one_that_came_later_is_watched() {
        let (release, released) = sync_channel::<()>(0);
        let ending = front::spawn("ending", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        let mut watched = vec![Watched::new(ending.pulse())];
        assert_eq!(blocked(&mut watched, BLOCKED_AFTER), None, "it was asked just now");
        drop(release);
        ending.join().expect("ends well");
        // However long ago the question was.
        assert_eq!(blocked(&mut watched, Duration::ZERO), None);
        assert!(watched.is_empty());

        let (named, name) = sync_channel(1);
        let watchdog = start(Vec::new(), Duration::from_millis(200), move |name| {
            named.send(name.to_owned()).expect("the test waits");
        })
        .expect("a thread");
        let (release, released) = sync_channel::<()>(0);
        let late = front::spawn("late", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        watchdog.watch(vec![late.pulse()]);
        assert_eq!(name.recv().as_deref(), Ok("late"));
        drop((watchdog, release));
        late.join().expect("ends well");
    }
}
