//! A running gateway's state, in one answer: who it is, whether it is ready, what it does now, and what is wrong with it. Plain texts and
//! numbers; who fills them in stands in `process`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) data: PathBuf,
    /// True if everybody it serves is made up.
    pub(crate) test: bool,
    pub(crate) up_s: u64,
    pub(crate) listens: Listens,
    /// As `/ready` says it.
    pub(crate) stage: String,
    pub(crate) devices: Devices,
    /// A second, over the last minute; `None` until there are two readings.
    pub(crate) punches: Option<f64>,
    pub(crate) verifies: Option<f64>,
    /// Everything up to it is on disk.
    pub(crate) durable_lsn: u64,
    pub(crate) clock: Clock,
    /// Present troubles, those that wake somebody first.
    pub(crate) troubles: Vec<Trouble>,
}

/// The place where it listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listens {
    pub(crate) quic: String,
    pub(crate) enrol: String,
    pub(crate) http: String,
    pub(crate) pages: Option<String>,
}

/// The number of devices.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Devices {
    pub(crate) connected: usize,
    /// Those with a certificate that is good.
    pub(crate) enrolled: usize,
}

/// The wall clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Clock {
    pub(crate) believed: bool,
    /// By how much it is off.
    pub(crate) step_s: f64,
}

/// The fault, and what to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) id: String,
    /// `page`: somebody acts now; `ticket`: within the working day.
    pub(crate) severity: String,
    pub(crate) what: String,
    pub(crate) action: String,
    /// The file of the runbooks whose section has the id.
    pub(crate) runbook: String,
}
