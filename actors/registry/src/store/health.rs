//! The health of the registry: its store's own quick check, and how far its decisions are signed. Reads only; that decisions are
//! as they were made is checked with them.

use rusqlite::OptionalExtension;

use crate::{Registry, RegistryError};

/// The point up to which the decisions are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedUpTo {
    /// Decisions.
    pub decisions: u64,
    /// The number of them that the newest checkpoint covers.
    pub covered: u64,
    /// When it was signed, seconds since 1970 UTC; 0 without one.
    pub at_s: u64,
    /// When the newest decision was made; 0 without one.
    pub decided_s: u64,
}

impl Registry {
    /// Has the store look at its own pages; contents of indexes are not compared. Reads the whole file.
    pub fn quick_check(&self) -> Result<(), RegistryError> {
        let said: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said == "ok" { Ok(()) } else { Err(RegistryError::Damaged { what: "page" }) }
    }

    /// Says how far the decisions are signed, and when that was.
    pub fn signed_up_to(&self) -> Result<SignedUpTo, RegistryError> {
        let newest = |sql: &str| -> Result<(u64, u64), RegistryError> {
            let read =
                |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
            Ok(self.connection.query_row(sql, [], read).optional()?.unwrap_or_default())
        };
        let (decisions, decided_s) =
            newest("SELECT id, at_s FROM decisions WHERE id = (SELECT max(id) FROM decisions)")?;
        let (covered, at_s) =
            newest("SELECT size, at_s FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)")?;
        Ok(SignedUpTo { decisions, covered, at_s, decided_s })
    }
}
