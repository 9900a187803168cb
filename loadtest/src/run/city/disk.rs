//! A small disk under the punch log that only the gateway sees, to be filled and emptied while it runs. It needs Linux's mount
//! namespaces; outside them nothing changes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shell script that mounts a tmpfs over the directory, copies its files, and runs the program.
const MOUNT: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=64m,mode=700 none "$0" && cp -a "$0.was/." "$0" && rm -rf "$0.was" && exec "$@""#;
/// The size of one write to fill a disk.
const STEP_BYTES: usize = 4096;

/// Makes a command that runs `program` with its own small disk over `directory`.
pub(super) fn on_a_small_disk(directory: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    let words = ["--mount", "--map-root-user", "sh", "-c", MOUNT].map(OsStr::new);
    command.args(words).arg(directory).arg(program);
    command
}

/// A directory as a process sees it; it stays accessible after the process has ended.
pub(super) struct Held(File);

impl Held {
    pub(super) fn of(process: u32, directory: &Path) -> io::Result<Self> {
        File::open(format!("/proc/{process}/root{}", directory.display())).map(Self)
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// Replaces the directory's files by those of the process.
    pub(super) fn copy_to(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            fs::remove_file(entry?.path())?;
        }
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            fs::copy(entry.path(), directory.join(entry.file_name()))?;
        }
        Ok(())
    }
}

/// The files that fill the disk.
pub(crate) struct Ballast(Held);

impl Ballast {
    /// Fills the disk.
    pub(super) fn fill(process: u32, directory: &Path) -> io::Result<Self> {
        let held = Held::of(process, directory)?;
        let mut file = File::create(held.path().join("ballast"))?;
        loop {
            match file.write_all(&[1; STEP_BYTES]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(Self(held)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the files.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.0.path().join("ballast"))
    }
}
