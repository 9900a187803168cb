//! Shifts of staff who scan codes at a place with a phone's browser. An operator invites; a token, known only by its hash, opens
//! the shift once; the shift is valid until its end or until it is revoked. Its scans are punches like any other.

use protocol::{PlaceId, RegionId};
use rusqlite::OptionalExtension;

use crate::{Registry, RegistryError};

/// The number of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShiftId(pub u64);

/// A shift that is open now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The shift's number.
    pub id: ShiftId,
    /// The place where the staff work.
    pub place: PlaceId,
    /// The place's region.
    pub region: RegionId,
    /// The place's name.
    pub place_name: String,
    /// The operator's name for the shift.
    pub name: String,
    /// The end of the shift, Unix seconds.
    pub expires_s: u64,
}

/// A shift as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftRow {
    /// The shift's number.
    pub id: ShiftId,
    /// The place where the staff work.
    pub place: PlaceId,
    /// The operator's name for the shift.
    pub name: String,
    /// The operators who invited, separated by commas.
    pub operators: String,
    /// The time at which it was opened, Unix seconds; `None` if the invitation was not used.
    pub joined_s: Option<u64>,
    /// The end of the shift, or of the invitation, Unix seconds.
    pub expires_s: u64,
    /// True if an operator revoked it.
    pub revoked: bool,
}

impl Registry {
    /// Creates a shift at the place; the token with this hash opens it once, until `expires_s`.
    pub fn invite_to_shift(
        &mut self,
        (place, name): (PlaceId, &str),
        operators: &str,
        token_hash: [u8; 32],
        (now_s, expires_s): (u64, u64),
    ) -> Result<ShiftId, RegistryError> {
        let sql = "INSERT INTO staff_sessions (token_hash, place, name, operators, made_s, expires_s)
            SELECT ?1, id, ?3, ?4, ?5, ?6 FROM places WHERE id = ?2 RETURNING id";
        let row = (token_hash, place.0, name, operators, now_s as i64, expires_s as i64);
        let id: Option<i64> = self.connection.query_row(sql, row, |row| row.get(0)).optional()?;
        id.map(|id| ShiftId(id as u64)).ok_or_else(|| RegistryError::missing("place", place))
    }

    /// Uses the token and opens its shift until `until_s`. `None` for a token that is unknown, used, expired or revoked. One
    /// statement: of two concurrent callers one succeeds.
    pub fn join_shift(
        &mut self,
        token_hash: [u8; 32],
        now_s: u64,
        until_s: u64,
    ) -> Result<Option<ShiftId>, RegistryError> {
        let sql = "UPDATE staff_sessions SET joined_s = ?2, expires_s = ?3
            WHERE token_hash = ?1 AND joined_s IS NULL AND revoked = 0 AND expires_s >= ?2 RETURNING id";
        let row = (token_hash, now_s as i64, until_s as i64);
        let id: Option<i64> = self.connection.query_row(sql, row, |row| row.get(0)).optional()?;
        Ok(id.map(|id| ShiftId(id as u64)))
    }

    /// Returns the shift if it is open: joined, not ended and not revoked.
    pub fn shift(&self, id: ShiftId, now_s: u64) -> Result<Option<Shift>, RegistryError> {
        let sql = "SELECT s.place, p.region, p.name, s.name, s.expires_s FROM staff_sessions s
            JOIN places p ON p.id = s.place
            WHERE s.id = ?1 AND s.joined_s IS NOT NULL AND s.revoked = 0 AND s.expires_s > ?2";
        let Ok(number) = i64::try_from(id.0) else { return Ok(None) };
        let mut query = self.connection.prepare_cached(sql)?;
        let shift = query.query_row((number, now_s as i64), |row| {
            Ok(Shift {
                id,
                place: PlaceId(row.get(0)?),
                region: RegionId(row.get(1)?),
                place_name: row.get(2)?,
                name: row.get(3)?,
                expires_s: row.get::<_, i64>(4)? as u64,
            })
        });
        Ok(shift.optional()?)
    }

    /// Returns every shift and invitation, in the order of their numbers.
    pub fn shifts(&self) -> Result<Vec<ShiftRow>, RegistryError> {
        let sql =
            "SELECT id, place, name, operators, joined_s, expires_s, revoked FROM staff_sessions ORDER BY id";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], |row| {
            Ok(ShiftRow {
                id: ShiftId(row.get::<_, i64>(0)? as u64),
                place: PlaceId(row.get(1)?),
                name: row.get(2)?,
                operators: row.get(3)?,
                joined_s: row.get::<_, Option<i64>>(4)?.map(|joined_s| joined_s as u64),
                expires_s: row.get::<_, i64>(5)? as u64,
                revoked: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes a shift or an invitation; the next request of its browser is refused.
    pub fn revoke_shift(&mut self, id: ShiftId) -> Result<(), RegistryError> {
        let missing = RegistryError::missing("shift", id.0);
        let Ok(number) = i64::try_from(id.0) else { return Err(missing) };
        let sql = "UPDATE staff_sessions SET revoked = 1 WHERE id = ?1";
        if self.connection.execute(sql, [number])? == 1 { Ok(()) } else { Err(missing) }
    }
}
