//! Threads for actors and their loops: started with an arbiter, asked to end, joined. The caller gets a value that was made on the
//! thread, which is how a handle of an actor reaches those who send to it. `arbiter` has the thread itself.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::arbiter::{self, ArbiterThread, Pulse};

/// A running thread with its arbiter. Dropping it asks the thread to end, and does not wait.
pub struct HostedThread {
    front: ArbiterThread,
    stop: oneshot::Sender<()>,
}

impl HostedThread {
    /// Returns the handle that the watchdog pings.
    pub fn pulse(&self) -> Pulse {
        self.front.pulse()
    }

    /// Asks the thread to end; the caller joins it.
    pub fn ask_to_end(self) -> ArbiterThread {
        drop(self.stop);
        self.front
    }

    /// Asks the thread to end and waits for it.
    ///
    /// # Errors
    /// Names the thread if it panicked.
    pub fn stop(self) -> Result<(), String> {
        self.ask_to_end().join()
    }
}

/// A future on a hosted thread that resolves when the thread is asked to end.
pub struct Stop(oneshot::Receiver<()>);

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

/// Starts a thread with an arbiter and calls `make` there. The value that `make` returns goes to the caller, its future runs on the
/// thread; the thread ends with that future, which therefore has to await the [`Stop`] that it is given.
///
/// # Errors
/// The operating system gives no thread, or `make` panics.
pub fn host<T, F>(
    name: &str,
    make: impl FnOnce(Stop) -> (T, F) + Send + 'static,
) -> io::Result<(T, HostedThread)>
where
    T: Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let (stop, stopped) = oneshot::channel();
    let (sender, made) = sync_channel(1);
    let front = arbiter::spawn(name, move || async move {
        let (value, run) = make(Stop(stopped));
        if sender.send(value).is_ok() {
            run.await;
        }
    })?;
    let value =
        made.recv().map_err(|_| io::Error::other(format!("the thread {name} panicked at its start")))?;
    Ok((value, HostedThread { front, stop }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_made_on_the_thread_reaches_the_caller_and_the_thread_ends_when_asked() {
        let (name, thread) =
            host("hosted", |stop| (std::thread::current().name().map(str::to_owned), stop)).unwrap();
        assert_eq!(name.as_deref(), Some("hosted"));
        assert!(!thread.front.is_finished());
        thread.stop().unwrap();
    }

    #[test]
    fn a_thread_that_panics_is_named() {
        assert!(host::<(), Stop>("at-its-start", |_| panic!("told to")).is_err());
        let later = async |stop: Stop| {
            stop.await;
            assert!(std::thread::current().name().is_none(), "told to");
        };
        let ((), thread) = host("later", move |stop| ((), later(stop))).unwrap();
        assert_eq!(thread.stop(), Err("the thread later panicked".to_owned()));
    }
}
