//! Room that the log keeps back on its disk, in a file that holds nothing: a full disk takes punches, and leaves a restart, a loss
//! that has to go on record and the forgetting at midnight. While the file is not whole, the disk counts as full.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use super::LedgerError;
use super::disk::{Disk, DiskFile, is_full, uninterrupted, write_all_at};

/// The most that those three take, together: the header of a segment with the marks of a hundred thousand devices (2 MB), a torn
/// batch that is set aside (2 MB), a batch of losses, the last batch anew where a file system never writes in place (2 MB), the
/// deletion records, and the registry's own files at a start, if they are on the same disk. Tests have small disks.
pub(super) const RESERVE_BYTES: u64 = if cfg!(test) { 16 * 1024 } else { 8 * 1024 * 1024 };
/// It grows by a file system's block, and keeps what it has got when there is no more.
const STEP_BYTES: usize = if cfg!(test) { 1024 } else { 4096 };
const NAME: &str = "reserve";

/// Before a start: lets the room go if the disk has not that much beside it, for whoever else has to start on that disk. The log takes
/// back what is left of it. No gateway runs there.
///
/// # Errors
/// The operating system's word.
pub fn make_way(directory: &Path) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::io("letting room go on", "its disk")(error);
    let free = match rustix::fs::statvfs(directory) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
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

/// The file. The log owns it.
pub(super) struct Reserve<F> {
    file: Option<F>,
    bytes: u64,
}

impl<F: DiskFile> Reserve<F> {
    /// The file as the last process left it; makes none.
    pub(super) fn find(disk: &impl Disk<File = F>) -> io::Result<Self> {
        match uninterrupted(|| disk.open_file(NAME)) {
            Ok((file, bytes)) => Ok(Self { file: Some(file), bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { file: None, bytes: 0 }),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes >= RESERVE_BYTES
    }

    /// Takes what is missing of it; `false` if the disk has not that much, and then it keeps what there was. Costs one refused
    /// write on a disk that is full still.
    pub(super) fn keep(&mut self, disk: &impl Disk<File = F>) -> io::Result<bool> {
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
            // What cannot be compressed, or some file systems would keep nothing back.
            let mut step = [0; STEP_BYTES];
            SystemRandom::new().fill(&mut step).map_err(|_| io::Error::other("no random bytes"))?;
            write_all_at(file, &step, self.bytes)?;
            self.bytes += STEP_BYTES as u64;
        }
        Ok(())
    }

    /// Lets others have the room; `false` if it had none.
    pub(super) fn let_go(&mut self) -> io::Result<bool> {
        let Some(file) = self.file.as_mut().filter(|_| self.bytes > 0) else { return Ok(false) };
        uninterrupted(|| file.set_len(0))?;
        self.bytes = 0;
        Ok(true)
    }
}
