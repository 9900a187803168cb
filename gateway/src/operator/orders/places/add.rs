//! The order that adds a place.

use actors::registrar::{Registrar, RegistryChange};
use actors::residence::visible;
use anyhow::Context;
use policy::PlaceKind;
use protocol::RegionId;
use registry::PlaceRow;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{PlaceAct, PlaceLine, lines, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{AnyOrder, Given, Order, Ordered, Tell};

/// A new place; the reply has the text of its printed code.
#[derive(Serialize, Deserialize)]
pub(crate) struct AddPlace {
    pub(crate) region: u16,
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl From<AddPlace> for AnyOrder {
    fn from(order: AddPlace) -> Self {
        PlaceAct::Add(order).into()
    }
}

impl Order for AddPlace {
    const NAME: &'static str = "add-place";
    const REPLY: &'static str = "places";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<PlaceLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<PlaceLine>> {
        let place = given.change(self)?;
        given.context.follow_place(&place);
        lines(given.context, [place])
    }

    fn show(places: &Vec<PlaceLine>) -> anyhow::Result<()> {
        show(places);
        Ok(())
    }
}

impl RegistryChange for Ordered<AddPlace> {
    type Reply = PlaceRow;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<PlaceRow> {
        let AddPlace { region, kind, name } = self.order;
        let kinds = || PlaceKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let kind =
            PlaceKind::from_name(&kind).with_context(|| format!("a place's kind is one of {}", kinds()))?;
        let name = visible(&name).context("a place's name is 1 to 64 characters that can be seen")?;
        Ok(registrar.registry().add_place_of(RegionId(region), kind, &name)?)
    }
}
