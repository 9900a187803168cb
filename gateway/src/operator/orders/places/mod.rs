//! Orders about places with a printed code, and about the units that apply for one. They stand under one name in the text, `places`, and
//! under an own one each in the order log. Who applied for a unit is not shown: it is not what is decided on.

pub(super) mod add;
pub(super) mod decide_unit;
pub(super) mod list;
pub(super) mod units;

use protocol::RegionId;
use registry::{PlaceRow, RegionRow};
use serde::{Deserialize, Serialize};

use super::{AnyOrder, order::Each};
use crate::operator::OperatorContext;
use crate::out::say;

pub(crate) use add::AddPlace;
pub(crate) use decide_unit::DecideUnit;
pub(crate) use list::ListPlaces;
pub(crate) use units::ListUnits;

/// An order about places or units.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Places {
    act: PlaceAct,
}

/// The orders about places.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlaceAct {
    Add(AddPlace),
    List,
    Units,
    DecideUnit(DecideUnit),
}

impl Places {
    /// Applies the function to the order that it is.
    pub(super) fn each<E: Each>(self, each: E) -> E::Out {
        match self.act {
            PlaceAct::Add(order) => each.order(order),
            PlaceAct::List => each.order(ListPlaces),
            PlaceAct::Units => each.order(ListUnits),
            PlaceAct::DecideUnit(order) => each.order(order),
        }
    }
}

impl From<PlaceAct> for AnyOrder {
    fn from(act: PlaceAct) -> Self {
        Self::Places(Places { act })
    }
}

/// A region, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RegionLine {
    pub(crate) region: u16,
    /// Its division code; development zones have none.
    pub(crate) code: Option<String>,
    pub(crate) name: String,
    pub(crate) name_en: String,
}

impl From<RegionRow> for RegionLine {
    fn from(RegionRow { id, code, name, name_en }: RegionRow) -> Self {
        Self { region: id.0, code, name, name_en }
    }
}

/// A place, for people and programs.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceLine {
    pub(crate) place: u32,
    pub(crate) region: u16,
    pub(crate) region_name: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The ten characters of the printed code; a whole link if the order names a host.
    pub(crate) link: Option<String>,
}

/// Returns a region's name; empty if the table has no such region.
pub(super) fn name_of(region: RegionId, regions: &[RegionRow]) -> String {
    regions.iter().find(|row| row.id == region).map_or_else(String::new, |row| row.name.clone())
}

/// Makes the lines of places.
fn lines(
    context: &OperatorContext,
    places: impl IntoIterator<Item = PlaceRow>,
) -> anyhow::Result<Vec<PlaceLine>> {
    let regions = context.read(|registry| Ok(registry.regions()?))?;
    Ok(places.into_iter().map(|place| place_line(place, &regions)).collect())
}

fn place_line(place: PlaceRow, regions: &[RegionRow]) -> PlaceLine {
    PlaceLine {
        place: place.id.0,
        region: place.region.0,
        region_name: name_of(place.region, regions),
        kind: place.kind.name().to_owned(),
        name: place.name,
        link: place.link.map(protocol::place::PlaceCode::to_text),
    }
}

/// Prints places.
fn show(places: &[PlaceLine]) {
    if places.is_empty() {
        say!("No place.");
    }
    for place in places {
        let link = place.link.as_deref().unwrap_or("no code");
        say!(
            "  place {:<7}region {:<4}{:<12}{link}  {}, {}",
            place.place,
            place.region,
            place.kind,
            place.name,
            place.region_name
        );
    }
}
