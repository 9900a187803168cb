//! A consistent copy of the registry, made beside its writer with SQLite's backup interface. Personal fields stay sealed.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Registry, RegistryError};

/// All pages in one step: one snapshot, which neither is disturbed by writers nor blocks them.
const PAGES: c_int = c_int::MAX;
/// The pause between two tries when the file is locked.
const PAUSE: Duration = Duration::from_millis(20);

/// The root of the tree over the decisions and the number of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The number of decisions.
    pub decisions: u64,
    /// The root, in hexadecimal.
    pub root: String,
}

impl Registry {
    /// Copies everything to a new file and syncs it. The copy is not bound to a punch log, because no log is copied with it.
    pub fn copy_to(&self, path: &Path) -> Result<(), RegistryError> {
        let io = |doing| move |source| RegistryError::Io { doing, path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path).map_err(io("making"))?;
        let mut copy = Connection::open(path)?;
        Backup::new(&self.connection, &mut copy)?.run_to_completion(PAGES, PAUSE, None)?;
        super::voucher::forget_log(&copy)?;
        // Without a WAL beside it.
        copy.execute_batch("PRAGMA journal_mode = DELETE")?;
        copy.close().map_err(|(_, error)| error)?;
        OpenOptions::new().write(true).open(path).and_then(|file| file.sync_all()).map_err(io("syncing"))
    }

    /// Returns the tree over all decisions, including those that no checkpoint covers yet.
    pub fn tree_head(&self) -> Result<TreeHead, RegistryError> {
        let decisions = self.decided()?;
        Ok(TreeHead { decisions, root: hex::encode(self.tree_root(decisions)?) })
    }
}
