//! The content of a scenario: who there is, how much of what is asked for and when, what goes wrong meanwhile, and what must hold.
//! These types are the file's layout; reading and checking a file is `read.rs`, the curve of its stages `curve.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::impair::Conditions;

mod check;
pub mod curve;
pub mod plan;
mod read;
mod resize;
mod shipped;

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
    /// The place where its figures come from; absent if it is made up.
    pub source: Option<String>,
    /// The expected outcome of a drill, in a sentence.
    pub expected: Option<String>,
    /// The city that is built for it.
    pub city: City,
    /// The people who come.
    #[serde(default)]
    pub population: Population,
    /// The posts.
    #[serde(default)]
    pub fleet: Vec<Posts>,
    /// The mix of questions.
    #[serde(default)]
    pub mix: Mix,
    /// The stages, when.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// The conduct when nobody answers.
    #[serde(default)]
    pub retry: Retry,
    /// The conditions of the network between devices and gateway.
    #[serde(default)]
    pub network: Conditions,
    /// The events meanwhile.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
    /// The threshold.
    #[serde(default, rename = "threshold")]
    pub thresholds: Vec<Threshold>,
    /// When the generator itself was the bottleneck.
    #[serde(default)]
    pub generator: Generator,
}

/// The development city of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// Codes in memory.
    pub people: u32,
    /// Gates; ten concentrators and ten handhelds come beside them.
    pub gates: u32,
}

/// The people who come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// The skew of people: the n-th most frequent as often as n to the power of minus this. 0 is evenly, 1 is few and often.
    pub skew: f64,
    /// People whose phones are signed in to the pages, made before the run; they show their codes and ask for places.
    pub signed_in: u32,
    /// Consent receipts made before the run, each good for one trajectory query at a checkpoint.
    pub receipts: u32,
}

/// Some of the devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Posts {
    /// The kind of device: gate, handheld (a staff's PDA or phone), concentrator (a bus, several gates behind one box).
    pub class: PostClass,
    /// The number of those who take part.
    pub count: u32,
    /// The weight of one of these, compared with one of the others.
    #[serde(default = "one")]
    pub weight: f64,
    /// The time that one of these takes for a person after the verdict, milliseconds; the next one waits so long.
    #[serde(default)]
    pub think_ms: u32,
    /// The time that one of these gathers scans before it sends them together, milliseconds.
    #[serde(default)]
    pub gather_ms: u32,
    /// The regions in which they stand; all, if none is named.
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

/// Shares of what is asked for, compared with each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Scans verified without a record.
    pub verify: f64,
    /// Punches.
    pub punch: f64,
    /// Trajectory queries of devices, each with a receipt.
    pub query: f64,
    /// Place pages opened.
    pub place: f64,
    /// One's own code shown.
    pub code: f64,
    /// Applications sent.
    pub apply: f64,
}

impl Default for Mix {
    /// Ten shows of a code for one recorded punch, as the public reports say.
    fn default() -> Self {
        Self { verify: 10.0, punch: 1.0, query: 0.0, place: 0.0, code: 0.0, apply: 0.0 }
    }
}

/// One thing that is asked for. The order is that of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A scan verified without a record.
    Verify,
    /// A punch.
    Punch,
    /// A trajectory query of a device.
    Query,
    /// A place page opened.
    Place,
    /// One's own code shown.
    Code,
    /// An application sent.
    Apply,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Verify, Self::Punch, Self::Query, Self::Place, Self::Code, Self::Apply];

    /// As files and reports write it.
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

    /// Says whether a device asks for it; the others go to the pages.
    pub(crate) fn of_devices(self) -> bool {
        match self {
            Self::Verify | Self::Punch | Self::Query => true,
            Self::Place | Self::Code | Self::Apply => false,
        }
    }
}

impl Mix {
    /// The share of one kind, compared with the others.
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

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name in the report.
    pub name: String,
    /// The way in which the rate moves.
    pub kind: StageKind,
    /// The time, seconds.
    pub seconds: f64,
    /// People a second at its end; at the top of a spike. A hold has none: it keeps the rate before it.
    pub rate: Option<f64>,
    /// True if it is left out of every figure; the first stages only.
    #[serde(default)]
    pub warm_up: bool,
}

/// The way in which the rate of a stage moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// It stays what it was.
    Hold,
    /// It jumps to another at once and stays.
    Step,
    /// It goes evenly to another.
    Ramp,
    /// It goes evenly to another in the first half and back in the second.
    Spike,
}

/// The conduct of a person who has waited long enough or was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The time that a person waits for an answer, milliseconds.
    pub patience_ms: u32,
    /// Of those without an answer, this share tries again; the others leave.
    pub again: f64,
    /// The limit of tries.
    pub times_max: u8,
    /// The time until the next try: this long, give or take a half, milliseconds.
    pub think_ms: u32,
}

impl Default for Retry {
    /// Nine of ten scan again, three times at most, two seconds after five seconds of nothing.
    fn default() -> Self {
        Self { patience_ms: 5_000, again: 0.9, times_max: 3, think_ms: 2_000 }
    }
}

/// Something that happens while people come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When it happens, seconds from the start.
    pub at_s: f64,
    /// When it is over, for what has an end: so many seconds later.
    pub for_s: Option<f64>,
    /// The event.
    #[serde(rename = "do")]
    pub what: What,
    /// Which carrier, for what is done to one.
    pub carrier: Option<String>,
    /// The simulated carrier's fault, for what is done to one.
    pub mode: Option<String>,
    /// Milliseconds of that fault, for what has some.
    pub ms: Option<u32>,
    /// The number of people, for colours that change.
    pub count: Option<u32>,
    /// The conditions of the network from then on, for what is done to it; back to the scenario's own when it is over.
    pub network: Option<Conditions>,
}

/// The events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A carrier gets a fault.
    Carrier,
    /// The gateway is killed the hard way, and started again when it is over.
    Kill,
    /// The gateway is told to end in good order, and started again when it has.
    Terminate,
    /// The gateway's disk is full until it is over.
    FillDisk,
    /// The network changes.
    Network,
    /// Every device appears under another address.
    Rebind,
    /// Every device loses its connection.
    Disconnect,
    /// People are turned red by two operators, and must be seen so at once.
    Colours,
}

/// The bound of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Of what.
    pub of: Kind,
    /// Which figure.
    pub figure: Figure,
    /// In which stage; without one, in all that are no warm-up.
    pub stage: Option<String>,
    /// At most this.
    pub max: Option<f64>,
    /// At least this.
    pub min: Option<f64>,
}

/// A figure of one kind. Latency is from the intended time unless it says service: that is from when it was sent.
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
    /// Answered of what was offered, 0 to 1.
    AnsweredShare,
    /// Answers a second.
    AnsweredRate,
}

impl Figure {
    /// People without whom it says nothing: ten, and for a quantile as many as put one of them beyond it.
    pub(crate) fn people_min(self) -> u64 {
        match self {
            Self::P50Ms | Self::ServiceP50Ms | Self::AnsweredShare | Self::AnsweredRate => 10,
            Self::P99Ms | Self::ServiceP99Ms => 100,
            Self::P999Ms => 1_000,
        }
    }
}

/// When the generator counts as the bottleneck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Generator {
    /// At the 99th percentile it may be so late, milliseconds.
    pub late_p99_ms_max: f64,
    /// Its thread may be so busy over a stage, 0 to 1.
    pub busy_share_max: f64,
}

impl Default for Generator {
    /// A tenth of a second is what nobody at a gate notices; a thread above 0.95 has no room for what comes in bursts.
    fn default() -> Self {
        Self { late_p99_ms_max: 100.0, busy_share_max: 0.95 }
    }
}

fn one() -> f64 {
    1.0
}
