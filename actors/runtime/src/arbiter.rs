//! Threads that run actors: one arbiter each, with a current-thread runtime. A punch stays on one thread between its socket and
//! the ledger.

use std::future::Future;

use actix_rt::ArbiterHandle;

use crate::thread::{self, Thread};

/// A running thread with an arbiter.
pub struct ArbiterThread {
    name: String,
    thread: Thread<()>,
    arbiter: ArbiterHandle,
}

impl ArbiterThread {
    /// Waits until the thread's future has ended.
    ///
    /// # Errors
    /// The thread panicked; the text has its name.
    pub fn join(self) -> Result<(), String> {
        self.thread.join().map_err(|panicked| panicked.to_string())
    }

    /// Reports whether the thread's future has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Returns the handle that the watchdog pings.
    pub fn pulse(&self) -> Pulse {
        Pulse { name: self.name.clone(), arbiter: self.arbiter.clone() }
    }
}

/// A handle that pings an arbiter.
pub struct Pulse {
    name: String,
    arbiter: ArbiterHandle,
}

impl Pulse {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Queues `f` on the arbiter; false if the arbiter has ended.
    pub(crate) fn ping(&self, f: impl FnOnce() + Send + 'static) -> bool {
        self.arbiter.spawn_fn(f)
    }
}

/// Starts a thread with an arbiter, which makes a future and runs it to its end. The future need not be `Send`.
///
/// # Errors
/// The operating system gives no thread.
pub fn spawn<F>(name: &str, make: impl FnOnce() -> F + Send + 'static) -> std::io::Result<ArbiterThread>
where
    F: Future<Output = ()> + 'static,
{
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let thread = thread::spawn(name, move |_| {
        let system = actix_rt::System::new();
        let arbiter = system.block_on(async { actix_rt::System::current().arbiter().clone() });
        if sender.send(arbiter).is_ok() {
            system.block_on(async { make().await });
        }
    })?;
    let arbiter = receiver.recv().map_err(|_| std::io::Error::other("no runtime for the thread"))?;
    Ok(ArbiterThread { name: name.to_owned(), thread, arbiter })
}
