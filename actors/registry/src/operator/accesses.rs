//! The record of who looked at what is known of whom. No row is ever changed, and none holds personal data: a code stands there by its
//! keyed hash. What an operator may look at, and how much they have looked at, stands in `lookups`.

use protocol::CodeId;
use rusqlite::params;

use crate::personal::seal::Hash as Subject;
use crate::{Registry, RegistryError};

/// A look-up, an export or a list, and who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// When, seconds since 1970 UTC.
    pub at_s: u64,
    /// Who.
    pub operators: String,
    /// What.
    pub act: String,
    /// For which case.
    pub case: String,
}

impl Registry {
    /// Records that somebody looks at what is known of a subject. Part of the caller's transaction.
    pub fn insert_access(&self, subject: Subject, access: &AccessRow) -> Result<(), RegistryError> {
        let sql = "INSERT INTO accesses (at_s, subject, operators, act, case_id) VALUES (?1, ?2, ?3, ?4, ?5)";
        let parameters = params![access.at_s as i64, subject, access.operators, access.act, access.case];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Says who looked at what is known of the code, or of everybody, the oldest first.
    pub fn accesses(&self, code: CodeId) -> Result<Vec<AccessRow>, RegistryError> {
        let sql = "SELECT at_s, operators, act, case_id FROM accesses WHERE subject IN (?1, ?2) ORDER BY id";
        let mut query = self.connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            let at_s = row.get::<_, i64>(0)? as u64;
            Ok(AccessRow { at_s, operators: row.get(1)?, act: row.get(2)?, case: row.get(3)? })
        };
        let rows = query.query_map([self.subject(code), self.everybody()], row)?;
        rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
    }

    /// Says what stands for everybody in an access record: every citizen's list has it.
    pub(crate) fn everybody(&self) -> Subject {
        self.sealer.hash("access", "everybody")
    }
}
