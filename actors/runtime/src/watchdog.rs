//! The watchdog ends the process when an arbiter is blocked: a thread that no longer returns to its queue answers no request, and
//! only a restart helps. The devices keep unacknowledged punches. While all arbiters answer, it sends keep-alives to the service
//! manager.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::arbiter::Pulse;
use crate::clock;
use crate::lock::lock;
use crate::thread::{self, StopOnDrop};

/// The exit code of a process that the watchdog ended.
pub const EXIT_BLOCKED: i32 = 70;
/// The time after which an arbiter that runs nothing counts as blocked: a thousand times the longest handler.
pub const BLOCKED_AFTER: Duration = Duration::from_secs(10);

/// A keep-alive message to the service manager.
pub struct KeepAlive {
    /// The interval between messages; the watchdog may be late by half of it.
    pub every: Duration,
    /// Sends the message. Must not block.
    pub send: Box<dyn FnMut() + Send>,
    /// Checks threads without an arbiter; while false, no message is sent. Must not block.
    pub is_healthy: Box<dyn Fn() -> bool + Send>,
}

/// The running watchdog; it stops when this is dropped.
pub struct Watchdog {
    watched: Arc<Mutex<Vec<Watched>>>,
    _thread: StopOnDrop,
}

impl Watchdog {
    /// Adds arbiters. One that has ended is removed by the watchdog.
    pub fn watch(&self, pulses: Vec<Pulse>) {
        lock(&self.watched).extend(pulses.into_iter().map(Watched::new));
    }
}

struct Watched {
    pulse: Pulse,
    /// The number of the last ping, from 1.
    pinged: u64,
    /// The number of the last answered ping.
    answered: Arc<AtomicU64>,
    pinged_at: Instant,
}

impl Watched {
    fn new(pulse: Pulse) -> Self {
        Self { pulse, pinged: 0, answered: Arc::default(), pinged_at: clock::now() }
    }

    /// Reports an answered last ping; false before the first one.
    fn has_answered(&self) -> bool {
        self.pinged > 0 && self.answered.load(Ordering::Acquire) == self.pinged
    }

    /// Pings again if the last ping was answered. Returns the age of the open ping; `None` if the arbiter has ended in good order,
    /// which leaves its last ping unanswered.
    fn check(&mut self) -> Option<Duration> {
        if self.answered.load(Ordering::Acquire) == self.pinged {
            self.pinged += 1;
            self.pinged_at = clock::now();
            let (answered, pinged) = (Arc::clone(&self.answered), self.pinged);
            self.pulse
                .ping(move || answered.store(pinged, Ordering::Release))
                .then(|| clock::since(self.pinged_at))
        } else {
            self.pulse.ping(|| ()).then(|| clock::since(self.pinged_at))
        }
    }
}

/// Checks all once: whether every last ping had been answered, and the name of the first blocked arbiter.
fn check_all(watched: &Mutex<Vec<Watched>>, limit: Duration) -> (bool, Option<String>) {
    let mut watched = lock(watched);
    (watched.iter().all(Watched::has_answered), blocked(&mut watched, limit))
}

/// Pings each arbiter, removes those that have ended, and returns the name of the first blocked one.
fn blocked(watched: &mut Vec<Watched>, limit: Duration) -> Option<String> {
    let mut named = None;
    watched.retain_mut(|one| {
        let waiting = one.check();
        if waiting.is_some_and(|waiting| waiting >= limit) && named.is_none() {
            named = Some(one.pulse.name().to_owned());
        }
        waiting.is_some()
    });
    named
}

/// Watches arbiters. Calls `end` with the name of the first arbiter that is blocked for `limit`; `end` is expected to end the
/// process with [`EXIT_BLOCKED`]. Sends a keep-alive only while every arbiter has answered its last ping and the rest is healthy.
///
/// # Errors
/// The operating system gives no thread.
pub fn start(
    pulses: Vec<Pulse>,
    limit: Duration,
    mut keep_alive: Option<KeepAlive>,
    end: impl FnOnce(&str) + Send + 'static,
) -> io::Result<Watchdog> {
    let watched = Arc::new(Mutex::new(pulses.into_iter().map(Watched::new).collect::<Vec<_>>()));
    let mine = Arc::clone(&watched);
    let tick = keep_alive.as_ref().map_or(limit / 10, |message| (message.every / 2).min(limit / 10));
    let mut sent = clock::now();
    let thread = thread::spawn("watchdog", move |stop| {
        while !stop.wait(tick) {
            let (answered, blocked) = check_all(&mine, limit);
            if let Some(name) = blocked {
                return end(&name);
            }
            if let Some(message) = &mut keep_alive
                && answered
                && (message.is_healthy)()
                && clock::since(sent) >= message.every
            {
                sent = clock::now();
                (message.send)();
            }
        }
    })?;
    Ok(Watchdog { watched, _thread: thread.stop_on_drop() })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::arbiter;

    /// Returns a keep-alive whose messages fill a queue of that length.
    fn beat(every: Duration, queue: usize) -> (Option<KeepAlive>, std::sync::mpsc::Receiver<()>) {
        let (sender, beats) = sync_channel(queue);
        let send = move || {
            let _ = sender.try_send(());
        };
        (Some(KeepAlive { every, send: Box::new(send), is_healthy: Box::new(|| true) }), beats)
    }

    #[test]
    fn it_beats_while_every_arbiter_answers_and_not_before_a_blocked_one_does() {
        let (release, released) = sync_channel::<()>(0);
        let (done, until_done) = tokio::sync::oneshot::channel::<()>();
        let healthy = arbiter::spawn("healthy", || async { drop(until_done.await) }).expect("a thread");
        let (every, limit) = (Duration::from_millis(10), Duration::from_secs(3600));
        let (tell, beats) = beat(every, 3);
        let watchdog = start(vec![healthy.pulse()], limit, tell, |_| {}).expect("a thread");
        for _ in 0..3 {
            beats.recv_timeout(Duration::from_secs(60)).expect("a beat");
        }
        drop(watchdog);
        let (entered, inside) = sync_channel(1);
        let blocked = arbiter::spawn("blocked", move || async move {
            let _ = entered.send(());
            let _ = released.recv();
        })
        .expect("a thread");
        inside.recv().expect("it is blocked now");
        let (tell, beats) = beat(every, 1);
        let (healthy_pulse, blocked_pulse) = (healthy.pulse(), blocked.pulse());
        let watchdog = start(vec![healthy_pulse, blocked_pulse], limit, tell, |_| {}).expect("a thread");
        assert!(beats.recv_timeout(20 * every).is_err(), "no beat while one is blocked");
        drop(release);
        blocked.join().expect("ends well");
        beats.recv_timeout(Duration::from_secs(60)).expect("a beat when it has ended in good order");
        drop((watchdog, done));
        healthy.join().expect("ends well");
    }

    #[test]
    fn no_beat_while_something_that_is_no_arbiter_is_not_well_and_one_at_once_when_it_is() {
        let well = Arc::new(AtomicU64::new(0));
        let every = Duration::from_millis(10);
        let (tell, beats) = beat(every, 1);
        let asked = Arc::clone(&well);
        let is_healthy = Box::new(move || asked.load(Ordering::Acquire) == 1);
        let tell = tell.map(|beat| KeepAlive { is_healthy, ..beat });
        let watchdog = start(Vec::new(), Duration::from_secs(3600), tell, |_| {}).expect("a thread");
        assert!(beats.recv_timeout(20 * every).is_err(), "no beat while it is not well");
        well.store(1, Ordering::Release);
        beats.recv_timeout(Duration::from_secs(60)).expect("a beat when it is");
        drop(watchdog);
    }

    #[test]
    fn a_blocked_arbiter_is_named_and_a_busy_one_is_not() {
        let (release, released) = sync_channel::<()>(0);
        let (done, until_done) = tokio::sync::oneshot::channel::<()>();
        let healthy = arbiter::spawn("healthy", || async { drop(until_done.await) }).expect("a thread");
        let blocked = arbiter::spawn("blocked", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        let (named, name) = sync_channel(1);
        let watchdog =
            start(vec![healthy.pulse(), blocked.pulse()], Duration::from_millis(200), None, move |name| {
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
        let ending = arbiter::spawn("ending", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        let mut watched = vec![Watched::new(ending.pulse())];
        assert_eq!(blocked(&mut watched, BLOCKED_AFTER), None, "it was asked just now");
        drop(release);
        ending.join().expect("ends well");
        // Even with an open ping.
        assert_eq!(blocked(&mut watched, Duration::ZERO), None);
        assert!(watched.is_empty());

        let (named, name) = sync_channel(1);
        let watchdog = start(Vec::new(), Duration::from_millis(200), None, move |name| {
            named.send(name.to_owned()).expect("the test waits");
        })
        .expect("a thread");
        let (release, released) = sync_channel::<()>(0);
        let late = arbiter::spawn("late", move || async move {
            let _ = released.recv();
        })
        .expect("a thread");
        watchdog.watch(vec![late.pulse()]);
        assert_eq!(name.recv().as_deref(), Ok("late"));
        drop((watchdog, release));
        late.join().expect("ends well");
    }
}
