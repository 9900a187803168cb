//! The fleet file of a development city, in which devices and load tests find its addresses, keys and codes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SEED;

#[derive(Serialize, Deserialize)]
pub(super) struct Fleet {
    pub(super) version: u32,
    pub(super) server_name: String,
    pub(super) quic: Vec<SocketAddr>,
    pub(super) http: SocketAddr,
    pub(super) enrol: SocketAddr,
    #[serde(default)]
    pub(super) pages: Option<SocketAddr>,
    pub(super) ca: PathBuf,
    pub(super) server_certificate: PathBuf,
    pub(super) server_key: PathBuf,
    pub(super) data: PathBuf,
    pub(super) binary: PathBuf,
    pub(super) token_key: TokenKey,
    pub(super) codes: PathBuf,
    pub(super) legacy_samples: Vec<LegacySample>,
    /// Key files of operators who sign.
    #[serde(default)]
    pub(super) operators: Vec<PathBuf>,
    pub(super) devices: Vec<Device>,
    /// The seed, from which the simulated carriers are made, too; a city of an older release has none in its file.
    #[serde(default = "first_seed")]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) carriers: Running,
}

/// The simulated carriers of a running city.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) control: Option<SocketAddr>,
    pub(super) simulated: Vec<Simulated>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Simulated {
    pub(super) id: String,
    pub(super) url: String,
}

const fn first_seed() -> u64 {
    SEED
}

#[derive(Serialize, Deserialize)]
pub(super) struct TokenKey {
    pub(super) id: u8,
    pub(super) hex: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LegacySample {
    pub(super) text: String,
    pub(super) colour: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) id: u64,
    pub(super) class: String,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) place: u32,
    pub(super) region: u16,
}

impl Fleet {
    /// Writes the file as a whole.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let fresh = path.with_extension("json.new");
        std::fs::write(&fresh, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&fresh, path)?;
        Ok(())
    }

    /// Changes the paths of a city that was moved or copied.
    pub(super) fn lie_in(&mut self, data: &Path) {
        let before = std::mem::replace(&mut self.data, data.to_owned());
        let own = [&mut self.ca, &mut self.server_certificate, &mut self.server_key, &mut self.codes];
        let devices = self.devices.iter_mut().flat_map(|device| [&mut device.certificate, &mut device.key]);
        for path in own.into_iter().chain(devices).chain(&mut self.operators) {
            if let Ok(within) = path.strip_prefix(&before) {
                *path = data.join(within);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_that_was_copied_is_where_its_data_are() {
        let file = serde_json::json!({
            "version": 1, "server_name": "localhost", "quic": [], "http": "127.0.0.1:1", "enrol": "127.0.0.1:2",
            "ca": "/first/authority/ca.pem", "server_certificate": "/first/server.pem", "server_key": "/first/server.key",
            "data": "/first", "binary": "/b", "token_key": {"id": 1, "hex": "00"}, "codes": "/first/codes.csv",
            "legacy_samples": [], "operators": ["/first/operators/li-na.key", "/safe/other.key"],
            "devices": [{"id": 3, "class": "gate", "certificate": "/first/devices/3.pem", "key": "/first/devices/3.key", "places": []}],
        });
        let mut fleet: Fleet = serde_json::from_value(file).unwrap();
        fleet.lie_in(Path::new("/second"));
        let text = serde_json::to_string(&fleet).unwrap();
        assert!(!text.contains("/first") && text.contains("/safe/other.key"), "{text}");
        assert_eq!(fleet.operators[0], Path::new("/second/operators/li-na.key"));
    }
}
