//! The report of a run of several gateways beside the figures of all runs: leaders, promises, and the comparison of the registries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fleet of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetReport {
    /// The names of the gateways.
    pub gateways: Vec<String>,
    /// The gateways that led, the first one from the start.
    pub leaders: Vec<LeaderReport>,
    /// The times that were promised, with the measured ones.
    pub promises: Vec<PromiseReport>,
    /// The longest time from the moment a device had a punch until it was acknowledged, milliseconds.
    pub longest_wait_ms: f64,
    /// Orders of operators that were acknowledged.
    pub orders: u64,
    /// Orders that were refused or not answered, and given again.
    pub orders_again: u64,
    /// Acknowledged applications that were looked for at the end.
    pub forms: u64,
    /// Those of them that were not found.
    pub forms_lost: u64,
    /// Punches that devices held acknowledgements for, and that no gateway confirmed at the end.
    pub unconfirmed: u64,
    /// Punches that gateways reported as lost.
    pub reported_lost: u64,
    /// True if all registries were equal at the end.
    pub registries_equal: bool,
    /// Acts that a gateway did and must not have done.
    pub wrong: Vec<String>,
}

/// A gateway that began to lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderReport {
    /// The time at which it was noticed, seconds from the start of the run.
    pub at_s: f64,
    /// Its name.
    pub gateway: String,
}

/// A time that is promised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromiseReport {
    /// The promise, in words.
    pub what: String,
    /// The longest time for it, seconds.
    pub limit_s: f64,
    /// The measured time, seconds.
    pub measured_s: f64,
    /// True if it holds.
    pub holds: bool,
}

impl PromiseReport {
    /// Compares a measured time with its limit.
    pub fn new(what: impl Into<String>, limit_s: f64, measured_s: f64) -> Self {
        Self { what: what.into(), limit_s, measured_s, holds: measured_s <= limit_s }
    }
}

impl FleetReport {
    /// Returns what is wrong with what the gateways did, in words.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = self.wrong.clone();
        for (count, what) in [
            (self.forms_lost, "acknowledged applications are lost"),
            (self.unconfirmed, "punches are confirmed by no gateway"),
            (self.reported_lost, "punches are reported as lost by a gateway"),
        ] {
            if count > 0 {
                broken.push(format!("{count} {what}"));
            }
        }
        if !self.registries_equal {
            broken.push("the registries of the gateways differ".to_owned());
        }
        broken
    }

    /// Returns the promises that do not hold, in words.
    pub(super) fn late(&self) -> Vec<String> {
        let late = self.promises.iter().filter(|promise| !promise.holds);
        late.map(|one| format!("{}: {:.1} s, {} s promised", one.what, one.measured_s, one.limit_s)).collect()
    }
}
