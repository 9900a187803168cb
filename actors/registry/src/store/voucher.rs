//! The registry's voucher for the punch log beside it: its own name, how often it has vouched, and an LSN that was durable in the
//! log. `vouch` compares it with the log's voucher.

use std::path::Path;

use rusqlite::Connection;

use crate::{Registry, RegistryError, read_only};

const ID: &str = "id";
const TIMES: &str = "vouched";
const LOG: &str = "log";
const ACCEPTED: &str = "accepted";

/// A registry's name and the log that it last saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryVoucher {
    /// The registry's name, 16 hexadecimal digits.
    pub registry: String,
    /// The number of times that it has vouched for a log.
    pub times: u64,
    /// The time of the last one, Unix milliseconds.
    pub at_ms: u64,
    /// The log beside it; `None` after an operator has accepted another.
    pub log: Option<LogSeen>,
}

/// A punch log as the registry last saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSeen {
    /// The log's name.
    pub log: String,
    /// The last durable LSN at that time.
    pub lsn: u64,
    /// The time, Unix milliseconds.
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
    /// Returns the voucher; `None` if the registry has never vouched for a log.
    pub fn voucher(&self) -> Result<Option<RegistryVoucher>, RegistryError> {
        voucher(&self.connection)
    }

    /// Stores a voucher for the log's present state and returns it. The registry gets its name the first time.
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

    /// Accepts any log at the next start, by an operator's order. `why` stays on record.
    pub fn accept_any_log(&mut self, why: &str) -> Result<(), RegistryError> {
        self.transaction(|registry| {
            forget_log(&registry.connection)?;
            let before = registry.meta(ACCEPTED)?.map_or(String::new(), |before| before + "\n");
            registry.set_meta(ACCEPTED, &(before + why))
        })
    }

    /// Returns a number that grows with every change by this connection.
    pub fn changes(&self) -> u64 {
        self.connection.total_changes()
    }
}

/// The state of a registry's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryFound {
    /// No file, or a file without tables, which an interrupted first start leaves.
    Nothing,
    /// A registry that has never vouched for a log.
    Unnamed,
    /// A registry with a name.
    Named(RegistryVoucher),
}

impl RegistryFound {
    /// Reads the file without the registry's keys and creates nothing.
    ///
    /// # Errors
    /// SQLite's error, also for a file that is not a database.
    pub fn at(path: &Path) -> Result<Self, RegistryError> {
        if !path.exists() {
            return Ok(Self::Nothing);
        }
        let connection = read_only(path)?;
        let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 { Ok(Self::Nothing) } else { voucher(&connection).map(Self::from) }
    }
}

impl From<Option<RegistryVoucher>> for RegistryFound {
    fn from(voucher: Option<RegistryVoucher>) -> Self {
        voucher.map_or(Self::Unnamed, Self::Named)
    }
}

/// Accepts any log from now on; used for a copy.
pub(crate) fn forget_log(connection: &Connection) -> Result<(), RegistryError> {
    connection.execute("DELETE FROM meta WHERE name = ?1", [LOG])?;
    Ok(())
}

fn voucher(connection: &Connection) -> Result<Option<RegistryVoucher>, RegistryError> {
    let damaged = || RegistryError::Damaged { what: "voucher for the punch log" };
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
    use keys::Keys;

    #[test]
    fn a_registry_that_was_cut_before_it_had_tables_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.db");
        assert_eq!(RegistryFound::at(&path).unwrap(), RegistryFound::Nothing);
        assert!(!path.exists(), "looking makes nothing");
        std::fs::write(&path, "").unwrap();
        assert_eq!(RegistryFound::at(&path).unwrap(), RegistryFound::Nothing);
        Keys::init(&directory.path().join("keys")).unwrap();
        drop(Registry::open(&path, &Keys::load(&directory.path().join("keys")).unwrap()).unwrap());
        assert_eq!(RegistryFound::at(&path).unwrap(), RegistryFound::Unnamed);
    }
}
