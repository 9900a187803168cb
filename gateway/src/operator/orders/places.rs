//! Places with a printed code, and the units that apply for one. Who applied for a unit is not shown: it is not what is decided on.

use actors::residence::visible;
use anyhow::Context;
use policy::PlaceKind;
use protocol::RegionId;
use registry::operator::Signed;
use registry::{PlaceRow, RegionRow, Registry, UnitRow};
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::Ordered;
use crate::operator::OperatorContext;

/// The orders about places.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlaceAct {
    Add { region: u16, kind: String, name: String },
    List,
    Units,
    DecideUnit { unit: i64, approved: bool },
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlaceLine {
    pub(crate) place: u32,
    pub(crate) region: u16,
    pub(crate) region_name: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The ten characters of the printed code; a whole link where somebody asked with a host.
    pub(crate) link: Option<String>,
}

/// A unit's application, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnitLine {
    pub(crate) unit: i64,
    pub(crate) region: u16,
    pub(crate) region_name: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) applied_s: u64,
    pub(crate) state: String,
    pub(crate) operators: String,
    pub(crate) place: Option<u32>,
}

impl PlaceAct {
    /// For the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add-place",
            Self::List => "list-places",
            Self::Units => "list-units",
            Self::DecideUnit { .. } => "decide-unit",
        }
    }
}

pub(super) fn carry_out(admin: &OperatorContext, act: PlaceAct, by: &Signed) -> anyhow::Result<Ordered> {
    let regions = admin.read(|registry| Ok(registry.regions()?))?;
    let place_line = |place| place_line(place, &regions);
    match act {
        PlaceAct::Add { region, kind, name } => {
            let kinds = || PlaceKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            let kind = PlaceKind::from_name(&kind)
                .with_context(|| format!("a place's kind is one of {}", kinds()))?;
            let name = visible(&name).context("a place's name is 1 to 64 characters that can be seen")?;
            let add =
                |registry: &mut Registry| Ok(Some(registry.add_place_of(RegionId(region), kind, &name)?));
            Ok(Ordered::Places(admin.change_place(add)?.into_iter().map(place_line).collect()))
        }
        PlaceAct::List => {
            let places = admin.read(|registry| Ok(registry.all_places()?))?;
            Ok(Ordered::Places(places.into_iter().map(place_line).collect()))
        }
        PlaceAct::Units => {
            let units = admin.read(|registry| Ok(registry.units()?))?;
            Ok(Ordered::Units(units.into_iter().map(|unit| unit_line(unit, &regions)).collect()))
        }
        PlaceAct::DecideUnit { unit, approved } => {
            let now_s = clock::now_ms() / 1000;
            let decide =
                |registry: &mut Registry| Ok(registry.decide_unit(unit, approved, &by.operators, now_s)?);
            let place = admin.change_place(decide)?;
            Ok(Ordered::Places(place.into_iter().map(place_line).collect()))
        }
    }
}

/// Says what people call a region.
pub(super) fn name_of(region: RegionId, regions: &[RegionRow]) -> String {
    regions.iter().find(|row| row.id == region).map_or_else(String::new, |row| row.name.clone())
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

fn unit_line(unit: UnitRow, regions: &[RegionRow]) -> UnitLine {
    UnitLine {
        unit: unit.id,
        region: unit.region.0,
        region_name: name_of(unit.region, regions),
        kind: unit.kind.name().to_owned(),
        name: unit.name,
        applied_s: unit.applied_s,
        state: unit.state.name().to_owned(),
        operators: unit.operators,
        place: unit.place.map(|place| place.0),
    }
}
