//! A small disk of a city's own: a tmpfs that only the gateway's process has mounted, over a directory of its data, to be filled and
//! emptied while it runs.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::City;

/// Puts what the directory has on the tmpfs and goes on with the program.
const MOUNT: &str = r#"cp -a "$0" "$0.was" && mount -t tmpfs -o size=$1,mode=700 none "$0" && cp -a "$0.was/." "$0" && shift && exec "$@""#;

/// The file system. It lives as long as this does.
pub struct SmallDisk(File);

impl SmallDisk {
    /// Starts the city, which has run before, again with that directory of its data on a disk of that size.
    pub fn start(city: &mut City, directory: &Path, size: &str) -> Self {
        assert!(city.terminate().success(), "{}", city.log());
        let path = directory.display().to_string();
        city.run_under(&["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT, &path, size]);
        city.restart();
        Self::of(city, directory)
    }

    /// The one that a running city was started with.
    pub fn of(city: &City, directory: &Path) -> Self {
        let path = directory.display();
        let seen = format!("/proc/{}/root{path}", city.pid());
        Self(File::open(seen).expect("the gateway's own view of it"))
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no room at all.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("room for a name");
        let full = loop {
            if let Err(error) = ballast.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Gives back what [`Self::fill`] took.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    /// Copies its files; whatever runs on it goes on.
    pub fn copy_to(&self, directory: &Path) {
        for entry in fs::read_dir(self.path()).expect("still held") {
            let entry = entry.expect("still held");
            fs::copy(entry.path(), directory.join(entry.file_name())).expect("copied");
        }
    }
}
