//! Backups: a copy of the punch log and of the registry, taken while the gateway runs, with a signed manifest of every file's digest;
//! and how one is taken back, checked before anything rests on it. No key is ever in a backup: it opens with the keys of the gateway
//! alone, and a day whose key was destroyed is forgotten in it, too.

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

/// Why a backup cannot be taken, or not be taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{path} is not empty; name a directory that is not there yet")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Its manifest cannot be believed.
    #[error("{path}: {what}")]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// The fault.
        what: &'static str,
    },
    /// Files are not as they were when the backup was made.
    #[error("the backup is not as it was made, take another one: {}", .0.join("; "))]
    Altered(Vec<String>),
    /// Restored data are not what the manifest says.
    #[error("what was restored is not what the manifest says: {0}")]
    Different(&'static str),
    /// The punch log's word.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The registry's word.
    #[error(transparent)]
    Registry(#[from] RegistryError),
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
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

/// Those who ordered it, and why.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// The operators' names.
    pub operators: &'a str,
    /// The case.
    pub case: &'a str,
    /// When, seconds since 1970 UTC.
    pub now_s: u64,
}

/// Takes a backup to a directory that is not there yet, or empty. The manifest is written last: a directory without one is not a backup.
/// `registry` may be a reader beside the writer.
///
/// # Errors
/// Damage in the punch log, or the operating system's word; what was written so far stays.
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
    // The copy is asked, not the registry, which has gone on.
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

/// Makes a directory for its owner alone; one that is there is empty.
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
