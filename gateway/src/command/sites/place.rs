//! `changtong place` and `unit`: places with a printed code, and the units that apply for one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use protocol::place::PlaceCode;

use crate::command::desk::Desk;
use crate::operator::orders::{self, AddPlace, DecideUnit, ListPlaces, ListUnits, Order, PlaceLine};
use crate::out::{note, say};
use crate::portal::poster;
use crate::tls::pki::write_new;

#[derive(clap::Subcommand)]
pub(crate) enum Place {
    /// Adds a place and gives what its printed code holds.
    Add {
        /// Its name among people.
        name: String,
        /// The region's number.
        #[arg(long)]
        region: u16,
        /// checkpoint, workplace, compound, village, building, vehicle, school, hospital, station or market.
        #[arg(long, default_value = "checkpoint")]
        kind: String,
        /// The host of the citizens' pages, such as code.example, for a whole link.
        #[arg(long)]
        host: Option<String>,
        #[command(flatten)]
        desk: Desk,
    },
    /// Writes a place's poster: an A4 page with its printed code, as SVG. A browser makes a PDF of it.
    Print {
        /// The place's number.
        place: u32,
        /// The host of the citizens' pages, such as code.example; localhost:8080 of a development city.
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
        match self {
            Self::Add { name, region, kind, host, desk } => {
                let done = give(&desk, AddPlace { region, kind, name }, host.as_deref())?;
                if desk.shows() {
                    note!(
                        "next: changtong device enrol --class gate --name NAME --region N --place N --json --sign KEY > TOKEN"
                    );
                    note!("      loadtest device --token TOKEN takes it to its first punch");
                }
                Ok(done)
            }
            Self::List { host, desk } => give(&desk, ListPlaces, host.as_deref()),
            Self::Print { place, host, out, desk } => print(&desk, place, &host, &out),
        }
    }
}

impl Unit {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { desk } => desk.give(ListUnits),
            Self::Approve { unit, desk } => desk.give(DecideUnit { unit, approved: true }),
            Self::Refuse { unit, desk } => desk.give(DecideUnit { unit, approved: false }),
        }
    }
}

/// Returns the origin of links to the pages for a host as people write it: with or without a scheme, with or without a final slash. It
/// is HTTPS, except for the pages of a development city, which are on this machine.
fn origin_of(host: &str) -> anyhow::Result<String> {
    let given = host.trim();
    let (scheme, name) = given.split_once("://").map_or(("", given), |(scheme, name)| (scheme, name));
    let name = name.trim_end_matches('/').to_ascii_lowercase();
    let (label, port) = match name.rsplit_once(':') {
        Some((label, port)) if !label.ends_with(':') && !port.ends_with(']') => (label, Some(port)),
        _ => (&name[..], None),
    };
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_host = !label.is_empty() && label.bytes().all(is_label) && !label.starts_with('.');
    if !is_host || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        bail!(
            "--host {host:?} is no host of the citizens' pages; give its name alone, such as code.example or localhost:8080"
        );
    }
    let address = label.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_here = label == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match (scheme.to_ascii_lowercase().as_str(), is_here) {
        ("" | "http", true) => Ok(format!("http://{name}")),
        ("" | "https", _) => Ok(format!("https://{name}")),
        ("http", false) => {
            bail!("the citizens' pages are served over HTTPS; give --host {name} without http://")
        }
        _ => bail!(
            "--host {host:?} has a scheme that no page is served over; give its name alone, such as code.example"
        ),
    }
}

fn print(desk: &Desk, place: u32, host: &str, out: &Path) -> anyhow::Result<ExitCode> {
    let origin = origin_of(host)?;
    let Some(places) = desk.call(ListPlaces)? else { return Ok(ExitCode::SUCCESS) };
    let line = places.into_iter().find(|line| line.place == place);
    let line = line
        .with_context(|| format!("there is no place {place}: `changtong place list` shows their numbers"))?;
    let code = line.link.as_deref().and_then(PlaceCode::from_text);
    let link = code.with_context(|| format!("place {place} has no printed code"))?.at(&origin);
    write_new(out, &poster::svg(&line.name, &link), 0o644)?;
    if desk.json {
        let poster = serde_json::json!({ "place": place, "name": line.name, "link": link, "out": out });
        say!("{}", serde_json::json!({ "poster": poster }));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{} is the poster of place {place}, {}: it leads to {link}", out.display(), line.name);
    Ok(ExitCode::SUCCESS)
}

/// Gives an order whose reply is places, and prints them with whole links if a host is named.
fn give<O: Order<Reply = Vec<PlaceLine>>>(
    desk: &Desk,
    order: O,
    host: Option<&str>,
) -> anyhow::Result<ExitCode> {
    // A host that is none is told before anything is added.
    let origin = host.map(origin_of).transpose()?;
    let Some(mut places) = desk.call(order)? else { return Ok(ExitCode::SUCCESS) };
    if let Some(origin) = origin {
        places.iter_mut().for_each(|place| lengthen(place, &origin));
    }
    orders::print::<O>(&places, desk.json)
}

/// Makes a whole link of what the printed code holds.
fn lengthen(place: &mut PlaceLine, origin: &str) {
    let code = place.link.as_deref().and_then(PlaceCode::from_text);
    place.link = code.map(|code| code.at(origin));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_makes_a_link_that_opens_or_is_refused() {
        for (host, expected) in [
            ("code.example", "https://code.example"),
            ("code.example/", "https://code.example"),
            ("https://code.example", "https://code.example"),
            ("HTTPS://Code.Example//", "https://code.example"),
            ("code.example:8443", "https://code.example:8443"),
            ("localhost:8080", "http://localhost:8080"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin_of(host).expect(host), expected);
        }
        for host in [
            "",
            "https://",
            "https://https://code.example",
            "code.example/p/",
            "code example",
            "http://code.example",
            "ftp://code.example",
            "code.example:x",
            "市.example",
        ] {
            origin_of(host).expect_err(host);
        }
    }
}
