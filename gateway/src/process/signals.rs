//! The signals that a process of the gateway listens to, and the terminal at which it was started.

use std::io::IsTerminal;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that tell the process to end, or to read its files again.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hangup: Signal,
    /// True if it was started at a terminal, wherever its output goes.
    attended: bool,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (hangup, attended) = (signal(SignalKind::hangup())?, at_terminal());
        Ok(Self { terminate, interrupt, hangup, attended })
    }

    /// Reports whether the terminal at which the process was started is closed. SIGHUP means that, too, and then the process has to end.
    pub(super) fn terminal_is_gone(&self) -> bool {
        self.attended && !at_terminal()
    }
}

fn at_terminal() -> bool {
    std::io::stderr().is_terminal() || std::io::stdin().is_terminal()
}
