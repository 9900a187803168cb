//! Ends the process when an arbiter is blocked: a thread that never returns to its queue answers nobody, and only a restart
//! helps. The devices keep what was not acknowledged. While all of them answer, somebody outside may hear a beat.

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

/// Somebody outside who waits to hear that every arbiter answers.
pub struct Beat {
    /// The interval at which it is said; it comes later by up to half of this.
    pub every: Duration,
    /// Says it. It must not block.
    pub tell: Box<dyn FnMut() + Send>,
    /// True if what is no arbiter does its work, too: it is not said otherwise. It must not block.
    pub is_well: Box<dyn Fn() -> bool + Send>,
}

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

    /// Says whether the last question was answered; at first there was none.
    fn has_answered(&self) -> bool {
        self.asked > 0 && self.heard.load(Ordering::Acquire) == self.asked
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

/// Says whether all had answered, and the name of the first that is blocked.
fn look(watched: &Mutex<Vec<Watched>>, limit: Duration) -> (bool, Option<String>) {
    let mut watched = lock(watched);
    (watched.iter().all(Watched::has_answered), blocked(&mut watched, limit))
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
/// process with [`EXIT_BLOCKED`]. `beat` is told only when every arbiter has answered the last question and the rest is well.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(
    pulses: Vec<Pulse>,
    limit: Duration,
    mut beat: Option<Beat>,
    end: impl FnOnce(&str) + Send + 'static,
) -> std::io::Result<Watchdog> {
    let (stop, stopped) = sync_channel::<()>(0);
    let watched = Arc::new(Mutex::new(pulses.into_iter().map(Watched::new).collect::<Vec<_>>()));
    let mine = Arc::clone(&watched);
    let tick = beat.as_ref().map_or(limit / 10, |beat| (beat.every / 2).min(limit / 10));
    let mut told = clock::now();
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            let (answered, blocked) = look(&mine, limit);
            if let Some(name) = blocked {
                return end(&name);
            }
            if let Some(beat) = &mut beat
                && answered
                && (beat.is_well)()
                && clock::since(told) >= beat.every
            {
                told = clock::now();
                (beat.tell)();
            }
        }
    })?;
    Ok(Watchdog { stop: Some(stop), thread: Some(thread), watched })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::front;

    /// A beat that fills a queue of that length.
    fn beat(every: Duration, queue: usize) -> (Option<Beat>, std::sync::mpsc::Receiver<()>) {
        let (told, beats) = sync_channel(queue);
        let tell = move || {
            let _ = told.try_send(());
        };
        (Some(Beat { every, tell: Box::new(tell), is_well: Box::new(|| true) }), beats)
    }

    #[test]
    fn it_beats_while_every_arbiter_answers_and_not_before_a_blocked_one_does() {
        let (release, released) = sync_channel::<()>(0);
        let (done, until_done) = tokio::sync::oneshot::channel::<()>();
        let healthy = front::spawn("healthy", || async { drop(until_done.await) }).expect("a thread");
        let (every, limit) = (Duration::from_millis(10), Duration::from_secs(3600));
        let (tell, beats) = beat(every, 3);
        let watchdog = start(vec![healthy.pulse()], limit, tell, |_| {}).expect("a thread");
        for _ in 0..3 {
            beats.recv_timeout(Duration::from_secs(60)).expect("a beat");
        }
        drop(watchdog);
        let (entered, inside) = sync_channel(1);
        let blocked = front::spawn("blocked", move || async move {
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
        let is_well = Box::new(move || asked.load(Ordering::Acquire) == 1);
        let tell = tell.map(|beat| Beat { is_well, ..beat });
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
        let healthy = front::spawn("healthy", || async { drop(until_done.await) }).expect("a thread");
        let blocked = front::spawn("blocked", move || async move {
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
        let watchdog = start(Vec::new(), Duration::from_millis(200), None, move |name| {
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
