//! The order that decides on a unit's application for a code of its own.

use registry::Registry;
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{PlaceAct, PlaceLine, lines, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Tell};

/// A decision on a unit: approved, it is a place from now on.
#[derive(Serialize, Deserialize)]
pub(crate) struct DecideUnit {
    pub(crate) unit: i64,
    pub(crate) approved: bool,
}

impl From<DecideUnit> for AnyOrder {
    fn from(order: DecideUnit) -> Self {
        PlaceAct::DecideUnit(order).into()
    }
}

impl Order for DecideUnit {
    const NAME: &'static str = "decide-unit";
    const REPLY: &'static str = "places";
    const ROLE: Role = Role::Admin;
    /// The place, if one comes of it.
    type Reply = Vec<PlaceLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<PlaceLine>> {
        let (Self { unit, approved }, Given { context, by, .. }) = (self, given);
        let now_s = clock::now_ms() / 1000;
        let decide =
            |registry: &mut Registry| Ok(registry.decide_unit(unit, approved, &by.operators, now_s)?);
        lines(context, context.change_place(decide)?)
    }

    fn show(places: &Vec<PlaceLine>) -> anyhow::Result<()> {
        show(places);
        Ok(())
    }
}
