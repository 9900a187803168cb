//! The directory for the peers' files during a run: on the file system of the city's data, so that all sync to the same disk,
//! and removed with the run.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// The mode of the directory: other users may pass through, since PostgreSQL runs as a user of its own.
const PASSABLE: u32 = 0o711;
/// The bit for other users to pass through.
const OTHERS_PASS: u32 = 0o001;

/// The directory of a run; it is removed with the value.
pub(super) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes it in `chosen`, or as near to `data` as all users may go.
    pub(super) fn create(data: &Path, chosen: Option<&Path>) -> anyhow::Result<Self> {
        let near = match chosen {
            Some(chosen) => {
                fs::canonicalize(chosen).with_context(|| format!("looking at {}", chosen.display()))?
            }
            None => near(data)?,
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix("changtong-peers-").permissions(Permissions::from_mode(PASSABLE));
        let folder =
            builder.tempdir_in(&near).with_context(|| format!("making a folder in {}", near.display()))?;
        Ok(Self { folder })
    }

    /// Makes a new directory in it.
    pub(super) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns the nearest directory above `data` on its file system that all users may reach.
fn near(data: &Path) -> anyhow::Result<PathBuf> {
    let data = fs::canonicalize(data).with_context(|| format!("looking at {}", data.display()))?;
    let device = fs::metadata(&data)?.dev();
    let is_passable = |folder: &Path| fs::metadata(folder).is_ok_and(|is| is.mode() & OTHERS_PASS != 0);
    data.ancestors()
        .skip(1)
        .filter(|folder| fs::metadata(folder).is_ok_and(|is| is.dev() == device))
        .find(|folder| folder.ancestors().all(is_passable))
        .map(Path::to_owned)
        .context("no folder near the city's data is open to PostgreSQL's user; choose one with --scratch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_cannot_pass_is_not_taken() {
        let outer = tempfile::tempdir().unwrap();
        let data = outer.path().join("closed/data");
        fs::create_dir_all(&data).unwrap();
        for (path, mode) in [(outer.path().to_owned(), 0o755), (outer.path().join("closed"), 0o700)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(near(&data).unwrap(), fs::canonicalize(outer.path()).unwrap());
    }

    #[test]
    fn the_folder_of_a_run_goes_with_it() {
        let outer = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(outer.path(), Some(outer.path())).unwrap();
        let inner = scratch.folder("redis").unwrap();
        assert!(inner.is_dir() && scratch.folder("redis").is_err());
        drop(scratch);
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);
    }
}
