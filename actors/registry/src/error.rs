//! Why the registry does not do what it is asked: in words that say what to do next, and never in those of the store under it.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the registry cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Written by a later release.
    #[error("{path} is of version {found}, this release knows up to {known}: use the release that wrote it")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this release reads.
        known: u32,
    },
    /// Written by an earlier release, and only to be read.
    #[error(
        "{path} is of version {found}, this release reads {known}: start the gateway once, which brings it there"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The one that this release reads.
        known: u32,
    },
    /// A database of something else.
    #[error("{path} is not a registry")]
    NotARegistry {
        /// The file.
        path: PathBuf,
    },
    /// Made with another key.
    #[error(
        "{file} is not the key that this registry knows: restore that one from the safe, or name the directory of its keys with \
         --keys (`keys` in the configuration)"
    )]
    WrongKey {
        /// The file's name in the directory of the keys.
        file: String,
    },
    /// A key that is in use is gone.
    #[error(
        "{file} is gone, which this registry knows, and no `keys rotate` explains it: restore it from the safe, or name the \
         directory of its keys with --keys (`keys` in the configuration)"
    )]
    KeyGone {
        /// The file's name in the directory of the keys.
        file: String,
    },
    /// Another gateway or command works on it.
    #[error("{path} is in use by {by}: wait until it has ended, or end it")]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// By its number, if that is known.
        by: String,
    },
    /// Something that has to be unique is there already.
    #[error("{what} exists already")]
    Exists {
        /// A device, a person.
        what: &'static str,
    },
    /// Something that was named is not there.
    #[error("there is no {what}")]
    Missing {
        /// A device, a region, a place, with its number.
        what: String,
    },
    /// The decisions are not as they were signed.
    #[error("decision {number}: {what}")]
    Audit {
        /// The first that is not.
        number: i64,
        /// The fault.
        what: &'static str,
    },
    /// The orders are not as they were accepted.
    #[error("entry {number} of the order log: {what}")]
    Orders {
        /// The first that is not.
        number: u64,
        /// The fault.
        what: &'static str,
    },
    /// The consents are not as they have to be.
    #[error("consent {number}: {what}")]
    Consent {
        /// The first that is not.
        number: i64,
        /// The fault.
        what: &'static str,
    },
    /// A row that this program cannot have written.
    #[error("the registry holds an invalid {what}")]
    Damaged {
        /// Which kind of row.
        what: &'static str,
    },
    /// The store ended the transaction by itself; nothing of it has happened.
    #[error("the registry's store gave up a transaction; is its disk full?")]
    GroupLost,
    /// The operating system says no.
    #[error("{doing} {path}")]
    Io {
        /// The attempt.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The store says no.
    #[error("{}", meant(.0))]
    Store(#[from] rusqlite::Error),
}

impl RegistryError {
    /// Says that what was named by its number, or by its name, is not there.
    pub fn missing(what: &str, named: impl Display) -> Self {
        Self::Missing { what: format!("{what} {named}") }
    }

    /// Says whether its disk has no room, which may change.
    pub fn is_full(&self) -> bool {
        if let Self::Store(error) = self {
            return error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        }
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
    }

    /// Says whether these are the words of [`Self::Store`]: what lies under it speaks of the store's insides, and is for the log.
    pub fn is_of_the_store(words: &str) -> bool {
        OF_THE_STORE.contains(&words)
    }
}

/// The meaning of the store's failures for whoever asked, and what they do next.
const OF_THE_STORE: [&str; 6] = [
    "the registry's store failed, and nothing has happened: the log has its words",
    "the registry's disk is full: make room, and do it again",
    "the registry is held by another process: do it again in a moment",
    "the registry is damaged: keep it as it is; `changtong doctor` says what to do",
    "the registry's file cannot be read or written: look at its disk and its owner",
    "the registry does not take it: what it names is not there, or is there already; nothing has happened",
];

fn meant(error: &rusqlite::Error) -> &'static str {
    OF_THE_STORE[match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => 1,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => 2,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => 3,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => 4,
        Some(ErrorCode::ConstraintViolation) => 5,
        Some(_) | None => 0,
    }]
}
