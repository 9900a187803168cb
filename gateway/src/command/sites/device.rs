//! `changtong device`: which devices there are, and how each comes by its certificate. One token for one device.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::table::words;
use actors::table::{Column, Form};
use anyhow::{Context, bail};
use protocol::typed_text;

use crate::command::desk::Desk;
use crate::command::desk::template;
use crate::operator::orders::{
    self, EnrolDevice, EnrolDevices, EnrolledTable, ListDevices, NewDevice, RenewDevice, RevokeDevice,
    limits, twins,
};

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
        let Self { desk, command } = self;
        match command {
            Command::Enrol { template: Some(file), .. } => template::write(FORM, &file, desk.json),
            Command::Enrol { csv: Some(csv), .. } => enrol_table(&desk, read_csv(&csv)?),
            Command::Enrol { class, name, region, place, csv: None, template: None } => {
                let places = (!place.is_empty()).then_some(place);
                let (class, name) = (class.unwrap_or_else(|| "gate".to_owned()), name.unwrap_or_default());
                desk.give(EnrolDevice { class, name, regions: region, places })
            }
            Command::Renew { device } => desk.give(RenewDevice { device }),
            Command::Revoke { device } => desk.give(RevokeDevice { device }),
            Command::List => desk.give(ListDevices {}),
        }
    }
}

/// Orders a table's devices: in several orders, if their rows are long, of which none is given unless the gateway would take all.
fn enrol_table(desk: &Desk, devices: Vec<NewDevice>) -> anyhow::Result<ExitCode> {
    let orders = if desk.saves() {
        vec![limits::whole(devices, |device| device.line)?]
    } else {
        limits::cut(devices, |device| device.line)?
    };
    if orders.len() > 1 {
        for devices in &orders {
            desk.call(EnrolDevices { devices: devices.clone(), check: true })?;
        }
    }
    let mut enrolled = EnrolledTable { devices: Vec::new(), at: None };
    for devices in orders {
        let first = devices[0].line;
        match desk.call(EnrolDevices { devices, check: false }) {
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Ok(Some(EnrolledTable { devices, at })) => {
                enrolled.devices.extend(devices);
                enrolled.at = at;
            }
            Err(error) if enrolled.devices.is_empty() => return Err(error),
            Err(error) => {
                orders::print::<EnrolDevices>(&enrolled, desk.json)?;
                return Err(error.context(format!(
                    "the devices above are enrolled, those from line {first} on are not; the same command again goes on"
                )));
            }
        }
    }
    orders::print::<EnrolDevices>(&enrolled, desk.json)
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
        .map(|part| typed_text::number(part).parse())
        .collect::<Result<_, _>>()?)
}
