//! The order that lists the devices.

use registry::operator::Role;
use registry::{self, DeviceRow};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::places::name_of;
use crate::operator::orders::{Given, Order, Tell, time};
use crate::out::{note, say};

/// The list of all devices.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListDevices {}

/// A device.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeviceLine {
    device: u64,
    class: String,
    name: String,
    regions: Vec<u16>,
    region_names: Vec<String>,
    /// None: every place of its regions.
    places: Option<Vec<u32>>,
    /// enrolled, waiting, revoked, or built-in: the gateway's own pages.
    state: String,
    /// Of its certificate, seconds since 1970 UTC.
    not_after_s: u64,
    /// Texts since the process began to which its scanner added something, or in which it changed letters.
    scanner_adds: u64,
    /// `None` where no gateway runs.
    #[serde(default)]
    connected: Option<bool>,
    /// The last time at which it was connected since the process began, milliseconds since 1970 UTC.
    #[serde(default)]
    seen_ms: Option<u64>,
    /// The gateway of a fleet to which it is or was connected then; devices at other gateways are not known here.
    #[serde(default)]
    at: Option<String>,
}

impl Order for ListDevices {
    const NAME: &'static str = "list-devices";
    const REPLY: &'static str = "devices";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<DeviceLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<DeviceLine>> {
        let (devices, regions) = context.read(|registry| Ok((registry.devices()?, registry.regions()?)))?;
        let runs = context.running.is_some();
        let peers = context.running.as_ref().and_then(|running| running.peers.as_ref());
        let at = peers.map(|peers| peers.standing().name);
        let seen = |row: &DeviceRow| Some(context.fleet.seen(row.id)).filter(|_| runs).unzip();
        let line = |row: DeviceRow| DeviceLine {
            connected: seen(&row).0,
            seen_ms: seen(&row).1.flatten(),
            at: at.clone(),
            device: row.id.0,
            class: row.class.name().to_owned(),
            name: row.name,
            regions: row.regions.iter().map(|region| region.0).collect(),
            region_names: row.regions.iter().map(|&region| name_of(region, &regions)).collect(),
            places: row.places.map(|places| places.iter().map(|place| place.0).collect()),
            state: match (row.revoked, &row.certificate_serial) {
                (true, _) => "revoked",
                (false, Some(_)) => "enrolled",
                (false, None) if registry::is_own(row.id) => "built-in",
                (false, None) => "waiting",
            }
            .to_owned(),
            not_after_s: row.not_after_s,
            scanner_adds: context.scanners.texts_of(row.id),
        };
        Ok(devices.into_iter().map(line).collect())
    }

    fn show(devices: &Vec<DeviceLine>) -> anyhow::Result<()> {
        show_table(devices);
        if let Some(gateway) = devices.first().and_then(|line| line.at.as_ref()) {
            note!(
                "`seen` is of connections to {gateway}, which leads the fleet; the other gateways have devices of their own"
            );
        }
        Ok(())
    }
}

/// Prints a table of devices.
fn show_table(devices: &[DeviceLine]) {
    say!(
        "{:>9}  {:<13}{:<10}{:<12}{:<18}{:<12}name, regions",
        "device",
        "class",
        "state",
        "until",
        "seen",
        "regions"
    );
    for line in devices {
        let until = match i64::try_from(line.not_after_s).ok().filter(|&seconds| seconds > 0) {
            Some(seconds) => {
                jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d").to_string()
            }
            None => "-".to_owned(),
        };
        let regions = line.regions.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let names = match &line.region_names[..] {
            [one, two, rest @ ..] if !rest.is_empty() => format!("{one}, {two} and {} more", rest.len()),
            names => names.join(", "),
        };
        let scanner = match line.scanner_adds {
            0 => String::new(),
            texts => format!("  scanner set wrong: adds to codes ({texts} since the start)"),
        };
        let seen = match (line.connected, line.seen_ms) {
            (Some(true), _) => "now".to_owned(),
            (Some(false) | None, Some(seen_ms)) => time(seen_ms / 1000),
            (Some(false) | None, None) => "-".to_owned(),
        };
        say!(
            "{:>9}  {:<13}{:<10}{until:<12}{seen:<18}{regions:<12}{}, {names}{scanner}",
            line.device,
            line.class,
            line.state,
            line.name
        );
    }
}
