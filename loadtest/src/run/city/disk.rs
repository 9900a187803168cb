//! A small disk under the punch log that only the gateway sees, to be filled and emptied while it runs. It takes Linux's mount
//! namespaces; nothing outside them changes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts a tmpfs of several of the log's steps over the directory, with what was in it, and goes on as the program.
const MOUNT: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=64m,mode=700 none "$0" && cp -a "$0.was/." "$0" && rm -rf "$0.was" && exec "$@""#;
/// The bytes written at a time to fill a disk.
const STEP_BYTES: usize = 4096;

/// A command that runs `program` with its own small disk over `directory`.
pub(super) fn on_a_small_disk(directory: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    let words = ["--mount", "--map-root-user", "sh", "-c", MOUNT].map(OsStr::new);
    command.args(words).arg(directory).arg(program);
    command
}

/// The directory as a process sees it, for as long as this lives, whether the process does or not.
pub(super) struct Held(File);

impl Held {
    pub(super) fn of(process: u32, directory: &Path) -> io::Result<Self> {
        File::open(format!("/proc/{process}/root{}", directory.display())).map(Self)
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// Replaces the directory's files by what the process had.
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
    /// Leaves no room at all.
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

    /// Gives the room back.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.0.path().join("ballast"))
    }
}
