//! Threads that hold actors: one arbiter each, a current-thread runtime. Nothing on a punch's way changes thread between its
//! socket and the ledger.

use std::future::Future;
use std::thread::JoinHandle;

use actix_rt::ArbiterHandle;

/// A running front.
pub struct FrontHandle {
    name: String,
    thread: JoinHandle<()>,
    arbiter: ArbiterHandle,
}

impl FrontHandle {
    /// Waits for the front's future to end. An error says that it panicked.
    pub fn join(self) -> Result<(), String> {
        self.thread.join().map_err(|_| format!("the thread {} panicked", self.name))
    }

    /// Says whether the front's future has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The handle that the watchdog pings.
    pub fn pulse(&self) -> Pulse {
        Pulse { name: self.name.clone(), arbiter: self.arbiter.clone() }
    }
}

/// A way to ask an arbiter whether it still runs anything.
pub struct Pulse {
    name: String,
    arbiter: ArbiterHandle,
}

impl Pulse {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Has the arbiter run `f`; false if it has ended.
    pub(crate) fn ask(&self, f: impl FnOnce() + Send + 'static) -> bool {
        self.arbiter.spawn_fn(f)
    }
}

/// Starts a thread with an arbiter, makes a future there and runs it to its end. The future need not be `Send`.
///
/// # Errors
/// When the operating system gives no thread.
pub fn spawn<F>(name: &str, make: impl FnOnce() -> F + Send + 'static) -> std::io::Result<FrontHandle>
where
    F: Future<Output = ()> + 'static,
{
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let system = actix_rt::System::new();
        let arbiter = system.block_on(async { actix_rt::System::current().arbiter().clone() });
        if sender.send(arbiter).is_ok() {
            system.block_on(async { make().await });
        }
    })?;
    let arbiter = receiver.recv().map_err(|_| std::io::Error::other("no runtime for the thread"))?;
    Ok(FrontHandle { name: name.to_owned(), thread, arbiter })
}
