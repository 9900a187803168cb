//! Regions and places. A place belongs to one region and has a kind, which the policy's advice depends on.

pub(crate) mod units;

use policy::PlaceKind;
use protocol::place::PlaceCode;
use protocol::{PlaceId, RegionId};

use crate::{Registry, RegistryError};

/// The regions of a new registry.
const REGIONS: &str = include_str!("../../../data/regions.csv");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRow {
    /// The region's number.
    pub id: RegionId,
    /// The division code (GB/T 2260); `None` for development zones.
    pub code: Option<String>,
    /// The Chinese name.
    pub name: String,
    /// The English name.
    pub name_en: String,
}

/// A stored place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// The place's number.
    pub id: PlaceId,
    /// The region that it belongs to.
    pub region: RegionId,
    /// The kind of place.
    pub kind: PlaceKind,
    /// The place's name.
    pub name: String,
    /// The content of its printed code; `None` until one is printed.
    pub link: Option<PlaceCode>,
}

/// The most random links to try before reporting an error.
const LINKS_MAX: usize = 16;
const PLACE_COLUMNS: &str = "SELECT id, region, kind, name, link FROM places";

impl Registry {
    /// Returns every region, in the order of their numbers.
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

    /// Adds a checkpoint without a printed code and returns its number.
    pub fn add_place(&mut self, region: RegionId, name: &str) -> Result<PlaceId, RegistryError> {
        self.insert_place(region, PlaceKind::Checkpoint, name)
    }

    /// Adds a place of this kind with a link, in a transaction.
    pub fn add_place_of(
        &mut self,
        region: RegionId,
        kind: PlaceKind,
        name: &str,
    ) -> Result<PlaceRow, RegistryError> {
        self.transaction(|registry| registry.add_linked_place(region, kind, name))
    }

    /// Adds a place of this kind with a link. The link is random: it does not contain the number and grants nothing. Runs in the
    /// caller's transaction.
    pub(super) fn add_linked_place(
        &self,
        region: RegionId,
        kind: PlaceKind,
        name: &str,
    ) -> Result<PlaceRow, RegistryError> {
        let id = self.insert_place(region, kind, name)?;
        let sql = "UPDATE OR IGNORE places SET link = ?2 WHERE id = ?1";
        for _ in 0..LINKS_MAX {
            let link = PlaceCode::from_random(self.random()?);
            if self.connection.prepare_cached(sql)?.execute((id.0, link.to_text()))? == 1 {
                return Ok(PlaceRow { id, region, kind, name: name.to_owned(), link: Some(link) });
            }
        }
        Err(RegistryError::Exists { what: "every random link" })
    }

    /// Returns the place that a printed code leads to.
    pub fn place_of_link(&self, link: PlaceCode) -> Result<Option<PlaceRow>, RegistryError> {
        Ok(self.place_rows(&format!("{PLACE_COLUMNS} WHERE link = ?1"), [link.to_text()])?.pop())
    }

    /// Returns the place with this number.
    pub fn place(&self, id: PlaceId) -> Result<Option<PlaceRow>, RegistryError> {
        Ok(self.place_rows(&format!("{PLACE_COLUMNS} WHERE id = ?1"), [id.0])?.pop())
    }

    /// Returns every place, in the order of their numbers.
    pub fn all_places(&self) -> Result<Vec<PlaceRow>, RegistryError> {
        self.place_rows(&format!("{PLACE_COLUMNS} ORDER BY id"), [])
    }

    fn place_rows(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<PlaceRow>, RegistryError> {
        let damaged = || RegistryError::Damaged { what: "place" };
        let mut query = self.connection.prepare_cached(sql)?;
        let mut rows = query.query(parameters)?;
        let mut places = Vec::new();
        while let Some(row) = rows.next()? {
            let link: Option<String> = row.get(4)?;
            let link = link.map(|text| PlaceCode::from_text(&text).ok_or_else(damaged)).transpose()?;
            places.push(PlaceRow {
                id: PlaceId(row.get(0)?),
                region: RegionId(row.get(1)?),
                kind: PlaceKind::from_number(row.get(2)?).ok_or_else(damaged)?,
                name: row.get(3)?,
                link,
            });
        }
        Ok(places)
    }

    fn insert_place(&self, region: RegionId, kind: PlaceKind, name: &str) -> Result<PlaceId, RegistryError> {
        self.check_region(region)?;
        let sql = "INSERT INTO places (region, kind, name) VALUES (?1, ?2, ?3)";
        self.connection.execute(sql, (region.0, kind.number(), name))?;
        let id = u32::try_from(self.connection.last_insert_rowid());
        id.map(PlaceId).map_err(|_| RegistryError::Damaged { what: "place" })
    }

    pub(super) fn check_region(&self, region: RegionId) -> Result<(), RegistryError> {
        let known = self.regions()?.iter().any(|row| row.id == region);
        if known { Ok(()) } else { Err(RegistryError::missing("region", region)) }
    }

    /// Returns every place with its region and name, in the order of their numbers.
    pub fn places(&self) -> Result<Vec<(PlaceId, RegionId, String)>, RegistryError> {
        let mut query = self.connection.prepare("SELECT id, region, name FROM places ORDER BY id")?;
        let rows =
            query.query_map([], |row| Ok((PlaceId(row.get(0)?), RegionId(row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns every place with its kind, in the order of their numbers.
    pub fn place_kinds(&self) -> Result<Vec<(PlaceId, PlaceKind)>, RegistryError> {
        let mut query = self.connection.prepare("SELECT id, kind FROM places ORDER BY id")?;
        let mut rows = query.query([])?;
        let mut kinds = Vec::new();
        while let Some(row) = rows.next()? {
            let kind = PlaceKind::from_number(row.get(1)?).ok_or(RegistryError::Damaged { what: "place" })?;
            kinds.push((PlaceId(row.get(0)?), kind));
        }
        Ok(kinds)
    }
}

/// Inserts the regions of this release's table.
pub(super) fn insert_regions(connection: &rusqlite::Connection) -> Result<(), RegistryError> {
    let mut insert = connection
        .prepare("INSERT INTO regions (id, code, name, name_en) VALUES (?1, nullif(?2, ''), ?3, ?4)")?;
    for row in csv::Reader::from_reader(REGIONS.as_bytes()).into_records() {
        let row = row.expect("the region table of this release is CSV");
        insert.execute(rusqlite::params![
            row[0].parse::<u16>().expect("its ids are numbers"),
            &row[1],
            &row[2],
            &row[3]
        ])?;
    }
    Ok(())
}
