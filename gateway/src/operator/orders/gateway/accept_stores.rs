//! The order to take the punch log and the registry as they are, though they do not vouch for each other: after one of them was
//! restored, or lost for good. No gateway runs on them. What the two say stands in `actors::vouch`.

use actors::vouch::{self, Stores};
use anyhow::bail;
use registry::operator::{self, Role};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::host::vouching;
use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Tell};

/// The acceptance of the stores as they are. Operators, case and difference stay on record in the registry; of a fleet's registry, in the
/// rows that are its own, and not in the order log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptStores {
    pub(crate) case: String,
}

/// The stores as they are accepted.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoresAccepted {
    /// The difference; `None` if they belong together.
    pub(crate) accepted: Option<String>,
}

impl Order for AcceptStores {
    const NAME: &'static str = "accept-stores";
    const REPLY: &'static str = "stores";
    const ROLE: Role = Role::Admin;
    type Reply = StoresAccepted;

    /// Two, as soon as there have been two.
    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| Ok(operator::to_add(registry, &[Role::Admin])?))
    }

    fn at(&self) -> At {
        At::HereIfItLeads
    }

    /// A member of a fleet whose punch log is lost does not start before.
    fn is_local() -> bool {
        true
    }

    fn perform(
        self,
        Given { context, by, .. }: Given<'_>,
        _: &mut Tell<'_>,
    ) -> anyhow::Result<StoresAccepted> {
        if context.running.is_some() {
            bail!("a gateway runs on these stores, so they belong together; nothing is to be accepted");
        }
        let case = self.case.trim();
        if case.is_empty() {
            bail!("an order to accept stores names its case");
        }
        let (ledger, day_keys) = context.log.clone();
        let data = ledger.parent().map(ToOwned::to_owned).unwrap_or_default();
        let stores = Stores { registry: Settings::registry_path(&data), ledger, day_keys };
        let lsn = ledger::last_lsn(&stores.ledger)?.unwrap_or(0);
        let by = format!("{}, case {case}", by.operators);
        let accepted =
            vouch::accept(&context.registrar, &stores, lsn, &by, clock::now_ms()).map_err(vouching::plain)?;
        if let Some(difference) = &accepted {
            tracing::warn!(%difference, "operators accepted stores that do not vouch for each other");
        }
        Ok(StoresAccepted { accepted: accepted.map(|difference| difference.to_string()) })
    }
}
