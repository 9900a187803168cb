//! Regions and places. A region is a row, a place belongs to one region.

use protocol::{PlaceId, RegionId};

use super::{Registry, RegistryError};

/// A region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRow {
    /// Its number.
    pub id: RegionId,
    /// Its division code (GB/T 2260); development zones have none.
    pub code: Option<String>,
    /// Its name.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
}

impl Registry {
    /// Every region, in the order of their numbers.
    pub fn regions(&self) -> Result<Vec<RegionRow>, RegistryError> {
        let mut query = self.connection.prepare("SELECT id, code, name, name_en FROM regions ORDER BY id")?;
        let rows = query.query_map([], |row| {
            Ok(RegionRow {
                id: RegionId(row.get(0)?),
                code: row.get(1)?,
                name: row.get(2)?,
                name_en: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a place and gives its number.
    pub fn add_place(&mut self, region: RegionId, name: &str) -> Result<PlaceId, RegistryError> {
        if !self.regions()?.iter().any(|row| row.id == region) {
            return Err(RegistryError::Missing { what: "region" });
        }
        self.connection.execute("INSERT INTO places (region, name) VALUES (?1, ?2)", (region.0, name))?;
        let id = u32::try_from(self.connection.last_insert_rowid());
        id.map(PlaceId).map_err(|_| RegistryError::Damaged { what: "place" })
    }

    /// Every place with its region and name, in the order of their numbers.
    pub fn places(&self) -> Result<Vec<(PlaceId, RegionId, String)>, RegistryError> {
        let mut query = self.connection.prepare("SELECT id, region, name FROM places ORDER BY id")?;
        let rows =
            query.query_map([], |row| Ok((PlaceId(row.get(0)?), RegionId(row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
