//! The errors of the registry. Their texts name the next step; SQLite's own words go to the log only.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};

use crate::not_now::NotNow;

/// Errors of the registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file was written by a later release.
    #[error(
        "{path} has version {found}, and this release reads up to {known}: use the release that wrote it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this release reads.
        known: u32,
    },
    /// The file was written by an earlier release and was opened to be read only.
    #[error(
        "{path} has version {found}, and this release reads {known}: start the gateway once, which updates the file"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this release reads.
        known: u32,
    },
    /// The file is a database of something else.
    #[error("{path} is not a registry")]
    NotARegistry {
        /// The file.
        path: PathBuf,
    },
    /// A key is not the one that the registry was made with.
    #[error(
        "{file} is not the key that this registry was made with: restore that key from the safe, or name the directory of its keys with \
         --keys (`keys` in the configuration)"
    )]
    WrongKey {
        /// The key's file name.
        file: String,
    },
    /// A key that is in use is missing.
    #[error(
        "{file} is missing, the registry knows it, and no `keys rotate` removed it: restore it from the safe, or name the \
         directory of its keys with --keys (`keys` in the configuration)"
    )]
    KeyGone {
        /// The key's file name.
        file: String,
    },
    /// Another process holds the data directory.
    #[error("{path} is in use by {by}: wait until that process has ended, or stop it")]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process's number, if it is known.
        by: String,
    },
    /// Something that must be unique exists already.
    #[error("{what} exists already")]
    Exists {
        /// The kind of thing: a device, a person.
        what: &'static str,
    },
    /// Something that was named does not exist.
    #[error("there is no {what}")]
    Missing {
        /// The kind of thing with its number: a device, a region, a place.
        what: String,
    },
    /// A decision differs from what was signed.
    #[error("decision {number}: {what}")]
    Audit {
        /// The first decision that fails.
        number: i64,
        /// The fault.
        what: &'static str,
    },
    /// An entry of the order log differs from what was signed.
    #[error("entry {number} of the order log: {what}")]
    Orders {
        /// The first entry that fails.
        number: u64,
        /// The fault.
        what: &'static str,
    },
    /// A consent has an impossible state.
    #[error("consent {number}: {what}")]
    Consent {
        /// The first consent that fails.
        number: i64,
        /// The fault.
        what: &'static str,
    },
    /// A row holds a value that the gateway never writes.
    #[error("the registry holds an invalid {what}")]
    Damaged {
        /// The kind of row.
        what: &'static str,
    },
    /// The fleet takes no change here now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// Changes of the fleet that do not follow on what this registry has.
    #[error(
        "the registry is at position {position} of the fleet's stream, and the changes follow on another one"
    )]
    OutOfStep {
        /// The position of this registry.
        position: u64,
    },
    /// Changes that follow on another message than this registry has at its position.
    #[error(
        "the fleet's stream does not continue what this registry has at position {position}: the broker has lost its newest messages, and \
         others have come in their place. Order `changtong fleet join` here, which keeps a copy of this registry, as it may have changes that no \
         other gateway has"
    )]
    OtherStream {
        /// The position of this registry.
        position: u64,
    },
    /// Changes of another release.
    #[error(
        "the fleet's leader writes version {found} of the registry, and this release version {known}: run the same release on all \
         gateways of the fleet"
    )]
    OtherRelease {
        /// The leader's version.
        found: u32,
        /// The version of this release.
        known: u32,
    },
    /// A registry with people or operators of its own, which joining a fleet would replace.
    #[error(
        "this gateway has a registry of its own, which joining the fleet would replace: name an empty `data` directory, or take the section \
         [fleet] out of the configuration"
    )]
    NotEmpty,
    /// SQLite ended the transaction by itself; nothing of it was written.
    #[error("SQLite rolled back a transaction of the registry; is the disk full?")]
    GroupLost,
    /// An operation on a file failed.
    #[error("{doing} {path}")]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("{}", meant(.0))]
    Store(#[from] rusqlite::Error),
}

impl RegistryError {
    /// Builds [`Self::Missing`] from a kind of thing and its number or name.
    pub fn missing(what: &str, named: impl Display) -> Self {
        Self::Missing { what: format!("{what} {named}") }
    }

    /// Builds the error of a full disk.
    pub fn full() -> Self {
        Self::Store(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None))
    }

    /// Returns whether the disk is full; the operation can be repeated when there is room.
    pub fn is_full(&self) -> bool {
        if let Self::Store(error) = self {
            return is_disk_full(error);
        }
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
    }

    /// Returns whether this is a text of [`Self::Store`], whose source describes the store's insides and belongs in the log only.
    pub fn is_of_the_store(words: &str) -> bool {
        OF_THE_STORE.contains(&words)
    }
}

/// The texts for the caller, by the kind of SQLite's failure, with the next step.
const OF_THE_STORE: [&str; 6] = [
    "the registry's store failed, and nothing was changed: see the gateway's log for the error",
    "the registry's disk is full: free some space and repeat the request",
    "another process has locked the registry: repeat the request in a moment",
    "the registry is damaged: do not change the file; `changtong doctor` names the next step",
    "the registry's file cannot be read or written: check its disk and its owner",
    "the registry refused the change: something it names does not exist, or exists already; nothing was changed",
];

/// Returns whether SQLite had no room, also for the memory that its connections share, which is a file.
fn is_disk_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE))
}

fn meant(error: &rusqlite::Error) -> &'static str {
    OF_THE_STORE[match error.sqlite_error_code() {
        _ if is_disk_full(error) => 1,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => 2,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => 3,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => 4,
        Some(ErrorCode::ConstraintViolation) => 5,
        Some(_) | None => 0,
    }]
}
