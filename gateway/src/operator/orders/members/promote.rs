//! The order that another gateway of the fleet leads.

use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::Named;
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The lead, to be handed over to another gateway.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromoteGateway {
    /// Its name in the fleet.
    pub(crate) gateway: String,
}

impl Order for PromoteGateway {
    const NAME: &'static str = "promote-gateway";
    const REPLY: &'static str = "promoted";
    const ROLE: Role = Role::Admin;
    type Reply = Named;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Named> {
        super::roster(given.context)?.promote(self.gateway.clone())?;
        Ok(Named { gateway: self.gateway })
    }

    fn show(Named { gateway }: &Named) -> anyhow::Result<()> {
        say!("{gateway} is to lead in some seconds; `changtong fleet status` shows when it does");
        Ok(())
    }
}
