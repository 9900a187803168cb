//! The layout of a scenario file: the people, the devices, the rates over time, the faults and the thresholds.
//! `read.rs` reads and checks a file, `curve.rs` makes the curve of its stages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::impair::Conditions;

mod check;
pub mod curve;
mod event;
pub mod plan;
mod read;
mod resize;
mod shipped;

pub use event::{Event, Part, What};
pub use read::{ScenarioError, load, parse};
pub use shipped::{SHIPPED, Shipped};

/// One scenario file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as in `loadtest run NAME`.
    pub name: String,
    /// Its subject, in a sentence.
    pub about: String,
    /// The source of its figures; absent if it is made up.
    pub source: Option<String>,
    /// The expected result of a drill, in a sentence.
    pub expected: Option<String>,
    /// The city that is built for it.
    pub city: City,
    /// The people who come.
    #[serde(default)]
    pub population: Population,
    /// The devices.
    #[serde(default)]
    pub fleet: Vec<Posts>,
    /// The mix of visits.
    #[serde(default)]
    pub mix: Mix,
    /// The stages in order.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// The retries of people without an answer.
    #[serde(default)]
    pub retry: Retry,
    /// The conditions of the network between devices and gateway.
    #[serde(default)]
    pub network: Conditions,
    /// The events during the run.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
    /// The thresholds.
    #[serde(default, rename = "threshold")]
    pub thresholds: Vec<Threshold>,
    /// The limits beyond which the generator itself counts as the bottleneck.
    #[serde(default)]
    pub generator: Generator,
}

/// The development city of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// Codes in memory.
    pub people: u32,
    /// The number of gates; ten concentrators and ten handhelds are added.
    pub gates: u32,
    /// The number of gateways. More than one are a fleet over three brokers, all of them processes of the run.
    #[serde(default = "alone")]
    pub gateways: u32,
}

/// The people who come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// The skew of people's frequencies: the n-th most frequent person comes as often as n to the power of minus this. 0 is even.
    pub skew: f64,
    /// People who are signed in to the pages before the run; they show their codes and open places' pages.
    pub signed_in: u32,
    /// Consent receipts made before the run, each valid for one trajectory query at a checkpoint.
    pub receipts: u32,
}

/// A group of devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Posts {
    /// The kind of device: gate, handheld (a staff's PDA or phone), concentrator (a bus, several gates behind one box).
    pub class: PostClass,
    /// The number of devices that take part.
    pub count: u32,
    /// The share of people who come to one of these, relative to the other groups.
    #[serde(default = "one")]
    pub weight: f64,
    /// The time that a device needs for a person after the verdict, milliseconds.
    #[serde(default)]
    pub think_ms: u32,
    /// The time for which a device collects scans before it sends them together, milliseconds.
    #[serde(default)]
    pub gather_ms: u32,
    /// The regions of the devices; all regions if empty.
    #[serde(default)]
    pub regions: Vec<u16>,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PostClass {
    /// A turnstile or door.
    Gate,
    /// A PDA or a staff's phone.
    Handheld,
    /// Several scanners behind one connection.
    Concentrator,
}

/// The shares of the kinds of visits, relative to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Scans verified without a record.
    pub verify: f64,
    /// Punches.
    pub punch: f64,
    /// Trajectory queries by devices, each with a receipt.
    pub query: f64,
    /// Places' pages opened.
    pub place: f64,
    /// Code pages opened.
    pub code: f64,
    /// Applications sent.
    pub apply: f64,
}

impl Default for Mix {
    /// Returns ten verified codes for one recorded punch, as in public reports.
    fn default() -> Self {
        Self { verify: 10.0, punch: 1.0, query: 0.0, place: 0.0, code: 0.0, apply: 0.0 }
    }
}

/// The kind of a visit. The order is that of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A scan verified without a record.
    Verify,
    /// A punch.
    Punch,
    /// A trajectory query by a device.
    Query,
    /// A place's page opened.
    Place,
    /// Code pages opened.
    Code,
    /// An application sent.
    Apply,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Verify, Self::Punch, Self::Query, Self::Place, Self::Code, Self::Apply];

    /// Returns the name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Punch => "punch",
            Self::Query => "query",
            Self::Place => "place",
            Self::Code => "code",
            Self::Apply => "apply",
        }
    }

    /// Returns true if a device sends it; the others go to the pages.
    pub(crate) fn of_devices(self) -> bool {
        match self {
            Self::Verify | Self::Punch | Self::Query => true,
            Self::Place | Self::Code | Self::Apply => false,
        }
    }
}

impl Mix {
    /// Returns the share of one kind, relative to the others.
    pub fn share(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Verify => self.verify,
            Kind::Punch => self.punch,
            Kind::Query => self.query,
            Kind::Place => self.place,
            Kind::Code => self.code,
            Kind::Apply => self.apply,
        }
    }
}

/// A stage of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name in the report.
    pub name: String,
    /// The way in which the rate moves.
    pub kind: StageKind,
    /// The length, seconds.
    pub seconds: f64,
    /// People a second at its end, or at the top of a spike. A hold has none: it keeps the rate before it.
    pub rate: Option<f64>,
    /// True if it is left out of all figures; the first stages only.
    #[serde(default)]
    pub warm_up: bool,
}

/// The way in which the rate of a stage moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// The rate stays.
    Hold,
    /// The rate jumps.
    Step,
    /// The rate changes evenly.
    Ramp,
    /// The rate changes evenly in the first half and back in the second.
    Spike,
}

/// The conduct of people who have waited long enough or were refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The time that a person waits for an answer, milliseconds.
    pub patience_ms: u32,
    /// The share of people who try again without an answer; the others leave.
    pub again: f64,
    /// The limit of tries.
    pub times_max: u8,
    /// The mean time until the next try, milliseconds; it varies by up to a half.
    pub think_ms: u32,
}

impl Default for Retry {
    /// Returns: nine of ten scan again, three times at most, two seconds after five seconds without an answer.
    fn default() -> Self {
        Self { patience_ms: 5_000, again: 0.9, times_max: 3, think_ms: 2_000 }
    }
}

/// The bounds of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The kind of visit.
    pub of: Kind,
    /// The figure.
    pub figure: Figure,
    /// The stage; without one, all stages but the warm-up.
    pub stage: Option<String>,
    /// The maximum.
    pub max: Option<f64>,
    /// The minimum.
    pub min: Option<f64>,
}

/// A figure of one kind. Latency is from the intended time, service time from when the request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Median latency, milliseconds.
    P50Ms,
    /// Latency at the 99th percentile, milliseconds.
    P99Ms,
    /// Latency at the 99.9th percentile, milliseconds.
    P999Ms,
    /// Median service time, milliseconds.
    ServiceP50Ms,
    /// Service time at the 99th percentile, milliseconds.
    ServiceP99Ms,
    /// The share of people who were answered, 0 to 1.
    AnsweredShare,
    /// People answered a second.
    AnsweredRate,
}

impl Figure {
    /// Returns the number of people that a figure needs: ten, and for a quantile as many as put one of them beyond it.
    pub(crate) fn people_min(self) -> u64 {
        match self {
            Self::P50Ms | Self::ServiceP50Ms | Self::AnsweredShare | Self::AnsweredRate => 10,
            Self::P99Ms | Self::ServiceP99Ms => 100,
            Self::P999Ms => 1_000,
        }
    }
}

/// The limits beyond which the generator itself counts as the bottleneck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Generator {
    /// The largest lateness at the 99th percentile, milliseconds.
    pub late_p99_ms_max: f64,
    /// The largest load of its thread over a stage, 0 to 1.
    pub busy_share_max: f64,
}

impl Default for Generator {
    /// Returns bounds: a person at a gate does not notice a tenth of a second; a thread above 0.95 has no reserve for bursts.
    fn default() -> Self {
        Self { late_p99_ms_max: 100.0, busy_share_max: 0.95 }
    }
}

const fn alone() -> u32 {
    1
}

fn one() -> f64 {
    1.0
}
