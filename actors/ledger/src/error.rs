//! Errors of opening and reading the punch log, with what to do.

use std::io;

/// An error of opening or reading the log.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A call to the operating system failed.
    #[error("punch log: {action} {name}: {error}")]
    Io {
        /// The attempted operation.
        action: &'static str,
        /// The file.
        name: String,
        /// The operating system's error.
        error: io::Error,
    },
    /// Damage that no power cut can cause. Nothing was changed.
    #[error("punch log is damaged: {name}: {what}{}; {}", after(*lsn), advice(what, *is_newest))]
    Corrupt {
        /// The damaged file.
        name: String,
        /// The damage.
        what: &'static str,
        /// The last sound batch before the damage; 0 if none is known.
        lsn: u64,
        /// True for a file that a start reads: the newest segment or the one before.
        is_newest: bool,
    },
    /// The file was written by a newer version of the gateway.
    #[error("punch log: {name} was written by a newer version; start that version")]
    Newer {
        /// The segment's file.
        name: String,
    },
    /// A key is missing or unusable.
    #[error("punch log: {0}")]
    Key(String),
}

/// The damage of a missing segment.
pub(crate) const MISSING: &str = "it is missing";

fn after(lsn: u64) -> String {
    if lsn == 0 { String::new() } else { format!(" after LSN {lsn}") }
}

/// Returns the action to take about damage.
fn advice(what: &str, is_newest: bool) -> &'static str {
    match (what, is_newest) {
        (MISSING, _) => "put it back from a backup: the gateway does not start without it",
        (_, true) => {
            "the gateway does not start with it, and no copy holds its end: keep the directory as it is, and restore the newest \
             backup into another directory"
        }
        (_, false) => {
            "put it back from a backup that was made after it was closed; the gateway can start meanwhile"
        }
    }
}

impl LedgerError {
    /// Marks damage as being in a file that a start reads.
    pub(crate) fn at_start(self) -> Self {
        match self {
            Self::Corrupt { name, what, lsn, .. } => Self::Corrupt { name, what, lsn, is_newest: true },
            other @ (Self::Io { .. } | Self::Newer { .. } | Self::Key(_)) => other,
        }
    }

    pub(crate) fn io(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |error| Self::Io { action, name, error }
    }

    /// Reports a full disk, on which the operation can be retried.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if is_full(error))
    }
}

/// Reports a full disk or quota, on which the operation can be retried.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
