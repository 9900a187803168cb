//! A copy of the registry as it is at one moment, taken beside its writer by the store's own means. Personal fields are sealed in it
//! as they are here.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Registry, RegistryError};

/// Everything in one step: one snapshot, which writers do not disturb and which does not hold them up.
const PAGES: c_int = c_int::MAX;
/// Between two tries when the file is locked.
const PAUSE: Duration = Duration::from_millis(20);

/// The point up to which the decisions of a registry reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Decisions.
    pub decisions: u64,
    /// The root of the tree over them, hexadecimal.
    pub root: String,
}

impl Registry {
    /// Copies everything to a file that is not there yet, one file alone, and makes it durable. The copy does not say which punch log
    /// is beside it, as no copy of one does.
    pub fn copy_to(&self, path: &Path) -> Result<(), RegistryError> {
        let io = |doing| move |source| RegistryError::Io { doing, path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path).map_err(io("making"))?;
        let mut copy = Connection::open(path)?;
        Backup::new(&self.connection, &mut copy)?.run_to_completion(PAGES, PAUSE, None)?;
        super::voucher::forget_log(&copy)?;
        // Without the store's own log beside it.
        copy.execute_batch("PRAGMA journal_mode = DELETE")?;
        copy.close().map_err(|(_, error)| error)?;
        OpenOptions::new().write(true).open(path).and_then(|file| file.sync_all()).map_err(io("syncing"))
    }

    /// The tree over all decisions, signed or not.
    pub fn tree_head(&self) -> Result<TreeHead, RegistryError> {
        let decisions = self.decided()?;
        Ok(TreeHead { decisions, root: hex::encode(self.tree_root(decisions)?) })
    }
}
