//! SIGHUP: the same reload, on its own thread, so that the thread that waits for signals can receive the next one. It needs no
//! signature: a user who can send the process a signal can also end it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use protocol::metric;
use runtime::thread::{self, Thread};

use super::{Reload, join};

/// Reloads when a signal comes; ends with [`AtSignal::end`].
pub(crate) struct AtSignal {
    order: SyncSender<()>,
    thread: Thread<()>,
}

impl AtSignal {
    pub(crate) fn start(reload: Arc<Reload>) -> std::io::Result<Self> {
        Self::calling(move || {
            tracing::info!("reloading at a signal");
            // How it went is logged and counted there.
            let _ = reload.again(None);
        })
    }

    /// A panic ends one reload and not the next.
    fn calling(reload: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (order, ordered) = sync_channel::<()>(1);
        let thread = thread::spawn("reload", move |_| {
            while ordered.recv() == Ok(()) {
                if catch_unwind(AssertUnwindSafe(&reload)).is_err() {
                    tracing::error!("a reload panicked; what it had not put in effect is as it was");
                    metrics::gauge!(metric::RELOAD_FAILED).set(1.0);
                }
            }
        })?;
        Ok(Self { order, thread })
    }

    /// Reloads once more after what is under way. One that waits already reads the newest files as well.
    pub(crate) fn soon(&self) {
        if let Err(TrySendError::Disconnected(())) = self.order.try_send(()) {
            tracing::error!("a signal to reload is not heard any more: restart the gateway");
        }
    }

    /// Lets a reload under way come to its end.
    pub(crate) fn end(self) {
        drop(self.order);
        join(self.thread);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_in_one_reload_does_not_silence_the_next_signal() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (begun, begins) = sync_channel(2);
        let counted = Arc::clone(&calls);
        let at_signal = AtSignal::calling(move || {
            begun.send(()).expect("the test hears it");
            assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first one panics");
        })
        .unwrap();
        at_signal.soon();
        begins.recv().unwrap();
        at_signal.soon();
        at_signal.end();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
