//! Opening of the store: its settings, and its migration to this release's version. Each step runs once, in order, in the
//! transaction that also sets the version.

mod key_ids;
mod reseal;
mod steps;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::places::insert_regions;
use crate::{GATEWAY_DEFAULT, RegistryError};

pub(super) use steps::STEPS;

/// "CTGW": identifies the file as a registry.
const APPLICATION_ID: i64 = 0x4354_4757;
/// The longest wait of one connection for another.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// The page cache while the gateway runs.
pub(super) const CACHE_KIB: i64 = 32 * 1024;
/// The page cache while many people are added: their hashes are random, so every page of the indexes is used again and again.
pub(super) const CACHE_FILLING_KIB: i64 = 1024 * 1024;

/// The version that this release writes.
pub(super) const VERSION: u32 = STEPS.len() as u32;

pub(super) fn configure(connection: &Connection, path: &Path) -> Result<(), RegistryError> {
    let pragmas = "
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA trusted_schema = OFF;
        PRAGMA secure_delete = ON;
        PRAGMA temp_store = MEMORY;
        PRAGMA mmap_size = 0;
    ";
    let not_ours = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            RegistryError::NotARegistry { path: path.to_owned() }
        }
        Some(_) | None => RegistryError::Store(error),
    };
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(pragmas).map_err(not_ours)?;
    set_cache(connection, CACHE_KIB)?;
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    assert_eq!(mode, "wal", "a registry on a disk can be in WAL mode");
    Ok(())
}

pub(super) fn set_cache(connection: &Connection, kib: i64) -> Result<(), RegistryError> {
    Ok(connection.pragma_update(None, "cache_size", -kib)?)
}

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), RegistryError> {
    let transaction = connection.transaction()?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: u32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (tables > 0 || found > 0) {
        return Err(RegistryError::NotARegistry { path: path.to_owned() });
    }
    if found > VERSION {
        return Err(RegistryError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    for step in &STEPS[found as usize..] {
        transaction.execute_batch(step)?;
    }
    if found == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('gateway', ?1)",
            [GATEWAY_DEFAULT.to_string()],
        )?;
        insert_regions(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that the file is a registry of this version.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), RegistryError> {
    let (path, known) = (path.to_owned(), VERSION);
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    match found.cmp(&VERSION) {
        _ if application != APPLICATION_ID => Err(RegistryError::NotARegistry { path }),
        std::cmp::Ordering::Less => Err(RegistryError::Older { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(RegistryError::Newer { path, found, known }),
    }
}
