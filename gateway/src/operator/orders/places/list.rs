//! The order that lists the places.

use registry::operator::Role;

use super::{PlaceAct, PlaceLine, lines, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Tell};

/// The list of all places.
pub(crate) struct ListPlaces;

impl From<ListPlaces> for AnyOrder {
    fn from(_: ListPlaces) -> Self {
        PlaceAct::List.into()
    }
}

impl Order for ListPlaces {
    const NAME: &'static str = "list-places";
    const REPLY: &'static str = "places";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<PlaceLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<PlaceLine>> {
        lines(context, context.read(|registry| Ok(registry.all_places()?))?)
    }

    fn show(places: &Vec<PlaceLine>) -> anyhow::Result<()> {
        show(places);
        Ok(())
    }
}
