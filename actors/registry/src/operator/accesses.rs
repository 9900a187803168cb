//! Access records: the operators who looked at a person's data. Rows are never changed and hold no personal data: a keyed hash
//! stands for the code. The limits, and how much each operator has looked at, are in `lookups`.

use protocol::CodeId;
use rusqlite::params;

use crate::personal::seal::Hash as Subject;
use crate::{Registry, RegistryError};

/// A look-up, an export or a list, with its operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// The time of the access, Unix seconds.
    pub at_s: u64,
    /// The operators' names, separated by commas.
    pub operators: String,
    /// The kind of look-up.
    pub act: String,
    /// The case that was named.
    pub case: String,
}

impl Registry {
    /// Records an access to a subject's data. Runs in the caller's transaction.
    pub fn insert_access(&self, subject: Subject, access: &AccessRow) -> Result<(), RegistryError> {
        let sql = "INSERT INTO accesses (at_s, subject, operators, act, case_id) VALUES (?1, ?2, ?3, ?4, ?5)";
        let parameters = params![access.at_s as i64, subject, access.operators, access.act, access.case];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Returns the accesses to this code's data, and those to all people's data, the oldest first.
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

    /// Returns the subject of accesses to all people's data; every citizen's list includes them.
    pub(crate) fn everybody(&self) -> Subject {
        self.sealer.hash("access", "everybody")
    }
}
