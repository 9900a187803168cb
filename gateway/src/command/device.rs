//! `changtong device`: which devices there are, and how each comes by its certificate. One token for one device.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use crate::admin::{self, Act, DeviceLine, Done, ENROLMENT_S};

#[derive(clap::Args)]
pub(crate) struct Device {
    /// The gateway's data.
    #[arg(long, default_value = "./changtong-data", global = true)]
    data: PathBuf,
    /// The gateway's keys; of a development city, those in its data. Needed only when no gateway runs.
    #[arg(long, global = true)]
    keys: Option<PathBuf>,
    /// For programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Registers a device and gives a token with which it fetches its certificate, once, within 15 minutes.
    Enrol {
        /// gate, handheld, concentrator or portal.
        #[arg(long, required_unless_present = "csv", default_value = "gate")]
        class: String,
        /// What people call it.
        #[arg(long, required_unless_present = "csv", default_value = "")]
        name: String,
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
    Renew { device: u64 },
    /// Makes a device's certificate worthless and closes its connection.
    Revoke { device: u64 },
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
        let keys = self.keys.clone().unwrap_or_else(|| self.data.join("keys"));
        let call = |act: &Act| admin::call(&self.data, &keys, act, &mut |_| {});
        match &self.command {
            Command::Enrol { csv: Some(csv), .. } => {
                for act in read_csv(csv)? {
                    show(&call(&act)?, self.json)?;
                }
            }
            Command::Enrol { class, name, region, place, csv: None } => {
                let places = (!place.is_empty()).then(|| place.clone());
                let (class, name, regions) = (class.clone(), name.clone(), region.clone());
                show(&call(&Act::Enrol { class, name, regions, places })?, self.json)?;
            }
            Command::Renew { device } => show(&call(&Act::Renew { device: *device })?, self.json)?,
            Command::Revoke { device } => show(&call(&Act::Revoke { device: *device })?, self.json)?,
            Command::List => show(&call(&Act::List)?, self.json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every line is read before the first device is registered.
fn read_csv(path: &Path) -> anyhow::Result<Vec<Act>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("reading {}", path.display()))?;
    let mut acts = Vec::new();
    for (number, line) in reader.deserialize().enumerate() {
        let place = || format!("{}:{}", path.display(), number + 2);
        let Line { class, name, regions, places } = line.with_context(place)?;
        let regions = numbers(&regions).with_context(place)?;
        let places: Vec<u32> = numbers(&places).with_context(place)?;
        let places = (!places.is_empty()).then_some(places);
        acts.push(Act::Enrol { class, name, regions, places });
    }
    Ok(acts)
}

fn numbers<T: std::str::FromStr>(text: &str) -> anyhow::Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn show(done: &Done, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(done)?);
        return Ok(());
    }
    match done {
        Done::Devices(devices) => table(devices),
        Done::Token { device, token, .. } => {
            println!("device {device}: token {token}  (good once, for {} minutes)", ENROLMENT_S / 60);
        }
        Done::Revoked { device } => println!("device {device} is revoked"),
        Done::Ordered(_)
        | Done::Policies(_)
        | Done::Audited(_)
        | Done::Importing(_)
        | Done::Imported(_)
        | Done::Refused(_) => {
            anyhow::bail!("that is no answer to a device command")
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn table(devices: &[DeviceLine]) {
    println!("{:>8}  {:<13}{:<10}{:<12}{:<12}name", "device", "class", "state", "until", "regions");
    for line in devices {
        let until = match i64::try_from(line.not_after_s).ok().filter(|&seconds| seconds > 0) {
            Some(seconds) => {
                jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d").to_string()
            }
            None => "-".to_owned(),
        };
        let regions = line.regions.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        println!(
            "{:>8}  {:<13}{:<10}{until:<12}{regions:<12}{}",
            line.device, line.class, line.state, line.name
        );
    }
}
