//! Files with keys and certificates: whole under their names, or not there. They are written beside, synced, and named then.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    refuse(path)?;
    let fresh = Fresh::write(path, content, mode)?;
    // Another name of the same file, which a rename would put over one that came meanwhile.
    match std::fs::hard_link(&fresh.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return refuse(path),
        // No second names on this file system.
        Err(_) => {
            refuse(path)?;
            std::fs::rename(&fresh.0, path).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    sync_directory(path)
}

/// Writes a file in the place of the one that is there.
pub(super) fn replace(path: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    let fresh = Fresh::write(path, content, mode)?;
    std::fs::rename(&fresh.0, path).with_context(|| format!("writing {}", path.display()))?;
    sync_directory(path)
}

/// Refuses a name that is taken.
pub(super) fn refuse(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        bail!("{} is there already; move it away first", path.display());
    }
    Ok(())
}

/// A file under another name, which goes with the value.
struct Fresh(PathBuf);

impl Fresh {
    fn write(path: &Path, content: &str, mode: u32) -> anyhow::Result<Self> {
        let doing = || format!("writing {}", path.display());
        let mut name =
            path.file_name().with_context(|| format!("{} names no file", path.display()))?.to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let fresh = Self(path.with_file_name(name));
        // Of a process that was killed and had the same number.
        let _ = std::fs::remove_file(&fresh.0);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh.0);
        let mut file = file.with_context(doing)?;
        file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
        Ok(fresh)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn sync_directory(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("syncing {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_there_whole_with_its_mode_and_none_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write_new(&at("a.key"), "one", 0o600).unwrap();
        let error = write_new(&at("a.key"), "two", 0o600).unwrap_err().to_string();
        assert!(error.contains("a.key is there already"), "{error}");
        assert_eq!(std::fs::read_to_string(at("a.key")).unwrap(), "one");
        replace(&at("a.key"), "three", 0o600).unwrap();
        let found = std::fs::metadata(at("a.key")).unwrap();
        assert_eq!((found.mode() & 0o777, found.len(), found.nlink()), (0o600, 5, 1));
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        write_new(&at("link"), "x", 0o600).unwrap_err();
        write_new(&at("none/a.key"), "x", 0o600).unwrap_err();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "the key and the link");
    }
}
