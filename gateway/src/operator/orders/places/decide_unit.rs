//! The order that decides on a unit's application for a code of its own.

use actors::registrar::{Registrar, RegistryChange};
use registry::PlaceRow;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{PlaceAct, PlaceLine, lines, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Ordered, Tell};

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
        let place = given.change(self)?;
        place.iter().for_each(|place| given.context.follow_place(place));
        lines(given.context, place)
    }

    fn show(places: &Vec<PlaceLine>) -> anyhow::Result<()> {
        show(places);
        Ok(())
    }
}

impl RegistryChange for Ordered<DecideUnit> {
    type Reply = Option<PlaceRow>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Option<PlaceRow>> {
        let Self { order: DecideUnit { unit, approved }, by, now_s, .. } = self;
        Ok(registrar.registry().decide_unit(unit, approved, &by.operators, now_s)?)
    }
}
