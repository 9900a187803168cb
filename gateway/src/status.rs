//! The state of a running gateway in one answer: identity, readiness, rates, and present troubles.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The state of a running gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) data: PathBuf,
    /// True if all people that it serves are synthetic.
    pub(crate) test: bool,
    pub(crate) up_s: u64,
    pub(crate) listens: Listens,
    /// The text of `/ready`.
    pub(crate) stage: String,
    pub(crate) devices: Devices,
    /// Per second over the last minute; `None` until there are two readings of the metrics.
    pub(crate) punches: Option<f64>,
    pub(crate) verifies: Option<f64>,
    /// The last log sequence number that is on disk.
    pub(crate) durable_lsn: u64,
    pub(crate) clock: Clock,
    /// The alerts that are raised, those that wake a person first.
    pub(crate) troubles: Vec<Trouble>,
}

/// The addresses on which it listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listens {
    pub(crate) quic: String,
    /// The threads that serve devices there.
    pub(crate) fronts: usize,
    pub(crate) enrol: String,
    pub(crate) http: String,
    pub(crate) pages: Option<String>,
}

/// The numbers of devices.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Devices {
    pub(crate) connected: usize,
    /// Devices with a valid certificate.
    pub(crate) enrolled: usize,
}

/// The state of the wall clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Clock {
    pub(crate) believed: bool,
    /// The difference from the believed time.
    pub(crate) step_s: f64,
}

/// An alert that is raised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) id: String,
    /// `page`: act now; `ticket`: within the working day.
    pub(crate) severity: String,
    pub(crate) what: String,
    pub(crate) action: String,
    /// The file name, without its ending, of the runbook with the section of that id.
    pub(crate) runbook: String,
}
