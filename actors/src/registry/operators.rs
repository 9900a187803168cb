//! Operators, the orders they have given, and what they looked at.

use rusqlite::{OptionalExtension, params};

use super::{Registry, RegistryError, is_conflict};
use crate::operators::{Operator, Role};
use protocol::CodeId;

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
    /// Every operator, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, RegistryError> {
        let sql = "SELECT name, authority, roles, public_key, revoked FROM operators ORDER BY name";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map([], read)?;
        rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
    }

    /// The operator of that name.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, RegistryError> {
        let sql = "SELECT name, authority, roles, public_key, revoked FROM operators WHERE name = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([name], read).optional()?)
    }

    /// Adds an operator. Names are never given twice, not even after a revocation.
    pub(crate) fn insert_operator(&self, operator: &Operator) -> Result<(), RegistryError> {
        let roles: Vec<&str> = operator.roles.iter().map(|role| role.name()).collect();
        let sql =
            "INSERT INTO operators (name, authority, roles, public_key, revoked) VALUES (?1, ?2, ?3, ?4, 0)";
        let parameters = params![operator.name, operator.authority, roles.join(","), operator.public_key];
        let result = self.connection.execute(sql, parameters);
        result.map(|_| ()).map_err(|error| match is_conflict(&error) {
            true => RegistryError::Exists { what: "operator" },
            false => error.into(),
        })
    }

    /// From now on that operator's signature is worth nothing.
    pub fn revoke_operator(&mut self, name: &str) -> Result<(), RegistryError> {
        match self.connection.execute("UPDATE operators SET revoked = 1 WHERE name = ?1", [name])? {
            1 => Ok(()),
            _ => Err(RegistryError::Missing { what: "operator" }),
        }
    }

    /// Notes an order, and forgets those given before `from_s`. False if it was given before. Part of the caller's transaction.
    pub(crate) fn note_order(&self, digest: &[u8], at_s: u64, from_s: u64) -> Result<bool, RegistryError> {
        self.connection.prepare_cached("DELETE FROM orders WHERE at_s < ?1")?.execute([from_s as i64])?;
        let sql = "INSERT INTO orders (digest, at_s) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        Ok(self.connection.prepare_cached(sql)?.execute(params![digest, at_s as i64])? == 1)
    }

    /// Records that somebody looks at what is known of a code; before it is shown.
    pub fn record_access(&mut self, code: CodeId, access: &AccessRow) -> Result<(), RegistryError> {
        let sql = "INSERT INTO accesses (at_s, subject, operators, act, case_id) VALUES (?1, ?2, ?3, ?4, ?5)";
        let subject = self.subject(code);
        let parameters = params![access.at_s as i64, subject, access.operators, access.act, access.case];
        self.connection.execute(sql, parameters)?;
        Ok(())
    }

    /// Who looked at what is known of the code, the oldest first.
    pub fn accesses(&self, code: CodeId) -> Result<Vec<AccessRow>, RegistryError> {
        let sql = "SELECT at_s, operators, act, case_id FROM accesses WHERE subject = ?1 ORDER BY id";
        let mut query = self.connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            let at_s = row.get::<_, i64>(0)? as u64;
            Ok(AccessRow { at_s, operators: row.get(1)?, act: row.get(2)?, case: row.get(3)? })
        };
        let rows = query.query_map([self.subject(code)], row)?;
        rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Operator> {
    let roles: String = row.get(2)?;
    Ok(Operator {
        name: row.get(0)?,
        authority: row.get(1)?,
        roles: roles.split(',').filter_map(Role::from_name).collect(),
        public_key: row.get(3)?,
        revoked: row.get(4)?,
    })
}
