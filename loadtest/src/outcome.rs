//! The report of a run, complete: the JSON report is made of these types, the schema is made from them, and every other form of the report is
//! drawn from them. Nothing is computed here but the verdict.

use std::collections::BTreeMap;

use bench::machine::Machine;
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Scenario, Threshold};

mod file;
mod fleet;
pub mod schema;
mod verdict;

pub use file::{REPORT_FILE, ReportError};
pub use fleet::{FleetReport, LeaderReport, PromiseReport};
pub use verdict::{Exit, Verdict};

/// The version of the report's layout.
pub const REPORT_VERSION: u32 = 1;

/// The report of one run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of the layout: [`REPORT_VERSION`].
    pub version: u32,
    /// The verdict with its reasons.
    pub verdict: Verdict,
    /// The facts of the run.
    pub run: Run,
    /// The scenario as it was read.
    pub scenario: Scenario,
    /// The generator's own performance.
    pub generator: GeneratorReport,
    /// The figures of each kind that was asked for, over all stages but the warm-up.
    pub total: BTreeMap<Kind, KindReport>,
    /// The figures of each stage.
    pub stages: Vec<StageReport>,
    /// The figures of each interval.
    pub series: Vec<PointReport>,
    /// The comparison of acknowledgements and punch log.
    pub proof: ProofReport,
    /// The thresholds with the measured values.
    pub thresholds: Vec<ThresholdReport>,
    /// The events during the run.
    pub events: Vec<EventReport>,
    /// The counts of packets by effect of the simulated network; absent without one.
    pub network: Option<BTreeMap<String, u64>>,
    /// The gateway's own figures over the run; in a fleet those of the first gateway.
    pub server: Vec<ServerSeries>,
    /// The part of a report about several gateways; absent with one.
    #[serde(default)]
    pub fleet: Option<FleetReport>,
}

/// The facts of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The start, RFC 3339.
    pub started: String,
    /// The time during which people came, seconds.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
    /// SHA-256 over all visits of the plan, hexadecimal: the same scenario and seed give the same.
    pub plan_sha256: String,
    /// The command that repeats the run.
    pub command: String,
    /// The commit of the sources in the working directory, if these are under version control.
    pub commit: Option<String>,
    /// The load test's version.
    pub loadtest: String,
    /// The gateway's version, from its metrics.
    pub gateway: Option<String>,
    /// The gateway's fronts, from its metrics: the threads that serve devices.
    pub fronts: Option<u32>,
    /// The machine.
    pub machine: Machine,
}

/// The generator's own performance.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorReport {
    /// The generator's lateness at visits, milliseconds.
    pub late: Quantiles,
    /// The load of its thread in its busiest stage, 0 to 1; absent if the system does not tell.
    pub busy_share: Option<f64>,
    /// Packets that the kernel dropped before this program read them; absent if the system does not tell.
    pub dropped_packets: Option<u64>,
    /// The number of connections that the gateway welcomed.
    pub welcomed: u64,
    /// The number of connections that devices lost, or did not get.
    pub lost: u64,
    /// Processor time of the gateway for each answered person, microseconds.
    pub gateway_us_each: Option<f64>,
    /// Processor time of this program for each answered person, microseconds.
    pub own_us_each: Option<f64>,
}

/// Quantiles of a distribution, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The number of values.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The 99.9th percentile.
    pub p999_ms: f64,
    /// The maximum.
    pub max_ms: f64,
}

impl Quantiles {
    /// Returns the quantiles of a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
        }
    }
}

/// The figures of one kind of visit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindReport {
    /// People who came.
    pub offered: u64,
    /// Requests for these people, repeated ones too.
    pub tries: u64,
    /// People who were answered.
    pub answered: u64,
    /// People who left without an answer, by the reason of the last try.
    pub failed: BTreeMap<String, u64>,
    /// Latency from the intended time.
    pub latency: Quantiles,
    /// Service time, from when the request was sent.
    pub service: Quantiles,
    /// The latency distribution for a plot: share of people, 0 to 1, and milliseconds.
    pub curve: Vec<(f64, f64)>,
}

/// The figures of one stage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// The start, seconds from the start of the run.
    pub from_s: f64,
    /// The end.
    pub to_s: f64,
    /// True if it is left out of all other figures.
    pub warm_up: bool,
    /// The figures of each kind that was asked for.
    pub kinds: BTreeMap<Kind, KindReport>,
}

/// The figures of one interval.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointReport {
    /// The end, seconds from the start of the run.
    pub at_s: f64,
    /// The length.
    pub seconds: f64,
    /// The figures of each kind.
    pub kinds: BTreeMap<Kind, IntervalReport>,
}

/// The figures of one kind in one interval. An event counts in the interval in which it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalReport {
    /// People who came.
    pub offered: u64,
    /// Requests for these people, repeated ones too.
    pub tries: u64,
    /// People who were answered.
    pub answered: u64,
    /// People who left without an answer.
    pub failed: u64,
    /// Median latency, milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
}

/// The comparison of acknowledgements and punch log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofReport {
    /// Punches for which devices hold an acknowledgement.
    pub acknowledged: u64,
    /// Punches of these devices in the punch log.
    pub recorded: u64,
    /// Punches acknowledged and not recorded.
    pub lost: u64,
    /// Punches recorded more than once.
    pub doubled: u64,
    /// Punches recorded before an earlier punch of the same device.
    pub disordered: u64,
    /// Punches recorded with other values than acknowledged.
    pub altered: u64,
    /// Punches recorded and never sent.
    pub invented: u64,
    /// Punches without an acknowledgement at the end.
    pub unacknowledged: u64,
    /// Verdicts with another colour than the person has, or with an advice that the colour forbids.
    pub wrong_verdicts: u64,
    /// Colours that were changed during the run.
    pub colours_changed: u64,
    /// Time from the operators' order until a device saw the new colour, milliseconds.
    pub colour_lag: Quantiles,
    /// Verdicts with the old colour that were asked for after the order was done.
    pub stale_verdicts: u64,
    /// The places that were searched for personal data.
    pub searched: Vec<String>,
    /// The number of items of personal data that were searched for.
    pub searched_for: u64,
    /// The places where personal data was found; never the data itself.
    pub leaked: Vec<String>,
    /// Devices that stopped early, each with the reason.
    pub stopped: Vec<String>,
}

/// A threshold with the measured value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdReport {
    /// The thresholds.
    pub threshold: Threshold,
    /// The measured value; absent if no person was answered, or if a quantile lies among people who left without an answer.
    pub measured: Option<f64>,
    /// The number of people behind the figure: those who came and left, with an answer or without.
    #[serde(default)]
    pub people: u64,
    /// True if it holds.
    pub holds: bool,
}

/// An event of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventReport {
    /// The start, seconds from the start of the run.
    pub from_s: f64,
    /// The end, seconds from the start of the run.
    pub to_s: Option<f64>,
    /// The event, in words.
    pub what: String,
    /// True if the event could be made to happen; otherwise the run is invalid.
    pub done: bool,
    /// The result, in words.
    pub outcome: String,
}

/// One of the gateway's own figures over the run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSeries {
    /// Its name, in words.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Seconds from the start of the run, and the value.
    pub points: Vec<(f64, f64)>,
}
