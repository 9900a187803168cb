//! SIGHUP: the same reload, on a thread of its own, so that the one that waits for signals goes on to hear them. Nobody signs it: who
//! can send the process a signal can end it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Reload, join};

/// Reloads when a signal comes; ends with [`AtSignal::end`].
pub(crate) struct AtSignal {
    order: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl AtSignal {
    pub(crate) fn start(reload: Arc<Reload>) -> std::io::Result<Self> {
        let (order, ordered) = sync_channel::<()>(1);
        let work = move || {
            while ordered.recv() == Ok(()) {
                tracing::info!("reloading at a signal");
                // How it went is logged and counted there.
                let _ = reload.again(None);
            }
        };
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(work)?;
        Ok(Self { order, thread })
    }

    /// Reloads once more after what is under way. One that waits already reads the newest files as well.
    pub(crate) fn soon(&self) {
        let _ = self.order.try_send(());
    }

    /// Lets a reload under way come to its end.
    pub(crate) fn end(self) {
        drop(self.order);
        join(self.thread);
    }
}
