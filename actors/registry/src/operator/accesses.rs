//! The one who looked at what is known of whom, and how much each operator has looked at. No row is ever changed, and none holds
//! personal data: a code stands there by its keyed hash. What an operator may look at is decided in `lookups`.

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

    /// Notes a look-up for the operator's quota. Part of the caller's transaction.
    pub(crate) fn insert_lookup(
        &self,
        operator: &str,
        lookup: &str,
        people: u64,
        at_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "INSERT INTO lookups (at_s, operator, lookup, people) VALUES (?1, ?2, ?3, ?4)";
        let parameters = params![at_s as i64, operator, lookup, people as i64];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Says how many look-ups of that kind the operator has made since then, and how many people they saw by all kinds.
    pub(crate) fn lookups_of(
        &self,
        operator: &str,
        lookup: &str,
        from_s: u64,
    ) -> Result<(u64, u64), RegistryError> {
        let sql = "SELECT count(*) FILTER (WHERE lookup = ?3), coalesce(sum(people), 0) FROM lookups
            WHERE at_s > ?1 AND operator = ?2";
        let parameters = params![from_s as i64, operator, lookup];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        Ok(self.connection.prepare_cached(sql)?.query_row(parameters, read)?)
    }

    /// Says how many people were looked at since then, by all operators.
    pub(crate) fn people_looked_at(&self, from_s: u64) -> Result<u64, RegistryError> {
        let sql = "SELECT coalesce(sum(people), 0) FROM lookups WHERE at_s > ?1";
        let people: i64 =
            self.connection.prepare_cached(sql)?.query_row([from_s as i64], |row| row.get(0))?;
        Ok(people as u64)
    }
}
