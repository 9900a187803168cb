//! The newest time that the registry knows, stored every minute while the clock is believed, so that the next start can judge its
//! clock; and conversions of stored seconds. `clock` decides what is believed.

use rusqlite::OptionalExtension;

use crate::{Registry, RegistryError};

const CLOCK: &str = "clock";

impl Registry {
    /// Returns the last stored time, Unix milliseconds, even if other records are later: two operators may have declared it
    /// right.
    pub fn noted_ms(&self) -> Result<Option<u64>, RegistryError> {
        let read = |noted: String| noted.parse().map_err(|_| RegistryError::Damaged { what: "time" });
        self.meta(CLOCK)?.map(read).transpose()
    }

    /// Stores the time, Unix milliseconds.
    pub fn note_ms(&self, now_ms: u64) -> Result<(), RegistryError> {
        self.set_meta(CLOCK, &now_ms.to_string())
    }

    /// Returns the time of the newest decision, Unix milliseconds, for a registry without a stored time.
    pub fn decided_ms(&self) -> Result<Option<u64>, RegistryError> {
        let sql = "SELECT at_s FROM decisions WHERE id = (SELECT max(id) FROM decisions)";
        let at_s: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(at_s.map(|at_s| seconds(at_s).saturating_mul(1_000)))
    }
}

pub(super) fn seconds(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

pub(super) fn stored(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
