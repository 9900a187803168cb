//! The gateways of a development fleet: each a development city's process with data and ports of its own. They have the same keys, device
//! authority, operators and simulated carriers; the first one has the people, the others get them from the fleet.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fleet::Standing;
use keys::Keys;

use super::brokers::free_ports;
use super::process::{Process, Program};
use crate::config::named::Named;
use crate::dev::{Dev, FLEET};
use crate::operator::{self, Act, Done};

/// The names of gateways; a fleet has no more than these.
pub(super) const NAMES: [&str; 5] = ["north", "south", "east", "west", "centre"];
/// The distance between the ports of two gateways.
const APART: u16 = 100;
/// The ports of a gateway.
const PORTS: usize = 5;
/// People of a new city if no number is given: another gateway has them within a second.
const PEOPLE: u32 = 5_000;
/// The longest wait for a gateway's word on where it stands.
const ANSWER: Duration = Duration::from_secs(1);

/// A gateway, and its process.
pub(super) struct Gateway {
    pub(super) process: Process,
    dev: Dev,
}

/// Returns what each gateway is started with, and checks that its ports are free.
///
/// # Errors
/// A port is taken, or too high.
pub(super) fn plan(dev: &Dev, root: &Path, count: usize) -> anyhow::Result<Vec<Dev>> {
    let free = free_ports(PORTS * count)?;
    let plan = |index: usize| {
        let at = |given: SocketAddr, which: usize| match given.port() {
            0 => Ok(SocketAddr::new(given.ip(), free[PORTS * index + which])),
            port => {
                let port = APART.checked_mul(index as u16).and_then(|apart| port.checked_add(apart));
                let port = port.with_context(|| format!("{given} is too high for a fleet"))?;
                let address = SocketAddr::new(given.ip(), port);
                let bound = TcpListener::bind(address).map(drop);
                bound
                    .and_then(|()| UdpSocket::bind(address))
                    .with_context(|| format!("{address} is taken"))?;
                Ok::<_, anyhow::Error>(address)
            }
        };
        Ok(Dev {
            data: root.join(NAMES[index]),
            quic: at(dev.quic, 0)?,
            http: at(dev.http, 1)?,
            enrol: at(dev.enrol, 2)?,
            control: at(dev.control, 3)?,
            pages: at(dev.pages, 4)?,
            fronts: dev.fronts,
            member: Some(NAMES[index].to_owned()),
            ..Dev::default()
        })
    };
    (0..count).map(plan).collect()
}

/// Builds the city of the first gateway, and the others' data without people; what is there stays.
pub(super) fn prepare(dev: &Dev, root: &Path, count: usize) -> anyhow::Result<()> {
    std::fs::create_dir_all(root)?;
    let first = root.join(NAMES[0]);
    if !first.exists() {
        let people = Some(dev.people.unwrap_or(PEOPLE));
        Dev { data: first.clone(), people, devices: dev.devices, seed: dev.seed, ..Dev::default() }
            .build()?;
    }
    if !first.join("keys/fleet.key").exists() {
        Keys::make_fleet(&first.join("keys"))?;
    }
    for name in &NAMES[1..count] {
        let data = root.join(name);
        if data.exists() {
            continue;
        }
        let fresh = root.join(format!("{name}.new"));
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh)?;
        }
        copy(&first, &fresh).with_context(|| format!("copying {}", first.display()))?;
        std::fs::rename(&fresh, &data)?;
    }
    Ok(())
}

/// Copies what the gateways of a fleet have in common: everything but the registry, the punch log with its keys, and what a running
/// gateway leaves. Files keep their modes.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    const OWN: [&str; 3] = ["registry.db", "ledger", "days"];
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if OWN.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

impl Gateway {
    /// Starts a gateway that was planned, over these brokers.
    pub(super) fn start(dev: Dev, servers: &[String]) -> anyhow::Result<Self> {
        let dev = Dev { brokers: servers.to_vec(), ..dev };
        let name = dev.member.clone().unwrap_or_default();
        let (path, log) = (std::env::current_exe()?, dev.data.join("log"));
        let process = Process::start(Program { name, path, words: words(&dev), log })?;
        Ok(Self { process, dev })
    }

    /// Returns its data directory.
    pub(super) fn data(&self) -> &Path {
        &self.dev.data
    }

    /// Returns the address of its metrics and its overview.
    pub(super) const fn http(&self) -> SocketAddr {
        self.dev.http
    }

    /// Returns the addresses that people and devices find it at.
    pub(super) fn addresses(&self) -> String {
        let Dev { pages, http, quic, .. } = &self.dev;
        format!("pages http://localhost:{}/  overview http://{http}/  devices {quic}", pages.port())
    }

    /// Returns where it stands; `None` if it does not answer, as while it starts.
    pub(super) async fn standing(&self) -> Option<Standing> {
        if !self.process.runs() {
            return None;
        }
        let named = Named::of(&self.dev.settings(&self.dev.data));
        let asked = tokio::task::spawn_blocking(move || operator::ask_running(&named, &Act::Fleet));
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(Ok(Some(Done::Fleet(standing))))) => Some(standing),
            Ok(_) | Err(_) => None,
        }
    }
}

/// Returns the words of a gateway's command line.
fn words(dev: &Dev) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["dev".into(), "--data".into(), dev.data.clone().into()];
    let addresses = [
        ("--quic", dev.quic),
        ("--http", dev.http),
        ("--enrol", dev.enrol),
        ("--control", dev.control),
        ("--pages", dev.pages),
    ];
    words.extend(addresses.iter().flat_map(|(flag, address)| [(*flag).into(), address.to_string().into()]));
    words.extend(["--fronts".into(), dev.fronts.to_string().into()]);
    words.extend(["--member".into(), dev.member.clone().unwrap_or_default().into()]);
    words.extend(["--brokers".into(), dev.brokers.join(",").into()]);
    words
}

/// Refuses a directory that has something else than a fleet.
pub(super) fn refuse_other(root: &Path) -> anyhow::Result<PathBuf> {
    if root.join(FLEET).exists() {
        bail!("{} is a city with one gateway: name another place for the fleet with --data", root.display());
    }
    std::fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
    Ok(root.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_tells_devices_its_address() {
        let member = Some("north".to_owned());
        let dev = Dev { member, brokers: vec!["nats://127.0.0.1:4222".to_owned()], ..Dev::default() };
        let fleet = dev.settings(Path::new("data")).fleet.unwrap().open(Path::new("data")).unwrap();
        assert_eq!(fleet.device_address.unwrap().to_string(), dev.quic.to_string());
    }

    #[test]
    fn another_gateway_gets_the_keys_and_neither_people_nor_punches() {
        let root = tempfile::tempdir().unwrap();
        let dev = Dev { people: Some(20), devices: Some(1), seed: Some(7), ..Dev::default() };
        prepare(&dev, root.path(), 3).unwrap();
        let [north, east] = ["north", "east"].map(|name| root.path().join(name));
        assert!(north.join("registry.db").exists() && !east.join("registry.db").exists());
        let key = |data: &Path| std::fs::read(data.join("keys/fleet.key")).unwrap();
        assert_eq!(key(&north), key(&east));
        assert!(!root.path().join("west").exists());
        prepare(&dev, root.path(), 3).unwrap();
        assert_eq!(key(&north), key(&east), "what is there stays");
    }
}
