//! The development city's simulated carriers: the keys that requests to them are signed with, their certificates, and their start. The
//! client that asks them is in `actors`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use keys::{random, read_secret};
use simulator::{Latency, SimulatedCarrier, SimulatedConfig, SimulatorConfig, Simulators, TlsIdentity};
use zeroize::Zeroizing;

use super::FLEET;
use super::file::{Fleet, Running, Simulated};
use crate::config;
use crate::tls::pki::{Authority, Identity, write_new};

pub(super) const DIRECTORY: &str = "carriers";
const SECRET_BYTES: usize = 32;
/// The queries under way at one of them: four times those of a busy day.
const PERMITS: usize = 32;
/// The name under which the carriers know this gateway's key.
pub(crate) const KEY_ID: &str = "development";
/// The name in the certificate for the fault `wrong-name`; no host has it.
const OTHER_HOST: &str = "another-host.invalid";

/// Returns a made-up latency: well under a second most of the time, seconds now and then.
const fn latency(carrier: SimulatedCarrier) -> Latency {
    let median_ms = match carrier {
        SimulatedCarrier::Mobile => 300,
        SimulatedCarrier::Unicom => 400,
        SimulatedCarrier::Telecom => 500,
    };
    Latency { median_ms, sigma: 0.5, max_ms: 4_000 }
}

/// Makes the missing keys: all of a new city's, and those of a city that an older release built.
pub(super) fn make_keys(data: &Path) -> anyhow::Result<()> {
    let directory = data.join(DIRECTORY);
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    for carrier in SimulatedCarrier::ALL {
        let path = directory.join(format!("{}.key", carrier.id()));
        if path.exists() {
            continue;
        }
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        random::fill(&mut *secret)?;
        let mut text = Zeroizing::new(hex::encode(secret.as_slice()));
        text.push('\n');
        // Whole or not at all: it is written beside its place first.
        let fresh = path.with_extension("key.new");
        if fresh.exists() {
            std::fs::remove_file(&fresh)?;
        }
        write_new(&fresh, &text, 0o600)?;
        std::fs::rename(&fresh, &path)?;
    }
    Ok(())
}

/// Reads the secret that requests to that carrier are signed with, under [`KEY_ID`].
pub(crate) fn secret(data: &Path, carrier: SimulatedCarrier) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let path = data.join(DIRECTORY).join(format!("{}.key", carrier.id()));
    let text = read_secret(&path)?;
    let secret = hex::decode(text.trim()).map(Zeroizing::new).unwrap_or_default();
    ensure!(secret.len() == SECRET_BYTES, "{} does not hold 32 bytes in hexadecimal", path.display());
    Ok(secret)
}

/// Starts the carriers. Their certificates come from the city's authority, afresh each time.
pub(super) fn start(data: &Path, control: SocketAddr, seed: u64) -> anyhow::Result<Simulators> {
    make_keys(data)?;
    let authority = Authority::load(&data.join("authority"))?;
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = |carrier| -> anyhow::Result<_> {
        let secret = secret(data, carrier)?;
        let (key_id, latency) = (KEY_ID.to_owned(), latency(carrier));
        Ok(SimulatedConfig { carrier, address: loopback, key_id, secret, latency })
    };
    let [mobile, unicom, telecom] = SimulatedCarrier::ALL.map(config);
    let tls = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        authority.issue_server(&names).map(|Identity { certificate, key }| TlsIdentity { certificate, key })
    };
    let simulators = Simulators::start(SimulatorConfig {
        seed,
        control,
        tls: tls(&["localhost", "127.0.0.1"])?,
        other_host: tls(&[OTHER_HOST])?,
        carriers: [mobile?, unicom?, telecom?],
    })?;
    Ok(simulators)
}

/// Returns the gateway's configuration of the carriers: as for real ones, over TLS, with the city's authority.
pub(super) fn entries(data: &Path, simulators: &Simulators) -> Vec<config::Carrier> {
    let entry = |carrier: SimulatedCarrier| config::Carrier {
        id: carrier.id().to_owned(),
        name: carrier.names().0.to_owned(),
        name_zh: carrier.names().1.to_owned(),
        url: simulators.url(carrier).to_owned(),
        authority: data.join("authority/ca.pem"),
        key_id: KEY_ID.to_owned(),
        key: data.join(DIRECTORY).join(format!("{}.key", carrier.id())),
        permits: PERMITS,
        deadline_ms: actors::carrier::QUERY_MAX.as_millis() as u64,
        reserved: carrier.reserved().to_owned(),
        travel_page: format!("{}/travel", simulators.url(carrier)),
        prefixes: carrier.prefixes().iter().map(|&prefix| prefix.to_owned()).collect(),
    };
    SimulatedCarrier::ALL.map(entry).into()
}

/// Returns the fleet file's entry of the carriers.
pub(super) fn running(simulators: &Simulators) -> Running {
    let simulated = |carrier: SimulatedCarrier| Simulated {
        id: carrier.id().to_owned(),
        url: simulators.url(carrier).to_owned(),
    };
    Running { control: Some(simulators.control()), simulated: SimulatedCarrier::ALL.map(simulated).into() }
}

/// Reads the control address of a running city's simulated carriers from the fleet file.
pub(crate) fn control_of(data: &Path) -> anyhow::Result<SocketAddr> {
    let path = data.join(FLEET);
    let text = std::fs::read(&path).with_context(|| {
        format!("reading {}; only a development city has simulated carriers", path.display())
    })?;
    let fleet: Fleet =
        serde_json::from_slice(&text).with_context(|| format!("{} does not read", path.display()))?;
    fleet.carriers.control.context("the city has not run since it got simulated carriers; start it")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_only_their_owner_reads_them() {
        let data = tempfile::tempdir().unwrap();
        make_keys(data.path()).unwrap();
        let all = || SimulatedCarrier::ALL.map(|carrier| secret(data.path(), carrier).unwrap());
        let first = all();
        assert!(first[0] != first[1] && first[1] != first[2]);
        let lost = data.path().join("carriers/china-unicom.key");
        let mode = std::fs::metadata(&lost).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&lost).unwrap();
        make_keys(data.path()).unwrap();
        let then = all();
        assert!(first[0] == then[0] && first[2] == then[2], "what is there stays");
        assert!(first[1] != then[1], "what is missing is made");
        std::fs::write(&lost, "short\n").unwrap();
        let error = secret(data.path(), SimulatedCarrier::Unicom).unwrap_err().to_string();
        assert!(error.contains("china-unicom.key"), "{error}");
    }
}
