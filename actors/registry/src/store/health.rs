//! Health of the registry: SQLite's quick check, and how far the decisions are signed. Reads only. [`Registry::verify_decisions`]
//! checks the decisions themselves.

use rusqlite::OptionalExtension;

use crate::{Registry, RegistryError};

/// The point up to which the decisions are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedUpTo {
    /// The number of decisions.
    pub decisions: u64,
    /// The number of decisions under the newest checkpoint.
    pub covered: u64,
    /// The time of that checkpoint, Unix seconds; 0 without one.
    pub at_s: u64,
    /// The time of the newest decision, Unix seconds; 0 without one.
    pub decided_s: u64,
}

impl Registry {
    /// Runs SQLite's quick check over the whole file; it does not compare the contents of indexes.
    pub fn quick_check(&self) -> Result<(), RegistryError> {
        let said: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said == "ok" { Ok(()) } else { Err(RegistryError::Damaged { what: "page" }) }
    }

    /// Returns how far the decisions are signed.
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
