//! `changtong place` and `unit`: places with a printed code, and the units that apply for one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use protocol::place::PlaceCode;

use super::desk::{Desk, show_json};
use crate::orders::{self, Ordered, OrderedAct, PlaceAct, PlaceLine};
use crate::out::{note, say};
use crate::pki::write_new;
use crate::portal::poster;

#[derive(clap::Subcommand)]
pub(crate) enum Place {
    /// Adds a place and gives what its printed code holds.
    Add {
        /// What people call it.
        name: String,
        /// The region's number.
        #[arg(long)]
        region: u16,
        /// checkpoint, workplace, compound, village, building, vehicle, school, hospital, station or market.
        #[arg(long, default_value = "checkpoint")]
        kind: String,
        /// The host of the citizens' pages, for a whole link.
        #[arg(long)]
        host: Option<String>,
        #[command(flatten)]
        desk: Desk,
    },
    /// Writes a place's poster: an A4 page with its printed code, as SVG. A browser makes a PDF of it.
    Print {
        /// The place's number.
        place: u32,
        /// The host of the citizens' pages.
        #[arg(long)]
        host: String,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        desk: Desk,
    },
    /// Lists all places.
    List {
        /// The host of the citizens' pages, for whole links.
        #[arg(long)]
        host: Option<String>,
        #[command(flatten)]
        desk: Desk,
    },
}

#[derive(clap::Subcommand)]
pub(crate) enum Unit {
    /// Lists all applications of units.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// The unit is a place from now on.
    Approve {
        /// Its number.
        unit: i64,
        #[command(flatten)]
        desk: Desk,
    },
    /// The unit gets no code.
    Refuse {
        /// Its number.
        unit: i64,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Place {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (desk, host, act) = match self {
            Self::Add { name, region, kind, host, desk } => {
                (desk, host, PlaceAct::Add { region, kind, name })
            }
            Self::List { host, desk } => (desk, host, PlaceAct::List),
            Self::Print { place, host, out, desk } => return print(&desk, place, &host, &out),
        };
        let adds = matches!(act, PlaceAct::Add { .. }) && desk.shows();
        let done = give(&desk, act, host.as_deref())?;
        if adds {
            note!(
                "next: changtong device enrol --class gate --name NAME --region N --place N --json --sign KEY > TOKEN"
            );
            note!("      loadtest device --token TOKEN takes it to its first punch");
        }
        Ok(done)
    }
}

impl Unit {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (desk, act) = match self {
            Self::List { desk } => (desk, PlaceAct::Units),
            Self::Approve { unit, desk } => (desk, PlaceAct::DecideUnit { unit, approved: true }),
            Self::Refuse { unit, desk } => (desk, PlaceAct::DecideUnit { unit, approved: false }),
        };
        give(&desk, act, None)
    }
}

fn print(desk: &Desk, place: u32, host: &str, out: &Path) -> anyhow::Result<ExitCode> {
    let Some(ordered) = desk.call(&OrderedAct::Places { act: PlaceAct::List })? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Ordered::Places(places) = ordered else { bail!("that is no answer to a place command") };
    let line = places.into_iter().find(|line| line.place == place);
    let line = line
        .with_context(|| format!("there is no place {place}: `changtong place list` shows their numbers"))?;
    let code = line.link.as_deref().and_then(PlaceCode::from_text);
    let link = code.with_context(|| format!("place {place} has no printed code"))?.to_link(host);
    write_new(out, &poster::svg(&line.name, &link), 0o644)?;
    say!("{} is the poster of place {place}, {}: it leads to {link}", out.display(), line.name);
    Ok(ExitCode::SUCCESS)
}

fn give(desk: &Desk, act: PlaceAct, host: Option<&str>) -> anyhow::Result<ExitCode> {
    let Some(mut ordered) = desk.call(&OrderedAct::Places { act })? else { return Ok(ExitCode::SUCCESS) };
    if let (Some(host), Ordered::Places(places)) = (host, &mut ordered) {
        places.iter_mut().for_each(|place| lengthen(place, host));
    }
    if desk.json {
        show_json(&ordered)?;
    } else {
        show(&ordered)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a whole link of what the printed code holds.
fn lengthen(place: &mut PlaceLine, host: &str) {
    let code = place.link.as_deref().and_then(PlaceCode::from_text);
    place.link = code.map(|code| code.to_link(host));
}

pub(super) fn show(ordered: &Ordered) -> anyhow::Result<()> {
    if let Ordered::Units(units) = ordered {
        say!("{} application(s)", units.len());
        for unit in units {
            let applied = orders::day(unit.applied_s);
            let by =
                if unit.operators.is_empty() { String::new() } else { format!(" by {}", unit.operators) };
            let (state, kind, name) = (&unit.state, &unit.kind, &unit.name);
            say!(
                "  unit {:<6}region {:<4}{kind:<12}applied {applied}  {state}{by}  {name}",
                unit.unit,
                unit.region
            );
        }
        return Ok(());
    }
    let Ordered::Places(places) = ordered else { bail!("that is no answer to a place command") };
    if places.is_empty() {
        say!("No place.");
    }
    for place in places {
        let link = place.link.as_deref().unwrap_or("no code");
        say!("  place {:<7}region {:<4}{:<12}{link}  {}", place.place, place.region, place.kind, place.name);
    }
    Ok(())
}
