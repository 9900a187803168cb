//! The progress of imports and the store's memory for them. Progress is stored in the transaction that adds the people, so that
//! an interrupted import continues where it stopped.

use rusqlite::OptionalExtension;

use crate::{Registry, RegistryError, schema};

/// The progress of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub bytes_done: u64,
    pub lines_done: u64,
    pub people: u64,
    /// People who exist with the same data.
    pub known: u64,
    /// People who exist with different data.
    pub differing: u64,
    pub rejected: u64,
    /// The length of the reject file at this point.
    pub rejects_bytes: u64,
    pub complete: bool,
}

impl Registry {
    /// Runs `work`, which adds many people, with a larger page cache.
    pub fn filling<T, E: From<RegistryError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.set_filling(true)?;
        let result = work(self);
        self.set_filling(false)?;
        result
    }

    /// Enlarges the page cache while many people are added, or shrinks it again.
    pub fn set_filling(&self, filling: bool) -> Result<(), RegistryError> {
        if filling {
            return schema::set_cache(&self.connection, schema::CACHE_FILLING_KIB);
        }
        schema::set_cache(&self.connection, schema::CACHE_KIB)?;
        Ok(self.connection.release_memory()?)
    }

    /// Returns the progress of the import of the file with this digest; `None` if it has not begun.
    pub fn import_progress(&self, digest: &[u8]) -> Result<Option<Progress>, RegistryError> {
        let sql = "SELECT bytes_done, lines_done, people, rejected, rejects_bytes, complete, known, differing
            FROM imports WHERE file_digest = ?1";
        let progress = self.connection.query_row(sql, [digest], |row| {
            let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
            Ok(Progress {
                bytes_done: number(0)?,
                lines_done: number(1)?,
                people: number(2)?,
                rejected: number(3)?,
                rejects_bytes: number(4)?,
                complete: row.get(5)?,
                known: number(6)?,
                differing: number(7)?,
            })
        });
        Ok(progress.optional()?)
    }

    /// Stores the progress. Runs in the caller's transaction.
    pub fn set_import_progress(&self, digest: &[u8], progress: &Progress) -> Result<(), RegistryError> {
        let sql = "INSERT OR REPLACE INTO imports
            (file_digest, bytes_done, lines_done, people, rejected, rejects_bytes, complete, known, differing)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.connection.execute(
            sql,
            rusqlite::params![
                digest,
                progress.bytes_done as i64,
                progress.lines_done as i64,
                progress.people as i64,
                progress.rejected as i64,
                progress.rejects_bytes as i64,
                progress.complete,
                progress.known as i64,
                progress.differing as i64
            ],
        )?;
        Ok(())
    }
}
