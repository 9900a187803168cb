//! The planned events of a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::brokers::SERVERS;
use crate::impair::Conditions;

/// An event during the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The start, seconds from the start of the run.
    pub at_s: f64,
    /// The length, seconds, of an event that has an end.
    pub for_s: Option<f64>,
    /// The event.
    #[serde(rename = "do")]
    pub what: What,
    /// The carrier, for an event of the kind `carrier`.
    pub carrier: Option<String>,
    /// The simulated carrier's fault.
    pub mode: Option<String>,
    /// The delay of that fault, milliseconds.
    pub ms: Option<u32>,
    /// The number of people whose colour changes, or of brokers that die.
    pub count: Option<u32>,
    /// The gateway of a fleet that is killed or ended [default: the leader].
    pub gateway: Option<Part>,
    /// True if brokers lose what they have stored.
    #[serde(default)]
    pub wipe: bool,
    /// The conditions of the network during the event; afterwards the scenario's own apply again.
    pub network: Option<Conditions>,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A carrier gets a fault.
    Carrier,
    /// The gateway is killed by SIGKILL, and started again at the end.
    Kill,
    /// The gateway is ended by SIGTERM, and started again.
    Terminate,
    /// The disk of the gateway's punch log is full.
    FillDisk,
    /// The network changes.
    Network,
    /// Every device appears under another address.
    Rebind,
    /// Every device loses its connection.
    Disconnect,
    /// Two operators turn people red; devices must see it at once.
    Colours,
    /// Each gateway of a fleet is ended by SIGTERM and started again, one after another, the leader last.
    Roll,
    /// Brokers of a fleet die, and are started again at the end.
    Brokers,
    /// The leader of a fleet does not reach the brokers; people and devices reach it.
    Cut,
}

impl Event {
    /// Returns it in a few words.
    pub(crate) fn words(&self) -> String {
        let part = match self.gateway {
            None => "the gateway",
            Some(Part::Leader) => "the gateway that leads",
            Some(Part::Follower) => "a gateway that follows",
        };
        match self.what {
            What::Carrier => {
                let name = self.carrier.as_deref().unwrap_or_default();
                format!("carrier {name} is {}", self.mode.as_deref().unwrap_or_default())
            }
            What::Kill => format!("{part} is killed"),
            What::Terminate => format!("{part} is told to end"),
            What::FillDisk => "the disk is full".to_owned(),
            What::Network => "the network changes".to_owned(),
            What::Rebind => "every device moves to another address".to_owned(),
            What::Disconnect => "every device loses its connection".to_owned(),
            What::Colours => format!("{} people are turned red", self.count.unwrap_or(0)),
            What::Roll => "the gateways are ended and started again, one after another".to_owned(),
            What::Brokers => {
                let wiped = if self.wipe { ", with what they have stored" } else { "" };
                format!("{} of {SERVERS} brokers die{wiped}", self.count.unwrap_or(0))
            }
            What::Cut => "the leader does not reach the brokers".to_owned(),
        }
    }
}

impl What {
    /// Returns true if only a fleet has it.
    pub(crate) const fn is_of_fleets(self) -> bool {
        match self {
            Self::Roll | Self::Brokers | Self::Cut => true,
            Self::Carrier
            | Self::Kill
            | Self::Terminate
            | Self::FillDisk
            | Self::Network
            | Self::Rebind
            | Self::Disconnect
            | Self::Colours => false,
        }
    }
}

/// The part of a gateway in its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The gateway that leads.
    Leader,
    /// One of the others.
    Follower,
}
