//! The settings of a gateway, whether a file says them or the development city makes them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keys::Keys;
use ledger::LedgerConfig;

use super::{Carrier, Fleet, Fronts, Operators, Pages, Sms};

/// The places of things and their names.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    /// True if everybody it serves is made up.
    pub(crate) test: bool,
    pub(crate) keys: PathBuf,
    /// The directory of the device authority.
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) quic: SocketAddr,
    /// The number of threads that serve devices.
    pub(crate) fronts: Fronts,
    /// The connections of devices, on all fronts together.
    pub(crate) connections_max: usize,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
    /// The place where citizens' pages are served; `None` for a gateway without pages.
    pub(crate) pages: Option<Pages>,
    pub(crate) segment_bytes_max: u64,
    pub(crate) queue_punches_max: usize,
    pub(crate) retention_days: u32,
    /// The policy's file.
    pub(crate) policy: PathBuf,
    /// The level of the log, unless the command line says it.
    pub(crate) log: String,
    pub(crate) operators: Operators,
    /// Whom to ask for trajectories.
    pub(crate) carriers: Vec<Carrier>,
    /// The way of codes to phones.
    pub(crate) sms: Sms,
    /// Other gateways of the same city; `None` for a gateway that is alone.
    pub(crate) fleet: Option<Fleet>,
}

impl Settings {
    /// The registry's file.
    pub(crate) fn registry_path(data: &Path) -> PathBuf {
        data.join("registry.db")
    }

    /// The punch log's directory.
    pub(crate) fn ledger_path(data: &Path) -> PathBuf {
        data.join("ledger")
    }

    /// Returns the pages on which carriers show citizens their trajectory: name, Chinese name, address.
    pub(crate) fn travel_pages(&self) -> Vec<[String; 3]> {
        let page =
            |carrier: &Carrier| [carrier.name.clone(), carrier.name_zh.clone(), carrier.travel_page.clone()];
        self.carriers.iter().map(page).collect()
    }

    pub(crate) fn ledger(&self, keys: &Keys) -> LedgerConfig {
        LedgerConfig {
            directory: Self::ledger_path(&self.data),
            day_keys: self.keys.join("days"),
            signing_pkcs8: keys.signing_pkcs8().to_vec(),
            segment_bytes_max: self.segment_bytes_max,
            retention_days: self.retention_days,
            queue_punches_max: self.queue_punches_max,
        }
    }
}
