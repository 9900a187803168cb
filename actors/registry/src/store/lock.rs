//! The lock of a data directory: one process works on it at a time. The lock is advisory, and the kernel releases it when the
//! process ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::RegistryError;

const FILE: &str = "lock";

/// The lock, held until the value is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or returns [`RegistryError::InUse`] at once if another process holds it.
    pub fn take(directory: &Path) -> Result<Self, RegistryError> {
        let path = directory.join(FILE);
        let io = |doing| move |source| RegistryError::Io { doing, path: directory.join(FILE), source };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("opening"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Only for the error text of other processes.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                Ok(Self { _file: file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let by =
                    pid.parse::<u32>().map_or("another process".to_owned(), |pid| format!("process {pid}"));
                Err(RegistryError::InUse { path: directory.to_owned(), by })
            }
            Err(error) => Err(io("locking")(error.into())),
        }
    }
}
