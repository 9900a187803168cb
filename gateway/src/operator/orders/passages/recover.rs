//! The order for the recovery of a gateway that is lost: everybody's passages there, on record before anything is read. The operator who
//! has the recovery key reads the copy at the broker afterwards; the gateway never sees that key.

use anyhow::bail;
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};

/// The reading of the second copy of a gateway's punches.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoverPunches {
    pub(crate) case: String,
    /// The lost gateway's name in the fleet.
    pub(crate) gateway: String,
}

/// The copy that may be read.
#[derive(Serialize, Deserialize)]
pub(crate) struct ToRecover {
    pub(crate) gateway: String,
}

impl Order for RecoverPunches {
    const NAME: &'static str = "recover-punches";
    const REPLY: &'static str = "recovers";
    const ROLE: Role = Role::Records;
    type Reply = ToRecover;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<ToRecover> {
        let Self { case, gateway } = self;
        if gateway.is_empty() {
            bail!("the order names no gateway");
        }
        given.record(Lookup::Export, &case, Subjects::Everybody)?;
        Ok(ToRecover { gateway })
    }
}
