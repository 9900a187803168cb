//! The order that a gateway has left the fleet for good.

use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::Named;
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// A gateway that does not run any more, to be taken from the list of gateways.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveGateway {
    /// Its name in the fleet.
    pub(crate) gateway: String,
}

impl Order for RemoveGateway {
    const NAME: &'static str = "remove-gateway";
    const REPLY: &'static str = "removed";
    const ROLE: Role = Role::Admin;
    type Reply = Named;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Named> {
        super::roster(given.context)?.remove(self.gateway.clone())?;
        Ok(Named { gateway: self.gateway })
    }

    fn show(Named { gateway }: &Named) -> anyhow::Result<()> {
        say!(
            "{gateway} is no gateway of the fleet any more: devices forget its address, and punches that only its log has count as lost. \
             The second copy of its punches stays until they are as old as the retention says; `changtong fleet recover {gateway}` reads it"
        );
        Ok(())
    }
}
