//! Enrolment tokens: known only by their hashes; each lets one device fetch one certificate within its period.

use protocol::DeviceId;
use ring::digest;
use rusqlite::OptionalExtension;

use crate::devices::{missing, outside};
use crate::{Registry, RegistryError};

/// Returns the SHA-256 under which the token of a device or of a shift is stored; spaces around the token are ignored.
pub fn token_hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.trim().as_bytes()).as_ref());
    hash
}

impl Registry {
    /// Stores a token's hash, with which the device can enrol once until `expires_s`.
    pub fn create_enrolment(
        &mut self,
        device: DeviceId,
        token_hash: [u8; 32],
        expires_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "INSERT INTO enrolments (token_hash, device, expires_s) VALUES (?1, ?2, ?3)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let result = insert.execute((token_hash, outside(device)?, expires_s as i64));
        result.map(|_| ()).map_err(|error| missing(error, "device", device))
    }

    /// Uses the token and returns its device. `None` for a token that is unknown, used or expired, or whose device is revoked.
    /// One statement: of two concurrent callers one succeeds.
    pub fn take_enrolment(
        &mut self,
        token_hash: [u8; 32],
        now_s: u64,
    ) -> Result<Option<DeviceId>, RegistryError> {
        let sql = "DELETE FROM enrolments WHERE token_hash = ?1 AND expires_s >= ?2
            AND device IN (SELECT id FROM devices WHERE revoked = 0) RETURNING device";
        let device: Option<i64> =
            self.connection.query_row(sql, (token_hash, now_s as i64), |row| row.get(0)).optional()?;
        Ok(device.map(|device| DeviceId(device as u64)))
    }
}
