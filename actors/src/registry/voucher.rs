//! The registry's word of itself and of the punch log beside it: its name, how often it has vouched, and how far the log reached
//! then, which is behind what is durable there. What the two make of each other is in `vouch`.

use std::path::Path;

use rusqlite::Connection;

use super::{Registry, RegistryError, read_only};

const ID: &str = "id";
const TIMES: &str = "vouched";
const LOG: &str = "log";
const ACCEPTED: &str = "accepted";

/// A registry's name and what it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryVoucher {
    /// The registry's own name, 16 hexadecimal digits.
    pub registry: String,
    /// The number of times that it has vouched for a log.
    pub times: u64,
    /// When it did last, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The log beside it; `None` once an operator has accepted another.
    pub log: Option<LogSeen>,
}

/// A log, as far as a registry has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSeen {
    /// The log's name.
    pub log: String,
    /// The last LSN that was durable then.
    pub lsn: u64,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl LogSeen {
    fn text(&self) -> String {
        format!("{} {} {}", self.log, self.lsn, self.at_ms)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let log = words.next()?.to_owned();
        Some(Self { log, lsn: words.next()?.parse().ok()?, at_ms: words.next()?.parse().ok()? })
    }
}

impl Registry {
    /// Reads what it says; `None` if it has never vouched for a log.
    pub fn voucher(&self) -> Result<Option<RegistryVoucher>, RegistryError> {
        voucher(&self.connection)
    }

    /// Vouches for the log as it is now, in one transaction, and gives what it says from then on. It gets its name the first time.
    pub fn vouch(&mut self, log: &LogSeen) -> Result<RegistryVoucher, RegistryError> {
        self.transaction(|registry| {
            let (id, times) = match registry.voucher()? {
                Some(known) => (known.registry, known.times + 1),
                None => (format!("{:016x}", registry.random()?), 1),
            };
            registry.set_meta(ID, &id)?;
            registry.set_meta(TIMES, &format!("{times} {}", log.at_ms))?;
            registry.set_meta(LOG, &log.text())?;
            Ok(RegistryVoucher { registry: id, times, at_ms: log.at_ms, log: Some(log.clone()) })
        })
    }

    /// By an operator's order: it vouches for whatever log is beside it at the next start. `why` stays on record.
    pub(crate) fn accept_any_log(&mut self, why: &str) -> Result<(), RegistryError> {
        self.transaction(|registry| {
            forget_log(&registry.connection)?;
            let before = registry.meta(ACCEPTED)?.map_or(String::new(), |before| before + "\n");
            registry.set_meta(ACCEPTED, &(before + why))
        })
    }

    /// A number that grows with every change that this connection makes.
    pub fn changes(&self) -> u64 {
        self.connection.total_changes()
    }
}

/// Reads what the registry in that file says, without its keys; `None` if it has never vouched for a log.
///
/// # Errors
/// The store's word, also of a file that is no registry.
pub fn voucher_at(path: &Path) -> Result<Option<RegistryVoucher>, RegistryError> {
    voucher(&read_only(path)?)
}

/// Says whether that file is there and has anything in it: a first start that was cut off at once leaves an empty one.
///
/// # Errors
/// The store's word, also of a file that is no registry.
pub fn is_begun(path: &Path) -> Result<bool, RegistryError> {
    if !path.exists() {
        return Ok(false);
    }
    let sql = "SELECT count(*) FROM sqlite_schema";
    let tables: u32 = read_only(path)?.query_row(sql, [], |row| row.get(0))?;
    Ok(tables > 0)
}

/// From now on it vouches for whatever log is beside it: for a copy, whose log has no name.
pub(super) fn forget_log(connection: &Connection) -> Result<(), RegistryError> {
    connection.execute("DELETE FROM meta WHERE name = ?1", [LOG])?;
    Ok(())
}

fn voucher(connection: &Connection) -> Result<Option<RegistryVoucher>, RegistryError> {
    let damaged = || RegistryError::Damaged { what: "voucher for the punch log" };
    // The first start of all may have been cut before it made the tables.
    if !connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'")?.exists([])? {
        return Ok(None);
    }
    let mut query = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    let mut meta = |name: &str| -> Result<Option<String>, RegistryError> {
        use rusqlite::OptionalExtension;
        Ok(query.query_row([name], |row| row.get(0)).optional()?)
    };
    let Some(registry) = meta(ID)? else { return Ok(None) };
    let times = meta(TIMES)?.ok_or_else(damaged)?;
    let (times, at_ms) = times.split_once(' ').ok_or_else(damaged)?;
    let (Ok(times), Ok(at_ms)) = (times.parse(), at_ms.parse()) else { return Err(damaged()) };
    let log = meta(LOG)?.map(|text| LogSeen::parse(&text).ok_or_else(damaged)).transpose()?;
    Ok(Some(RegistryVoucher { registry, times, at_ms, log }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_was_cut_before_it_had_tables_has_vouched_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.db");
        std::fs::write(&path, "").unwrap();
        assert_eq!(voucher_at(&path).unwrap(), None);
    }
}
