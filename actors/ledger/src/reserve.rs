//! Disk space that the log reserves in a file without content. On a full disk, punches are refused, but a restart, the recording of a
//! loss and the expiry at midnight may use the reserve. While the file is shorter than its full size, the disk counts as full.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use keys::random;

use super::LedgerError;
use super::disk::{Disk, DiskFile, uninterrupted, write_all_at};
use super::error::is_full;

/// The maximum need of those three together: a segment header with the marks of a hundred thousand devices (2 MB), a saved torn
/// batch (2 MB), a batch of losses, a copy of the last batch on a file system that never writes in place (2 MB), the deletion
/// records, and the registry's own files at a start if they are on the same disk. Smaller in tests, which have small disks.
pub(super) const RESERVE_BYTES: u64 = if cfg!(test) { 16 * 1024 } else { 8 * 1024 * 1024 };
/// The step by which the file grows: a file system's block. What was written before the disk is full stays.
const STEP_BYTES: usize = if cfg!(test) { 1024 } else { 4096 };
const NAME: &str = "reserve";

/// Releases the reserve before a start if the disk has less free space than its size, for the other stores on that disk. The log
/// refills it from the remaining space. Called while no gateway runs in the directory.
///
/// # Errors
/// An error of the operating system.
pub fn release_reserve_if_low(directory: &Path) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::io("releasing the reserve on", "its disk")(error);
    let free = match rustix::fs::statvfs(directory) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    if free >= RESERVE_BYTES {
        return Ok(());
    }
    match OpenOptions::new().write(true).open(directory.join(NAME)).and_then(|file| file.set_len(0)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The reserve's file, owned by the log.
pub(super) struct Reserve<F> {
    file: Option<F>,
    bytes: u64,
}

impl<F: DiskFile> Reserve<F> {
    /// Opens the file as the last process left it; does not create it.
    pub(super) fn open(disk: &impl Disk<File = F>) -> io::Result<Self> {
        match uninterrupted(|| disk.open_file(NAME)) {
            Ok((file, bytes)) => Ok(Self { file: Some(file), bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { file: None, bytes: 0 }),
            Err(error) => Err(error),
        }
    }

    /// Reports whether the file has its full size.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes >= RESERVE_BYTES
    }

    /// Grows the file to its full size; `false` if the disk is full, with the part that was written kept. Costs one failing write
    /// while the disk is full.
    pub(super) fn refill(&mut self, disk: &impl Disk<File = F>) -> io::Result<bool> {
        match self.grow(disk) {
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(true),
        }
    }

    fn grow(&mut self, disk: &impl Disk<File = F>) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(uninterrupted(|| disk.create(NAME))?),
        };
        while self.bytes < RESERVE_BYTES {
            // Random, because a compressing file system would reserve no space for other bytes.
            let step: [u8; STEP_BYTES] = random::bytes().map_err(io::Error::other)?;
            write_all_at(file, &step, self.bytes)?;
            self.bytes += STEP_BYTES as u64;
        }
        Ok(())
    }

    /// Empties the file, so that its space can be used; `false` if it was empty.
    pub(super) fn release(&mut self) -> io::Result<bool> {
        let Some(file) = self.file.as_mut().filter(|_| self.bytes > 0) else { return Ok(false) };
        uninterrupted(|| file.set_len(0))?;
        self.bytes = 0;
        Ok(true)
    }
}
