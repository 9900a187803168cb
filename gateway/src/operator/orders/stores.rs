//! The order to take the punch log and the registry as they are, though they do not vouch for each other: after one of them was
//! restored, or lost for good. No gateway runs on them. What the two say stands in `actors::vouch`.

use actors::vouch::{self, Stores};
use anyhow::bail;
use registry::operator::Signed;
use runtime::clock;

use super::Ordered;
use crate::config::Settings;
use crate::host::vouching;
use crate::operator::OperatorContext;

/// Accepts what is there, and says what differed. Operators, case and difference stay on record in the registry.
pub(super) fn accept(admin: &OperatorContext, case: &str, by: &Signed) -> anyhow::Result<Ordered> {
    if admin.running.is_some() {
        bail!("a gateway runs on these stores, so they belong together; nothing is to be accepted");
    }
    let case = case.trim();
    if case.is_empty() {
        bail!("an order to accept stores names its case");
    }
    let (ledger, day_keys) = admin.log.clone();
    let data = ledger.parent().map(ToOwned::to_owned).unwrap_or_default();
    let stores = Stores { registry: Settings::registry_path(&data), ledger, day_keys };
    let lsn = ledger::last_lsn(&stores.ledger)?.unwrap_or(0);
    let by = format!("{}, case {case}", by.operators);
    let accepted = admin.write(|registry| {
        vouch::accept(registry, &stores, lsn, &by, clock::now_ms()).map_err(vouching::plain)
    })?;
    if let Some(difference) = &accepted {
        tracing::warn!(%difference, "operators accepted stores that do not vouch for each other");
    }
    Ok(Ordered::Stores { accepted: accepted.map(|difference| difference.to_string()) })
}
