//! The outcome of a run, whole: the JSON report is this, the schema is made from it, and every other form of the report is
//! drawn from it. No sums here but those that turn counts into a verdict.

use std::collections::BTreeMap;

use bench::machine::Machine;
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Scenario, Threshold};

mod file;
pub mod schema;
mod verdict;

pub use file::{REPORT_FILE, ReportError};
pub use verdict::{Exit, Verdict};

/// The layout of the report.
pub const REPORT_VERSION: u32 = 1;

/// The report of one run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The layout: [`REPORT_VERSION`].
    pub version: u32,
    /// True if Monday holds, and if not, why.
    pub verdict: Verdict,
    /// The run.
    pub run: Run,
    /// The scenario as it was read.
    pub scenario: Scenario,
    /// The generator itself.
    pub generator: GeneratorReport,
    /// Every kind that was asked for, over all stages that are no warm-up.
    pub total: BTreeMap<Kind, KindReport>,
    /// Stage by stage.
    pub stages: Vec<StageReport>,
    /// Interval by interval.
    pub series: Vec<PointReport>,
    /// The claims against what is recorded.
    pub proof: ProofReport,
    /// The thresholds with what was measured.
    pub thresholds: Vec<ThresholdReport>,
    /// The events meanwhile.
    pub events: Vec<EventReport>,
    /// The network's effect on packets; absent if nothing stood between.
    pub network: Option<BTreeMap<String, u64>>,
    /// The gateway's own figures, by name, interval by interval.
    pub server: Vec<ServerSeries>,
}

/// The run, where.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When it started, RFC 3339.
    pub started: String,
    /// The time that people came, seconds.
    pub seconds: f64,
    /// The seed of chance.
    pub seed: u64,
    /// SHA-256 over everything that was offered, hexadecimal: the same scenario and seed give the same.
    pub plan_sha256: String,
    /// The command that repeats it.
    pub command: String,
    /// The commit of the sources in the directory where it ran, if these are under version control.
    pub commit: Option<String>,
    /// This program's version.
    pub loadtest: String,
    /// The gateway's version, as it says itself.
    pub gateway: Option<String>,
    /// The machine.
    pub machine: Machine,
}

/// The generator itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorReport {
    /// Its lateness at visits, milliseconds.
    pub late: Quantiles,
    /// The load of its thread in its busiest stage, 0 to 1; absent if the machine does not say.
    pub busy_share: Option<f64>,
    /// Packets that the kernel dropped before this program read them; absent if it does not say.
    pub dropped_packets: Option<u64>,
    /// Times that a device was welcomed.
    pub welcomed: u64,
    /// Connections that devices lost, or did not get.
    pub lost: u64,
    /// Processor time of the gateway a person who was answered, microseconds.
    pub gateway_us_each: Option<f64>,
    /// Processor time of this program a person who was answered, microseconds.
    pub own_us_each: Option<f64>,
}

/// Points of a distribution, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The number of values.
    pub count: u64,
    /// Half are below.
    pub p50_ms: f64,
    /// 90 of 100.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The highest.
    pub max_ms: f64,
}

impl Quantiles {
    /// Those of a histogram of microseconds.
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

/// One kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindReport {
    /// People whose time came.
    pub offered: u64,
    /// Requests for them, repeated ones too.
    pub tries: u64,
    /// People who were answered.
    pub answered: u64,
    /// People who left without an answer, by the last reason.
    pub failed: BTreeMap<String, u64>,
    /// From the intended time.
    pub latency: Quantiles,
    /// From when it was sent.
    pub service: Quantiles,
    /// Latency over the whole distribution: share of people, 0 to 1, and milliseconds; for a plot.
    pub curve: Vec<(f64, f64)>,
}

/// One stage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// When it began, seconds from the start.
    pub from_s: f64,
    /// When it ended.
    pub to_s: f64,
    /// True if it counts nowhere else.
    pub warm_up: bool,
    /// Every kind that was asked for.
    pub kinds: BTreeMap<Kind, KindReport>,
}

/// One interval.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointReport {
    /// When it ended, seconds from the start.
    pub at_s: f64,
    /// Its duration.
    pub seconds: f64,
    /// Every kind that is asked for.
    pub kinds: BTreeMap<Kind, IntervalReport>,
}

/// One kind in one interval, by when things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalReport {
    /// People whose time came.
    pub offered: u64,
    /// Requests for them, repeated ones too.
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

/// The claims against what is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofReport {
    /// Punches that devices hold acknowledgements for.
    pub acknowledged: u64,
    /// Punches of these devices in the ledger.
    pub recorded: u64,
    /// Acknowledged and not recorded.
    pub lost: u64,
    /// Recorded more than once.
    pub doubled: u64,
    /// Recorded before an earlier punch of the same device.
    pub disordered: u64,
    /// Recorded otherwise than acknowledged.
    pub altered: u64,
    /// Recorded and never sent.
    pub invented: u64,
    /// Punches without an acknowledgement at the end.
    pub unacknowledged: u64,
    /// Verdicts of another colour than the person has, or of an advice that the colour forbids.
    pub wrong_verdicts: u64,
    /// Colours that were changed meanwhile.
    pub colours_changed: u64,
    /// From the operators' order until a device saw the new colour, milliseconds.
    pub colour_lag: Quantiles,
    /// Verdicts that still showed the old colour though they were asked for after the order was done.
    pub stale_verdicts: u64,
    /// The place where personal data was looked for.
    pub searched: Vec<String>,
    /// Pieces of personal data that were looked for.
    pub searched_for: u64,
    /// The finds, by where; never the data itself.
    pub leaked: Vec<String>,
    /// Devices that stopped early, and why.
    pub stopped: Vec<String>,
}

/// One threshold with what was measured.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdReport {
    /// The threshold.
    pub threshold: Threshold,
    /// The measured value; absent if nobody was answered, or if a quantile lies among those who left without an answer.
    pub measured: Option<f64>,
    /// People whom it rests on: those who came and went, with an answer or without.
    #[serde(default)]
    pub people: u64,
    /// True if it holds.
    pub holds: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventReport {
    /// When it began, seconds from the start.
    pub from_s: f64,
    /// When it was over.
    pub to_s: Option<f64>,
    /// The fault, in words.
    pub what: String,
    /// True if it could be done; a run to which something else happened than was asked for says nothing.
    pub done: bool,
    /// The outcome of it, in words.
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
    /// Seconds from the start, and the value.
    pub points: Vec<(f64, f64)>,
}
