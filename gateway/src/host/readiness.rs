//! The stage of the process's life, as `/ready`, the service manager and the overview tell it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use protocol::metric;
use runtime::watchdog::KeepAlive;

use super::service::Notify;

/// The stage of the process's life. The service manager hears of every change.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    stage: Arc<AtomicU8>,
    notify: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Codes are being loaded: colours are unknown.
    Loading = 0,
    Ready = 1,
    Draining = 2,
    /// The log failed; the process is about to end.
    Failed = 3,
    /// Codes cannot be loaded: colours stay unknown.
    Unloaded = 4,
}

impl Readiness {
    pub(crate) fn new(notify: Notify) -> Self {
        Self { stage: Arc::default(), notify }
    }

    pub(crate) fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
        metrics::gauge!(metric::READY).set(f64::from(u8::from(stage == Stage::Ready)));
        let status = self.text().trim();
        match stage {
            Stage::Loading | Stage::Unloaded => self.notify.status(status),
            Stage::Ready => self.notify.ready(status),
            Stage::Draining | Stage::Failed => self.notify.stopping(status),
        }
    }

    /// Notes that the codes are loaded. Returns whether the process is ready now: one that is draining never becomes ready again.
    pub(crate) fn loaded(&self) -> bool {
        let is_it = self.leave_loading(Stage::Ready);
        if is_it {
            metrics::gauge!(metric::READY).set(1.0);
            self.notify.ready(self.text().trim());
        }
        is_it
    }

    /// Notes that the codes cannot be loaded.
    pub(crate) fn unloaded(&self) {
        if self.leave_loading(Stage::Unloaded) {
            self.notify.status(self.text().trim());
        }
    }

    fn leave_loading(&self, to: Stage) -> bool {
        let (loading, to) = (Stage::Loading as u8, to as u8);
        self.stage.compare_exchange(loading, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Tells the service manager that the configuration is taken anew, until the value is dropped. Who is not ready says nothing.
    pub(crate) fn reloading(&self) -> Reloading<'_> {
        if self.is_ready() {
            self.notify.reloading("taking the configuration anew");
        }
        Reloading(self)
    }

    /// Returns the message that the service manager's watchdog waits for.
    pub(crate) fn beat(&self) -> Option<KeepAlive> {
        self.notify.beat()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage.load(Ordering::Acquire) == Stage::Ready as u8
    }

    /// The stage, for people and for `/ready`.
    pub(crate) fn text(&self) -> &'static str {
        match self.stage.load(Ordering::Acquire) {
            0 => "loading codes\n",
            1 => "ready\n",
            2 => "draining\n",
            3 => "punch log failed\n",
            _ => "codes cannot be loaded\n",
        }
    }
}

/// The configuration is being taken anew.
pub(crate) struct Reloading<'a>(&'a Readiness);

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        if self.0.is_ready() {
            self.0.notify.ready(self.0.text().trim());
        }
    }
}
