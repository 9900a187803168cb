//! `changtong device`: which devices there are, and how each comes by its certificate. One token for one device.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use super::desk::{Desk, show_json};
use crate::orders::{self, DeviceLine, ENROLMENT_S, Ordered, OrderedAct};
use crate::out::say;

#[derive(clap::Args)]
pub(crate) struct Device {
    #[command(flatten)]
    desk: Desk,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Registers a device and gives a token with which it fetches its certificate, once, within 15 minutes.
    Enrol {
        /// gate, handheld, concentrator or portal.
        #[arg(long, default_value = "gate")]
        class: String,
        /// What people call it.
        #[arg(long, required_unless_present = "csv")]
        name: Option<String>,
        /// Regions it speaks for.
        #[arg(long, value_delimiter = ',', required_unless_present = "csv")]
        region: Vec<u16>,
        /// Places it speaks for; all of its regions if none is given.
        #[arg(long, value_delimiter = ',')]
        place: Vec<u32>,
        /// Many at once: a CSV file with the header class,name,regions,places (lists separated by spaces).
        #[arg(long, conflicts_with_all = ["class", "name", "region", "place"])]
        csv: Option<PathBuf>,
    },
    /// Gives a token with which a known device fetches another certificate.
    Renew {
        /// The device's number.
        device: u64,
    },
    /// Makes a device's certificate worthless and closes its connection.
    Revoke {
        /// The device's number.
        device: u64,
    },
    /// Lists all devices.
    List,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    class: String,
    name: String,
    regions: String,
    places: String,
}

impl Device {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let give = |act: &OrderedAct| match self.desk.call(act)? {
            Some(ordered) => show(&ordered, self.desk.json),
            None => Ok(()),
        };
        match &self.command {
            Command::Enrol { csv: Some(csv), .. } => {
                for act in read_csv(csv)? {
                    give(&act)?;
                }
            }
            Command::Enrol { class, name, region, place, csv: None } => {
                let places = (!place.is_empty()).then(|| place.clone());
                let name = name.clone().unwrap_or_default();
                let (class, regions) = (class.clone(), region.clone());
                give(&OrderedAct::EnrolDevice { class, name, regions, places })?;
            }
            Command::Renew { device } => give(&OrderedAct::RenewDevice { device: *device })?,
            Command::Revoke { device } => give(&OrderedAct::RevokeDevice { device: *device })?,
            Command::List => give(&OrderedAct::ListDevices)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every line is read before the first device is registered.
fn read_csv(path: &Path) -> anyhow::Result<Vec<OrderedAct>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("reading {}", path.display()))?;
    let mut acts = Vec::new();
    for (number, line) in reader.deserialize().enumerate() {
        let place = || format!("{}:{}", path.display(), number + 2);
        let Line { class, name, regions, places } = line.with_context(place)?;
        let regions = numbers(&regions).with_context(place)?;
        let places: Vec<u32> = numbers(&places).with_context(place)?;
        let places = (!places.is_empty()).then_some(places);
        acts.push(OrderedAct::EnrolDevice { class, name, regions, places });
    }
    Ok(acts)
}

fn numbers<T: std::str::FromStr>(text: &str) -> anyhow::Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

pub(super) fn show(ordered: &Ordered, json: bool) -> anyhow::Result<()> {
    if json {
        return show_json(ordered);
    }
    match ordered {
        Ordered::Devices(devices) => table(devices),
        Ordered::Token { device, token, .. } => {
            say!("device {device}: token {token}  (good once, for {} minutes)", ENROLMENT_S / 60);
        }
        Ordered::Revoked { device } => say!("device {device} is revoked"),
        Ordered::Operator(_)
        | Ordered::Operators(_)
        | Ordered::Imported(_)
        | Ordered::Places(_)
        | Ordered::Units(_)
        | Ordered::Invitation(_)
        | Ordered::Shifts(_)
        | Ordered::Cause { .. }
        | Ordered::Appeals(_)
        | Ordered::Answered { .. }
        | Ordered::Why(_)
        | Ordered::Accesses(_)
        | Ordered::Contact(_)
        | Ordered::Passages(_)
        | Ordered::Policy { .. }
        | Ordered::Tapped { .. }
        | Ordered::Cleared { .. }
        | Ordered::Reloaded(_)
        | Ordered::Backup { .. }
        | Ordered::Stores { .. }
        | Ordered::Believed { .. }
        | Ordered::Exported { .. } => anyhow::bail!("that is no answer to a device command"),
    }
    Ok(())
}

fn table(devices: &[DeviceLine]) {
    say!("{:>9}  {:<13}{:<10}{:<12}{:<18}{:<12}name", "device", "class", "state", "until", "seen", "regions");
    for line in devices {
        let until = match i64::try_from(line.not_after_s).ok().filter(|&seconds| seconds > 0) {
            Some(seconds) => {
                jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d").to_string()
            }
            None => "-".to_owned(),
        };
        let regions = line.regions.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let scanner = match line.scanner_adds {
            0 => String::new(),
            texts => format!("  scanner set wrong: adds to codes ({texts} since the start)"),
        };
        let seen = match (line.connected, line.seen_ms) {
            (Some(true), _) => "now".to_owned(),
            (Some(false) | None, Some(seen_ms)) => orders::time(seen_ms / 1000),
            (Some(false) | None, None) => "-".to_owned(),
        };
        say!(
            "{:>9}  {:<13}{:<10}{until:<12}{seen:<18}{regions:<12}{}{scanner}",
            line.device,
            line.class,
            line.state,
            line.name
        );
    }
}
