//! The order that lists the applications of units.

use registry::operator::Role;
use registry::{RegionRow, UnitRow};
use serde::{Deserialize, Serialize};

use super::{PlaceAct, name_of};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Tell, day};
use crate::out::say;

/// The list of all applications.
pub(crate) struct ListUnits;

/// A unit's application, for people and programs.
#[derive(Serialize, Deserialize)]
pub(crate) struct UnitLine {
    unit: i64,
    region: u16,
    region_name: String,
    kind: String,
    name: String,
    applied_s: u64,
    state: String,
    operators: String,
    place: Option<u32>,
}

impl From<ListUnits> for AnyOrder {
    fn from(_: ListUnits) -> Self {
        PlaceAct::Units.into()
    }
}

impl Order for ListUnits {
    const NAME: &'static str = "list-units";
    const REPLY: &'static str = "units";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<UnitLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<UnitLine>> {
        let (units, regions) = context.read(|registry| Ok((registry.units()?, registry.regions()?)))?;
        Ok(units.into_iter().map(|unit| unit_line(unit, &regions)).collect())
    }

    fn show(units: &Vec<UnitLine>) -> anyhow::Result<()> {
        say!("{} application(s)", units.len());
        for unit in units {
            let applied = day(unit.applied_s);
            let by =
                if unit.operators.is_empty() { String::new() } else { format!(" by {}", unit.operators) };
            let (state, kind, name) = (&unit.state, &unit.kind, &unit.name);
            say!(
                "  unit {:<6}region {:<4}{kind:<12}applied {applied}  {state}{by}  {name}, {}",
                unit.unit,
                unit.region,
                unit.region_name
            );
        }
        Ok(())
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
