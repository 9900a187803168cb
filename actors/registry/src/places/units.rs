//! Units that apply for a place code of their own: a workplace, a compound, a village, a building, a vehicle. An operator
//! approves an application, and the unit becomes a place, or refuses it.

use policy::PlaceKind;
use protocol::{CodeId, PlaceId, RegionId};
use rusqlite::params;

use crate::places::PlaceRow;
use crate::{Registry, RegistryError};

/// The state of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UnitState {
    /// Not decided yet.
    Open = 1,
    /// Approved; it became a place.
    Approved = 2,
    /// Refused.
    Refused = 3,
}

impl UnitState {
    /// Returns the name in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Open, Self::Approved, Self::Refused].into_iter().find(|&state| state as u8 == number)
    }
}

/// A unit's application. It does not name the applicant, because the operators' decision must not depend on the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// The application's number.
    pub id: i64,
    /// The region of the unit.
    pub region: RegionId,
    /// The kind of place.
    pub kind: PlaceKind,
    /// The unit's name.
    pub name: String,
    /// The time of the application, Unix seconds.
    pub applied_s: u64,
    /// The application's state.
    pub state: UnitState,
    /// The operators who decided; empty before.
    pub operators: String,
    /// The place that it became.
    pub place: Option<PlaceId>,
}

const COLUMNS: &str = "SELECT id, region, kind, name, applied_s, state, operators, place FROM units";

impl Registry {
    /// Returns every application, the oldest first.
    pub fn units(&self) -> Result<Vec<UnitRow>, RegistryError> {
        self.unit_rows(&format!("{COLUMNS} ORDER BY id"), [])
    }

    /// Returns the applications of one person.
    pub fn units_of(&self, applicant: CodeId) -> Result<Vec<UnitRow>, RegistryError> {
        let sql = format!("{COLUMNS} WHERE applicant = ?1 ORDER BY id");
        self.unit_rows(&sql, [applicant.get() as i64])
    }

    /// Adds an application and returns its number. Runs in the caller's transaction.
    pub fn insert_unit(
        &self,
        applicant: CodeId,
        (region, kind, name): (RegionId, PlaceKind, &str),
        now_s: u64,
    ) -> Result<i64, RegistryError> {
        self.check_region(region)?;
        let sql = "INSERT INTO units (region, kind, name, applicant, applied_s, state)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let parameters = params![
            region.0,
            kind.number(),
            name,
            applicant.get() as i64,
            now_s as i64,
            UnitState::Open as u8
        ];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Approves or refuses an open application; returns the new place of an approved one.
    pub fn decide_unit(
        &mut self,
        id: i64,
        approved: bool,
        operators: &str,
        now_s: u64,
    ) -> Result<Option<PlaceRow>, RegistryError> {
        self.transaction(|registry| registry.decide_open(id, approved, operators, now_s))
    }

    fn decide_open(
        &self,
        id: i64,
        approved: bool,
        operators: &str,
        now_s: u64,
    ) -> Result<Option<PlaceRow>, RegistryError> {
        let open = self.unit_rows(&format!("{COLUMNS} WHERE id = ?1 AND state = 1"), [id])?.pop();
        let unit = open.ok_or_else(|| RegistryError::missing("open application", id))?;
        let (state, place) = match approved {
            true => (UnitState::Approved, Some(self.add_linked_place(unit.region, unit.kind, &unit.name)?)),
            false => (UnitState::Refused, None),
        };
        let sql = "UPDATE units SET state = ?2, operators = ?3, decided_s = ?4, place = ?5 WHERE id = ?1";
        let number = place.as_ref().map(|place| place.id.0);
        let parameters = params![id, state as u8, operators, now_s as i64, number];
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(place)
    }

    fn unit_rows(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<UnitRow>, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "unit" };
        let mut query = self.connection.prepare_cached(sql)?;
        let mut rows = query.query(parameters)?;
        let mut units = Vec::new();
        while let Some(row) = rows.next()? {
            units.push(UnitRow {
                id: row.get(0)?,
                region: RegionId(row.get(1)?),
                kind: PlaceKind::from_number(row.get(2)?).ok_or_else(damaged)?,
                name: row.get(3)?,
                applied_s: row.get::<_, i64>(4)? as u64,
                state: UnitState::from_number(row.get(5)?).ok_or_else(damaged)?,
                operators: row.get(6)?,
                place: row.get::<_, Option<u32>>(7)?.map(PlaceId),
            });
        }
        Ok(units)
    }
}
