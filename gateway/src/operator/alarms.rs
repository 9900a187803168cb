//! Alarms about acts of operators: bursts of manual reds and of look-ups, and appeals without an answer. They are counted in the
//! registry, so that a restart forgets none of them; limits and their reasons are in the modules of the acts.

use actors::registrar;
use protocol::metric;
use registry::lookups;
use registry::{Registry, RegistryError};

/// Sets the alarm gauges to how things stand.
pub(crate) fn tell(registry: &Registry, now_s: u64) -> Result<(), RegistryError> {
    let flag = |on: bool| f64::from(u8::from(on));
    metrics::gauge!(metric::MANUAL_REDS_BURST).set(flag(registrar::is_burst_of_reds(registry, now_s)?));
    metrics::gauge!(metric::LOOKUPS_BURST).set(flag(lookups::is_burst(registry, now_s)?));
    let (open, overdue) = registry.appeals_open(now_s)?;
    metrics::gauge!(metric::APPEALS_OPEN).set(open as f64);
    metrics::gauge!(metric::APPEALS_OVERDUE).set(overdue as f64);
    Ok(())
}
