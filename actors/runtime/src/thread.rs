//! Named threads with a stop request: spawned here, stopped and joined by their owner. Threads that run actors are in `arbiter`.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::lock::lock;

/// The panic of a joined thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// The thread's name.
    pub thread: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the thread {} panicked", self.thread)
    }
}

impl std::error::Error for Panicked {}

/// The stop request of one thread, as that thread sees it.
#[derive(Clone, Default)]
pub struct StopToken(Arc<(Mutex<bool>, Condvar)>);

impl StopToken {
    /// Reports a requested stop.
    pub fn is_stop_requested(&self) -> bool {
        *lock(&self.0.0)
    }

    /// Waits for `timeout`, or until a stop is requested; true if it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let (requested, changed) = &*self.0;
        let waited = changed.wait_timeout_while(lock(requested), timeout, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn request(&self) {
        let (requested, changed) = &*self.0;
        *lock(requested) = true;
        changed.notify_all();
    }
}

/// A running thread. Dropping this detaches the thread and requests no stop.
pub struct Thread<T> {
    name: String,
    stop: StopToken,
    handle: JoinHandle<T>,
}

/// Starts a thread; `work` gets the stop request that [`Thread::request_stop`] makes.
///
/// # Errors
/// The operating system gives no thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(&StopToken) -> T + Send + 'static,
) -> io::Result<Thread<T>> {
    let stop = StopToken::default();
    let requested = stop.clone();
    let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&requested))?;
    Ok(Thread { name: name.to_owned(), stop, handle })
}

impl<T> Thread<T> {
    /// Asks the thread to stop; does not wait.
    fn request_stop(&self) {
        self.stop.request();
    }

    /// Reports a thread that has returned or panicked.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the thread's result. Requests no stop.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn join(self) -> Result<T, Panicked> {
        self.handle.join().map_err(|_| Panicked { thread: self.name })
    }

    /// Asks the thread to stop and waits for its result.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn stop(self) -> Result<T, Panicked> {
        self.request_stop();
        self.join()
    }
}

impl Thread<()> {
    /// Binds the thread to the returned value, whose drop stops and joins it.
    pub fn stop_on_drop(self) -> StopOnDrop {
        StopOnDrop(Some(self))
    }
}

/// Stops and joins its thread when dropped; logs a panic of the thread as an error.
pub struct StopOnDrop(Option<Thread<()>>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(Err(Panicked { thread })) = self.0.take().map(Thread::stop) {
            tracing::error!(thread, "a thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_stop_request_ends_a_wait_and_a_join_requests_none() {
        let waiting = spawn("waiting", |stop| stop.wait(LONG)).expect("a thread");
        assert_eq!(waiting.stop(), Ok(true));
        let (release, released) = sync_channel::<()>(0);
        let asked = spawn("asked", move |stop| {
            let _ = released.recv();
            stop.wait(Duration::ZERO)
        })
        .expect("a thread");
        assert!(!asked.is_finished());
        drop(release);
        assert_eq!(asked.join(), Ok(false));
    }

    #[test]
    fn a_drop_stops_and_joins_a_bound_thread_and_detaches_another() {
        let (sender, receiver) = sync_channel(1);
        let bound = spawn("bound", move |stop| sender.send(stop.wait(LONG)).expect("the test waits"));
        drop(bound.expect("a thread").stop_on_drop());
        assert_eq!(receiver.try_recv(), Ok(true), "it was joined");

        let (sender, receiver) = sync_channel(1);
        let (release, released) = sync_channel::<()>(0);
        let detached = spawn("detached", move |stop| {
            let _ = released.recv();
            sender.send(stop.is_stop_requested()).expect("the test waits");
        });
        drop(detached.expect("a thread"));
        drop(release);
        assert_eq!(receiver.recv(), Ok(false));
    }

    #[test]
    fn a_panic_is_reported_with_the_threads_name() {
        let panicking = spawn("panicking", |_| -> () { panic!("told to panic") }).expect("a thread");
        assert_eq!(panicking.join().expect_err("it panicked").to_string(), "the thread panicking panicked");
    }
}
