//! `changtong device`: which devices there are, and how each comes by its certificate. One token for one device.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::table::{Column, Form};
use actors::words;
use anyhow::{Context, bail};
use protocol::given;

use super::desk::{Desk, show_json};
use super::template;
use crate::operator::orders::{
    self, DeviceLine, ENROLMENT_S, EnrolsAt, NewDevice, Ordered, OrderedAct, limits, twins,
};
use crate::out::say;

/// The columns of a table of devices.
const FORM: Form = Form(&[
    column("class", "类型", words::CLASSES, false),
    column("name", "名称", "what people call it, 1 to 64 characters", false),
    column(
        "regions",
        "区域",
        "numbers of its regions, separated by spaces; `changtong region list` shows them",
        false,
    ),
    column(
        "places",
        "场所",
        "numbers of its places, separated by spaces; empty for all of its regions",
        true,
    ),
]);

const fn column(name: &'static str, chinese: &'static str, holds: &'static str, optional: bool) -> Column {
    Column { name, chinese, holds, optional }
}

#[derive(clap::Args)]
pub(crate) struct Device {
    #[command(flatten)]
    desk: Desk,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Registers a device and gives a token with which it fetches its certificate, once, within 15 minutes; or all devices of a table, or
    /// none of them when a line is wrong.
    Enrol {
        /// gate, handheld, concentrator or portal; gate if not given.
        #[arg(long)]
        class: Option<String>,
        /// Its name among people.
        #[arg(long, required_unless_present_any = ["csv", "template"])]
        name: Option<String>,
        /// Regions it speaks for.
        #[arg(long, value_delimiter = ',', required_unless_present_any = ["csv", "template"])]
        region: Vec<u16>,
        /// Places it speaks for; all of its regions if none is given.
        #[arg(long, value_delimiter = ',')]
        place: Vec<u32>,
        /// Many at once: a CSV file with the columns class, name, regions, places, as a spreadsheet saves it. The same table again gives
        /// tokens again to devices that have not fetched a certificate, and those of before are worth nothing then; the others are
        /// left alone.
        #[arg(long, conflicts_with_all = ["class", "name", "region", "place"])]
        csv: Option<PathBuf>,
        /// Writes an empty table to that file, for a spreadsheet, and says what its columns hold.
        #[arg(long, conflicts_with_all = ["class", "name", "region", "place", "csv"])]
        template: Option<PathBuf>,
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

impl Device {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let give = |act: &OrderedAct| match self.desk.call(act)? {
            Some(ordered) => show(&ordered, self.desk.json),
            None => Ok(()),
        };
        match &self.command {
            Command::Enrol { template: Some(file), .. } => {
                return template::write(FORM, file, self.desk.json);
            }
            Command::Enrol { csv: Some(csv), .. } => {
                enrol_table(&self.desk, read_csv(csv)?)?;
            }
            Command::Enrol { class, name, region, place, csv: None, template: None } => {
                let places = (!place.is_empty()).then(|| place.clone());
                let name = name.clone().unwrap_or_default();
                let (class, regions) = (class.clone().unwrap_or_else(|| "gate".to_owned()), region.clone());
                give(&OrderedAct::EnrolDevice { class, name, regions, places })?;
            }
            Command::Renew { device } => give(&OrderedAct::RenewDevice { device: *device })?,
            Command::Revoke { device } => give(&OrderedAct::RevokeDevice { device: *device })?,
            Command::List => give(&OrderedAct::ListDevices)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Orders a table's devices: in several orders, if their rows are long, of which none is given unless the gateway would take all.
fn enrol_table(desk: &Desk, devices: Vec<NewDevice>) -> anyhow::Result<()> {
    let orders = if desk.saves() {
        vec![limits::whole(devices, |device| device.line)?]
    } else {
        limits::cut(devices, |device| device.line)?
    };
    if orders.len() > 1 {
        for devices in &orders {
            desk.call(&OrderedAct::EnrolDevices { devices: devices.clone(), check: true })?;
        }
    }
    let (mut enrolled, mut from) = (Vec::new(), None);
    for devices in orders {
        let first = devices[0].line;
        match desk.call(&OrderedAct::EnrolDevices { devices, check: false }) {
            Ok(None) => return Ok(()),
            Ok(Some(Ordered::Enrolled { devices, at })) => {
                enrolled.extend(devices);
                from = at;
            }
            Ok(Some(_)) => bail!("that is no answer to a device command"),
            Err(error) if enrolled.is_empty() => return Err(error),
            Err(error) => {
                show(&Ordered::Enrolled { devices: enrolled, at: from }, desk.json)?;
                return Err(error.context(format!(
                    "the devices above are enrolled, those from line {first} on are not; the same command again goes on"
                )));
            }
        }
    }
    show(&Ordered::Enrolled { devices: enrolled, at: from }, desk.json)
}

/// Every line is read, and every line that is wrong named, before anything is ordered.
fn read_csv(path: &Path) -> anyhow::Result<Vec<NewDevice>> {
    let devices = template::read(FORM, path, |line, fields| {
        let [class, name, regions, places] = fields else { bail!("it has other columns") };
        let regions = numbers(regions).context("regions are numbers, separated by spaces")?;
        let places: Vec<u32> = numbers(places).context("places are numbers, separated by spaces")?;
        let class = words::class(class).map_or_else(|| class.clone(), |class| class.name().to_owned());
        let name = name.clone();
        Ok(NewDevice { line, class, name, regions, places: (!places.is_empty()).then_some(places) })
    })?;
    match &twins(&devices)[..] {
        [] => Ok(devices),
        twins => Err(template::wrong(path, twins)),
    }
}

fn numbers<T: std::str::FromStr>(text: &str) -> anyhow::Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let parts = text
        .split(|character: char| character.is_whitespace() || matches!(character, ',' | '、' | '，' | ';'));
    Ok(parts
        .filter(|part| !part.is_empty())
        .map(|part| given::number(part).parse())
        .collect::<Result<_, _>>()?)
}

pub(super) fn show(ordered: &Ordered, json: bool) -> anyhow::Result<()> {
    if json {
        return show_json(ordered);
    }
    match ordered {
        Ordered::Devices(devices) => table(devices),
        Ordered::Token { device, token, at, .. } => {
            say!("device {device}: token {token}  (good once, for {} minutes)", ENROLMENT_S / 60);
            show_next(at.as_ref());
        }
        Ordered::Enrolled { devices, at } => {
            for device in devices {
                match &device.token {
                    Some(token) => say!("device {}: token {token}  {}", device.device, device.name),
                    None => say!("device {}: enrolled already  {}", device.device, device.name),
                }
            }
            let waiting = devices.iter().filter(|device| device.token.is_some()).count();
            say!(
                "{waiting} devices have a token, {} are enrolled already; a token is good once, for {} minutes; the same table again gives \
                 new ones in place of these",
                devices.len() - waiting,
                ENROLMENT_S / 60
            );
            show_next(at.as_ref());
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
        | Ordered::Causes { .. }
        | Ordered::Found(_)
        | Ordered::Moved { .. }
        | Ordered::Seen { .. }
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

/// Prints everything that a device needs beside its token.
fn show_next(at: Option<&EnrolsAt>) {
    match at {
        Some(EnrolsAt { url, authority }) => {
            say!(
                "  the device sends its token to {url}, and trusts the authority in {}",
                authority.display()
            );
        }
        None => say!(
            "  no gateway runs: start it before the token is over, and send the token to its port for enrolment"
        ),
    }
}

fn table(devices: &[DeviceLine]) {
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
            (Some(false) | None, Some(seen_ms)) => orders::time(seen_ms / 1000),
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
