//! The fleet file of a development city: addresses, devices with their certificates, and the list of invented codes.
//! `changtong dev` writes it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use serde::Deserialize;

/// The version of the layout.
const VERSION: u32 = 1;
/// The file's name inside a city's data directory.
pub const FILE: &str = "fleet.json";

/// The reason why there is no usable fleet file.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The file cannot be read.
    #[error("reading {path}: {source}; is a development city running there?")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is another city's.
    #[error(
        "{path} speaks of the city in {data}: was it copied from there? Start it where it is now (changtong dev --data), which \
         puts that right"
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// The other city.
        data: PathBuf,
    },
    /// The layout is malformed or unknown.
    #[error("reading {path}: {text}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault.
        text: String,
    },
}

/// A running development city.
#[derive(Clone, Debug, Deserialize)]
pub struct Fleet {
    version: u32,
    /// The name in the gateway's certificate.
    pub server_name: String,
    /// The device ports, one for each front.
    pub quic: Vec<SocketAddr>,
    /// The port of metrics and health.
    pub http: SocketAddr,
    /// The enrolment port.
    pub enrol: SocketAddr,
    /// The port of the citizens' pages.
    #[serde(default)]
    pub pages: Option<SocketAddr>,
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The gateway's certificate, for the raw floor.
    pub server_certificate: PathBuf,
    /// The gateway's key, for the raw floor.
    pub server_key: PathBuf,
    /// The city's data directory.
    pub data: PathBuf,
    /// The gateway's program.
    pub binary: PathBuf,
    /// The key that seals person tokens.
    pub token_key: TokenKeyFile,
    /// The invented codes: CSV of code, colour, basis, class.
    pub codes: PathBuf,
    /// QR texts of imported holders.
    pub legacy_samples: Vec<LegacySample>,
    /// Key files of operators who sign the export.
    #[serde(default)]
    pub operators: Vec<PathBuf>,
    /// The devices.
    pub devices: Vec<FleetDevice>,
}

/// The key of person tokens, only of a development city: a real gateway never shows it.
#[derive(Clone, Deserialize)]
pub struct TokenKeyFile {
    /// Returns its id.
    pub id: u8,
    /// 16 bytes in hexadecimal.
    pub hex: String,
}

impl std::fmt::Debug for TokenKeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeyFile({})", self.id)
    }
}

/// An imported holder's QR text with the colour it must show.
#[derive(Clone, Debug, Deserialize)]
pub struct LegacySample {
    /// The text of the QR.
    pub text: String,
    /// The colour's name.
    pub colour: String,
}

/// One device with its certificate.
#[derive(Clone, Debug, Deserialize)]
pub struct FleetDevice {
    id: u64,
    #[serde(deserialize_with = "class")]
    class: DeviceClass,
    /// The file, PEM.
    pub certificate: PathBuf,
    /// The file, PEM.
    pub key: PathBuf,
    places: Vec<FleetPlace>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct FleetPlace {
    place: u32,
    region: u16,
}

impl FleetDevice {
    /// Returns its id.
    pub fn id(&self) -> DeviceId {
        DeviceId(self.id)
    }

    /// Returns its class.
    pub fn class(&self) -> DeviceClass {
        self.class
    }

    /// Returns its places.
    pub fn places(&self) -> impl ExactSizeIterator<Item = (PlaceId, RegionId)> {
        self.places.iter().map(|row| (PlaceId(row.place), RegionId(row.region)))
    }
}

impl Fleet {
    /// Reads `<data>/fleet.json`. Refuses a file that was copied from another city, since its punches would be looked for in the log
    /// of the first.
    pub fn load(data: &Path) -> Result<Self, FleetError> {
        let path = data.join(FILE);
        let fleet = Self::read(&path)?;
        let really = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if really(&fleet.data) == really(data) {
            return Ok(fleet);
        }
        Err(FleetError::Elsewhere { path, data: fleet.data })
    }

    /// Reads a fleet file. Relative paths in it are relative to its directory.
    pub fn read(path: &Path) -> Result<Self, FleetError> {
        let text =
            fs::read_to_string(path).map_err(|source| FleetError::Read { path: path.to_owned(), source })?;
        let malformed = |text: String| FleetError::Malformed { path: path.to_owned(), text };
        let mut fleet: Self = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if fleet.version != VERSION {
            return Err(malformed(format!("version {} is not known here, only {VERSION}", fleet.version)));
        }
        if fleet.quic.is_empty() {
            return Err(malformed("no device port".to_owned()));
        }
        if let Some(device) = fleet.devices.iter().find(|device| device.places.is_empty()) {
            return Err(malformed(format!("device {} has no place", device.id)));
        }
        if let Some(folder) = path.parent() {
            fleet.resolve(folder);
        }
        Ok(fleet)
    }

    /// Returns the device with that id.
    pub fn device(&self, id: DeviceId) -> Option<&FleetDevice> {
        self.devices.iter().find(|device| device.id() == id)
    }

    /// Returns the devices of one class, in the file's order.
    pub fn of_class(&self, class: DeviceClass) -> impl Iterator<Item = &FleetDevice> {
        self.devices.iter().filter(move |device| device.class() == class)
    }

    /// Returns the port of this device: devices are spread over the fronts.
    pub fn address(&self, device: DeviceId) -> SocketAddr {
        self.quic[(device.0 % self.quic.len() as u64) as usize]
    }

    fn resolve(&mut self, folder: &Path) {
        let own = [
            &mut self.ca,
            &mut self.server_certificate,
            &mut self.server_key,
            &mut self.data,
            &mut self.binary,
            &mut self.codes,
        ];
        let devices = self.devices.iter_mut().flat_map(|device| [&mut device.certificate, &mut device.key]);
        for path in own.into_iter().chain(devices).chain(&mut self.operators) {
            *path = folder.join(&*path);
        }
    }
}

fn class<'de, D: serde::Deserializer<'de>>(from: D) -> Result<DeviceClass, D::Error> {
    let name = String::deserialize(from)?;
    DeviceClass::from_name(&name)
        .ok_or_else(|| serde::de::Error::custom(format!("no class of devices is called {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"server_name":"localhost","quic":["127.0.0.1:4","127.0.0.1:5"],
        "http":"127.0.0.1:1","enrol":"127.0.0.1:2","ca":"/c/ca.pem","server_certificate":"s.pem","server_key":"s.key",
        "data":"/d","binary":"/b","token_key":{"id":1,"hex":"00"},"codes":"codes.csv",
        "legacy_samples":[{"text":"x","colour":"green"}],
        "devices":[{"id":3,"class":"gate","certificate":"3.pem","key":"3.key","places":[{"place":9,"region":2}]}]}"#;

    fn read(text: &str) -> Result<Fleet, FleetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, text).unwrap();
        let fleet = Fleet::read(&path)?;
        assert_eq!(fleet.codes, folder.path().join("codes.csv"), "relative paths start at the file");
        Ok(fleet)
    }

    #[test]
    fn a_fleet_file_reads_and_devices_spread_over_the_fronts() {
        let fleet = read(SAMPLE).unwrap();
        let device = fleet.device(DeviceId(3)).unwrap();
        assert_eq!(device.class(), DeviceClass::Gate);
        assert_eq!(device.places().collect::<Vec<_>>(), [(PlaceId(9), RegionId(2))]);
        assert_ne!(fleet.address(DeviceId(3)), fleet.address(DeviceId(4)));
        assert_eq!(fleet.ca, Path::new("/c/ca.pem"));
    }

    #[test]
    fn a_copied_city_is_not_taken_for_the_one_that_its_file_speaks_of() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(folder.path().join(FILE), text).unwrap();
        write(SAMPLE);
        let refused = Fleet::load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("speaks of the city in /d"), "{refused}");
        write(&SAMPLE.replace("\"/d\"", "\".\""));
        Fleet::load(folder.path()).unwrap();
    }

    #[test]
    fn what_is_wrong_with_a_fleet_file_is_said() {
        for (from, to, expected) in [
            ("\"version\":1", "\"version\":2", "version 2"),
            ("\"gate\"", "\"bird\"", "bird"),
            ("[{\"place\":9,\"region\":2}]", "[]", "device 3 has no place"),
            ("[\"127.0.0.1:4\",\"127.0.0.1:5\"]", "[]", "no device port"),
            ("{\"version\"", "{{\"version\"", "line 1"),
        ] {
            let error = read(&SAMPLE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
