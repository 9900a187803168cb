//! Backups: copies of the punch log and of the registry, taken while the gateway runs, with a signed manifest of every file's digest; and
//! their restoration, checked before the data are used. No key is in a backup: it can be read with the gateway's keys alone, and a day whose
//! key was destroyed is forgotten in it, too.

mod manifest;
mod restore;

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use manifest::{BackupFile, Manifest};
pub use restore::{Restored, restore, verify};

use keys::Keys;
use ledger::{self, LedgerError};
use registry::{Registry, RegistryError};

const REGISTRY: &str = "registry.db";
const LEDGER: &str = "ledger";

/// An error of taking or restoring a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A directory that is not empty.
    #[error("{path} is not empty; name a directory that is not there yet")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A manifest that cannot be trusted.
    #[error("{path}: {what}")]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// The fault.
        what: &'static str,
    },
    /// Files that have changed since the backup was made.
    #[error("the backup is not as it was made, take another one: {}", .0.join("; "))]
    Altered(Vec<String>),
    /// Restored data that are not what the manifest says.
    #[error("what was restored is not what the manifest says: {0}")]
    Different(&'static str),
    /// An error of the punch log.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An error of the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An error of the operating system.
    #[error("{doing} {path}")]
    Io {
        /// The action.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

/// The order to take a backup.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// The operators' names.
    pub operators: &'a str,
    /// The case.
    pub case: &'a str,
    /// The time of the order, seconds since 1970 UTC.
    pub now_s: u64,
}

/// Takes a backup into a directory that does not exist yet or is empty. The manifest is written last: a directory without one is no backup.
/// `registry` may be a reader beside the writer.
///
/// # Errors
/// Damage in the punch log, or an error of the operating system; what was written so far stays.
pub fn take(
    ledger: &Path,
    registry: &Registry,
    keys: &Keys,
    to: &Path,
    by: &Ordered<'_>,
) -> Result<Manifest, BackupError> {
    make_empty(to)?;
    let lsn = ledger::copy(ledger, &to.join(LEDGER))?;
    registry.copy_to(&to.join(REGISTRY))?;
    // Read from the copy: the registry has gone on since.
    let copy = Registry::open_to_read(&to.join(REGISTRY), keys)?;
    let (head, gateway) = (copy.tree_head()?, copy.gateway()?);
    let manifest = Manifest {
        version: manifest::VERSION,
        made_s: by.now_s,
        gateway,
        operators: by.operators.to_owned(),
        case: by.case.trim().to_owned(),
        lsn,
        decisions: head.decisions,
        root: head.root,
        files: manifest::files(to)?,
    };
    manifest.write(to, keys.signing_pkcs8())?;
    Ok(manifest)
}

/// Makes a directory that its owner alone can read; an existing one has to be empty.
fn make_empty(path: &Path) -> Result<(), BackupError> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => empty(path),
        Err(error) => Err(io("making", path)(error)),
    }
}

fn empty(path: &Path) -> Result<(), BackupError> {
    let mut entries = std::fs::read_dir(path).map_err(io("listing", path))?;
    if entries.next().is_some() {
        return Err(BackupError::NotEmpty { path: path.to_owned() });
    }
    Ok(())
}

fn sync_directory(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io("syncing", path))
}
