//! The table of operators.

use rusqlite::{Connection, OptionalExtension, params};

use crate::operator::{Operator, Role};
use crate::{Registry, RegistryError, is_conflict};

impl Registry {
    /// Returns every operator, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, RegistryError> {
        all(&self.connection)
    }

    /// Returns the operator with this name.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, RegistryError> {
        let sql = "SELECT name, authority, roles, public_key, revoked FROM operators WHERE name = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([name], read).optional()?)
    }

    /// Adds an operator. A name is never reused, not even after a revocation.
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

    /// Revokes the operator.
    pub(crate) fn revoke_operator(&mut self, name: &str) -> Result<(), RegistryError> {
        match self.connection.execute("UPDATE operators SET revoked = 1 WHERE name = ?1", [name])? {
            1 => Ok(()),
            _ => Err(RegistryError::missing("operator", name)),
        }
    }
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<Operator>, RegistryError> {
    let sql = "SELECT name, authority, roles, public_key, revoked FROM operators ORDER BY name";
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map([], read)?;
    rows.collect::<Result<_, _>>().map_err(RegistryError::Store)
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
