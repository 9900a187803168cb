//! A small disk of a city's own: a tmpfs that only the gateway's process has mounted, over a directory of its data, to be filled and
//! emptied while it runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::City;

/// A shell script that mounts the tmpfs, copies the directory's files, and runs the program.
const MOUNT: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=$1,mode=700 none "$0" && cp -a "$0.was/." "$0" && shift && exec "$@""#;

/// The same, keeping it mounted until the pipe is closed.
const HOLD: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=$1,mode=700 none "$0" && cp -a "$0.was/." "$0" && echo mounted && read -r end"#;

/// The file system, which lives as long as the value.
pub struct SmallDisk {
    root: File,
    /// The process that keeps it mounted, if it outlives the gateway's processes; it ends with its input.
    holder: Option<Child>,
}

impl SmallDisk {
    /// Restarts the city, which has run before, with that directory of its data on a disk of that size.
    pub fn start(city: &mut City, directory: &Path, size: &str) -> Self {
        assert!(city.terminate().success(), "{}", city.log());
        let path = directory.display().to_string();
        city.run_under(&["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT, &path, size]);
        city.restart();
        Self::of(city, directory)
    }

    /// Does what [`Self::start`] does, for every process that the city starts from now on: the disk keeps its files.
    pub fn start_to_stay(city: &mut City, directory: &Path, size: &str) -> Self {
        assert!(city.terminate().success(), "{}", city.log());
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", HOLD]).arg(directory).arg(size);
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux is installed");
        let mut said = String::new();
        let out = holder.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("it says when it is mounted");
        assert_eq!(said, "mounted\n");
        let pid = holder.id().to_string();
        city.run_under(&["nsenter", "--target", &pid, "--user", "--mount", "--preserve-credentials"]);
        city.restart();
        Self { root: root(city, directory), holder: Some(holder) }
    }

    /// Opens the disk that a running city was started with.
    pub fn of(city: &City, directory: &Path) -> Self {
        Self { root: root(city, directory), holder: None }
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.root.as_raw_fd()).into()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills the disk.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("room for a name");
        let full = loop {
            if let Err(error) = ballast.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Removes the file of [`Self::fill`].
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    /// Copies its files, while the gateway runs.
    pub fn copy_to(&self, directory: &Path) {
        for entry in fs::read_dir(self.path()).expect("still held") {
            let entry = entry.expect("still held");
            fs::copy(entry.path(), directory.join(entry.file_name())).expect("copied");
        }
    }
}

/// Opens the directory as the gateway sees it.
fn root(city: &City, directory: &Path) -> File {
    let seen = format!("/proc/{}/root{}", city.pid(), directory.display());
    File::open(seen).expect("the gateway's own view of it")
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}
