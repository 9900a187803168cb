//! The rest of a registry that is kept after the end of the measure: read without keys, because nothing in it is sealed; and the
//! deletion of everything else. When that happens, and who may order it, is decided in `sunset`.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::audit::{Growth, OrdersUpTo};
use crate::decisions::AuditReport;
use crate::operator::order_log::OrderReport;
use crate::operator::{Operator, order_log, rows};
use crate::{RegistryError, decisions, read_only, schema};

/// Tables that describe people, under a keyed hash, sealed, or by a code's number, and tables that have no use any more. They are
/// emptied.
pub const PERSONAL: &[&str] = &[
    "attempts",
    "consents",
    "stays",
    "appeals",
    "document_tries",
    "papers",
    "leftovers",
    "departures",
    "sign_outs",
    "withdrawals",
    "units",
    "staff_sessions",
    "enrolments",
    "imports",
    "people",
    "causes",
    "codes",
];

/// Tables that are kept as the record. No personal data in clear.
pub const KEPT: &[&str] = &[
    "decisions",
    "nodes",
    "checkpoints",
    "past_consents",
    "past_attempts",
    "accesses",
    "lookups",
    "operators",
    "order_log",
    "policies",
    "regions",
    "places",
    "devices",
    "device_regions",
    "device_places",
    "meta",
];

/// A registry that is opened to be read only, without keys.
pub struct KeptRegistry(Connection);

impl KeptRegistry {
    /// Opens the file and creates no other file beside it.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let connection = if Path::new(&log).exists() { read_only(path)? } else { unwritten(path)? };
        schema::check(&connection, path)?;
        Ok(Self(connection))
    }

    /// Checks as [`crate::Registry::verify_decisions`], and returns the root over all decisions too, in hexadecimal.
    pub fn verify_decisions(&self, public_key: &[u8]) -> Result<(AuditReport, String), RegistryError> {
        let (report, tree) = decisions::verify(&self.0, public_key)?;
        Ok((report, hex::encode(tree.root())))
    }

    /// Proves growth as [`crate::Registry::growth`].
    pub fn growth(&self, since: u64) -> Result<Option<Growth>, RegistryError> {
        decisions::growth(&self.0, since)
    }

    /// Checks as [`crate::Registry::verify_orders`], but not the sealed texts.
    pub fn verify_orders(&self, public_key: &[u8]) -> Result<OrderReport, RegistryError> {
        order_log::verify(&self.0, public_key, None)
    }

    /// Checks that the order log begins with the entries of a checkpoint kept elsewhere. Call it after [`Self::verify_orders`].
    pub fn orders_begin_with(&self, held: &OrdersUpTo) -> Result<(), RegistryError> {
        order_log::begins_with(&self.0, held)
    }

    /// Returns the gateway's id, which orders name.
    pub fn gateway_id(&self) -> Result<String, RegistryError> {
        Ok(self.0.query_row("SELECT value FROM meta WHERE name = 'gateway-id'", [], |row| row.get(0))?)
    }

    /// Returns every operator, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, RegistryError> {
        rows::all(&self.0)
    }

    /// Returns the number under which the gateway issued codes.
    pub fn gateway(&self) -> Result<u16, RegistryError> {
        let value: String =
            self.0.query_row("SELECT value FROM meta WHERE name = 'gateway'", [], |row| row.get(0))?;
        value.parse().map_err(|_| RegistryError::Damaged { what: "gateway number" })
    }

    /// Returns the number of rows of a table.
    pub fn rows(&self, table: &'static str) -> Result<u64, RegistryError> {
        let rows: i64 = self.0.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok(rows as u64)
    }
}

/// Opens a file that has no writer and no WAL beside it, without creating one.
fn unwritten(path: &Path) -> Result<Connection, RegistryError> {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                name.push(char::from(*byte))
            }
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(name + "?immutable=1", flags)?)
}

/// Empties the tables that are not kept and rewrites the file, so that no page holds deleted rows. Can be repeated.
pub fn empty(path: &Path) -> Result<(), RegistryError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::check(&connection, path)?;
    schema::configure(&connection, path)?;
    // Decisions keep the numbers of deleted causes.
    let mut sql = String::from("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;");
    for table in PERSONAL {
        sql.push_str(&format!("DELETE FROM {table};"));
    }
    // The file is only read from now on, so it needs no WAL.
    sql.push_str("COMMIT; VACUUM; PRAGMA journal_mode = DELETE;");
    connection.execute_batch(&sql)?;
    connection.close().map_err(|(_, error)| error)?;
    let sync = OpenOptions::new().write(true).open(path).and_then(|file| file.sync_all());
    sync.map_err(|source| RegistryError::Io { doing: "syncing", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Registry;
    use keys::Keys;

    #[test]
    fn every_table_is_either_kept_or_emptied() {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let path = directory.path().join("a?b#c%.db");
        drop(Registry::open(&path, &Keys::load(&directory.path().join("keys")).unwrap()).unwrap());
        let kept = KeptRegistry::open(&path).unwrap();
        let mut query = kept.0.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let names: BTreeSet<String> = query
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .filter(|name: &String| !name.starts_with("sqlite_"))
            .collect();
        let known: BTreeSet<String> = PERSONAL.iter().chain(KEPT).map(|&name| name.to_owned()).collect();
        assert_eq!(names, known);
        assert_eq!(PERSONAL.len() + KEPT.len(), known.len());
    }
}
