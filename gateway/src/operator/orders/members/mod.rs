//! Orders about the gateways of a fleet, at the one that leads.

pub(super) mod promote;
pub(super) mod remove;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;

/// The gateway that an order was about.
#[derive(Serialize, Deserialize)]
pub(crate) struct Named {
    /// Its name in the fleet.
    pub(crate) gateway: String,
}

/// Returns the way of orders to the fleet's thread.
fn roster(context: &OperatorContext) -> anyhow::Result<&fleet::Roster> {
    let peers = context.running()?.peers.as_ref();
    Ok(peers.context("this gateway is in no fleet: its configuration has no [fleet]")?.roster())
}
