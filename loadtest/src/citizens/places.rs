//! Links in places' printed codes: those of the city's places, and of as many new places as are missing. They come from
//! the city's own command, which signs as a development city's operator.

use std::process::Command;

use anyhow::{Context, ensure};
use device::fleet::Fleet;
use serde::Deserialize;

#[derive(Deserialize)]
struct Places {
    places: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    link: Option<String>,
}

/// Returns `count` links.
pub(crate) fn links(fleet: &Fleet, count: usize) -> anyhow::Result<Vec<String>> {
    let mut links = place(fleet, &["list"]).context("listing places")?;
    links.truncate(count);
    while links.len() < count {
        links.push(add(fleet)?);
    }
    Ok(links)
}

/// Adds a place with a printed code and returns its link.
pub(crate) fn add(fleet: &Fleet) -> anyhow::Result<String> {
    let region = fleet.devices.iter().find_map(|device| device.places().next()).context("no device")?.1.0;
    let words = ["add", "压测广场", "--region", &region.to_string(), "--kind", "station"];
    let added = place(fleet, &words).context("adding a place")?;
    added.into_iter().next().context("no place was added")
}

fn place(fleet: &Fleet, words: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new(&fleet.binary);
    command.arg("place").args(words).arg("--json").arg("--data").arg(&fleet.data);
    let output = command.output().with_context(|| format!("running {}", fleet.binary.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let places: Places = serde_json::from_slice(&output.stdout).context("reading the answer")?;
    Ok(places.places.into_iter().filter_map(|place| place.link).collect())
}
