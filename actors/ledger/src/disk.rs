//! The disk operations of the log, and their implementation on a real disk. Tests use a simulated disk instead, with power cuts, torn
//! sectors and failing calls.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LedgerError;

/// A directory of files. Names are plain file names.
pub(super) trait Disk: Send + 'static {
    type File: DiskFile;

    /// Lists the names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Reads a whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Reads the first `len` bytes of a file, or fewer if it is shorter.
    fn read_start(&self, name: &str, len: usize) -> io::Result<Vec<u8>> {
        self.read_at(name, 0, len)
    }
    /// Opens an existing file for writing and returns its length too.
    fn open_file(&self, name: &str) -> io::Result<(Self::File, u64)>;
    /// Reads `len` bytes from `offset` on, or fewer at the end of the file.
    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Creates an empty file in place of any file of that name.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Renames a file in place of any file of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file.
pub(super) trait DiskFile: Send + 'static {
    /// Writes at `offset` and returns the number of bytes written, which may be less than all.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Truncates or extends the file.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
}

/// Writes all bytes; retries interrupted and short writes.
pub(super) fn write_all_at(file: &mut impl DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Retries a call while it is interrupted.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other @ (Ok(_) | Err(_)) => return other,
        }
    }
}

/// Replaces a file atomically and durably: after a crash it is the old one or the new one.
pub(super) fn replace(disk: &impl Disk, name: &str, content: &[u8]) -> io::Result<()> {
    put_in_place(disk, name, content).map(drop)
}

/// Replaces a file as [`replace`] does, and returns the open file.
pub(super) fn put_in_place<D: Disk>(disk: &D, name: &str, content: &[u8]) -> io::Result<D::File> {
    let fresh = format!("{name}.new");
    let mut file = uninterrupted(|| disk.create(&fresh))?;
    let written = write_all_at(&mut file, content, 0).and_then(|()| uninterrupted(|| file.sync()));
    if let Err(error) = written {
        drop(file);
        // The part that was written only occupies space.
        let _ = disk.remove(&fresh);
        return Err(error);
    }
    uninterrupted(|| disk.rename(&fresh, name))?;
    uninterrupted(|| disk.sync_directory())?;
    Ok(file)
}

/// A directory of the file system.
#[derive(Clone)]
pub(super) struct RealDisk(PathBuf);

impl RealDisk {
    /// Opens the directory; creates it with access for its owner only if it does not exist.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self(directory.to_owned()))
    }

    /// Syncs a file that another thread or process writes.
    pub(super) fn sync_file(&self, name: &str) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.0.join(name))?.sync_data()
    }
}

/// Opens the directory for reading; does not create it.
pub(super) fn open_for_reading(directory: &Path) -> Result<RealDisk, LedgerError> {
    let name = directory.display().to_string();
    if !directory.is_dir() {
        return Err(LedgerError::Io { action: "opening", name, error: io::ErrorKind::NotFound.into() });
    }
    RealDisk::open(directory).map_err(LedgerError::io("opening", &name))
}

impl Disk for RealDisk {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(name))
    }

    fn open_file(&self, name: &str) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().write(true).open(self.0.join(name))?;
        let len = file.metadata()?.len();
        Ok((file, len))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = File::open(self.0.join(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.0.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }
}
