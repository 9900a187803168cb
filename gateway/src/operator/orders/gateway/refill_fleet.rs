//! The order that makes the registry's stream anew after the broker is lost with its data. No gateway leads then, so that it stands in the rows
//! of the registry that are this gateway's alone.

use fleet::{Place, Refilled};
use registry::operator::{self, Role};
use serde::{Deserialize, Serialize};

use super::join_fleet::part;
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The wish to make the stream anew behind what this gateway has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefillFleet {
    /// The name in the fleet of the gateway that is to do it.
    pub(crate) gateway: String,
    pub(crate) case: String,
}

impl Order for RefillFleet {
    const NAME: &'static str = "refill-fleet";
    const REPLY: &'static str = "refilled";
    const ROLE: Role = Role::Admin;
    type Reply = Refilled;

    /// Two, as soon as there have been two.
    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| Ok(operator::to_add(registry, &[Role::Admin])?))
    }

    fn is_local() -> bool {
        true
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Refilled> {
        Ok(part(&given, &self.gateway, &self.case)?.refill()?)
    }

    fn show(reply: &Refilled) -> anyhow::Result<()> {
        let Refilled { position, others } = reply;
        say!(
            "The stream goes on behind {position}. A gateway leads within seconds and stores a snapshot; those with less join by it."
        );
        for Place { name, position } in others {
            say!("  {name:<10}has {position}");
        }
        say!(
            "A gateway that was away and has more does not follow, and says so: `changtong fleet join` there keeps a copy."
        );
        Ok(())
    }
}
