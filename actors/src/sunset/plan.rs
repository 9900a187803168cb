//! The plan of a sunset: what would be ended and destroyed, and what is kept. Made without a key and without changing anything. Operators
//! sign its digest.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use keys::Keys;
use registry::KeptRegistry;
use registry::kept::{KEPT, PERSONAL};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{DELETIONS, LEDGER, RECORD, RECORD_FRESH, REGISTRY, SunsetError, io};

const VERSION: u32 = 1;
/// Tables whose rows are not counted: each order changes them, also the one that ends the measure.
const UNCOUNTED: [&str; 2] = ["order_log", "checkpoints"];
/// Files of a gateway beside its data that hold nothing to keep or destroy.
const TRIFLES: [&str; 7] =
    ["lock", "imports", "admin.sock", "registry.db-wal", "registry.db-shm", RECORD, RECORD_FRESH];

/// The gateway that a sunset ends: the paths of its data and keys, and what the caller knows of the rest.
#[derive(Clone, Debug)]
pub struct Estate {
    /// The gateway's data directory.
    pub data: PathBuf,
    /// The gateway's keys directory.
    pub keys: PathBuf,
    /// Names in the data directory that hold made-up people or secrets of a development city.
    pub made_up: Vec<&'static str>,
    /// Names in the data directory that stay and hold no personal data.
    pub plain: Vec<&'static str>,
    /// The carriers that were asked.
    pub carriers: Vec<String>,
    /// Secrets in other places, which their owners have to revoke.
    pub yours: Vec<String>,
}

/// The number of rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The table's name.
    pub of: String,
    /// The number of its rows.
    pub rows: u64,
}

/// The plan of a sunset: names and numbers of all that would be destroyed or kept, no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of the plan's format.
    pub version: u32,
    /// The number under which the gateway issued codes.
    pub gateway: u16,
    /// The keys directory.
    pub keys_directory: PathBuf,
    /// The key files in it, in the order of their destruction; its day keys are those of the days whose punches are kept.
    pub keys: Vec<String>,
    /// The files of the punch log, which are removed.
    pub punches: Vec<String>,
    /// The tables of the registry that are emptied.
    pub emptied: Vec<Count>,
    /// The tables of the registry that are kept.
    pub kept: Vec<Count>,
    /// The files of a development city, which are destroyed.
    pub made_up: Vec<String>,
    /// The carriers, which are no longer asked.
    pub carriers: Vec<String>,
    /// Secrets in other places, which their owners have to revoke.
    pub yours: Vec<String>,
    /// Files that are not the gateway's, by name in the data directory and by path among the keys; a person has to look at them.
    pub others: Vec<String>,
}

impl Plan {
    /// Makes the plan of what is there.
    ///
    /// # Errors
    /// A registry that cannot be read, or an error of the operating system.
    pub fn make(estate: &Estate) -> Result<Self, SunsetError> {
        let registry = KeptRegistry::open(&estate.data.join(REGISTRY))?;
        let count = |tables: &[&'static str]| -> Result<Vec<Count>, SunsetError> {
            let counted = tables.iter().filter(|table| !UNCOUNTED.contains(table));
            counted.map(|table| Ok(Count { of: (*table).to_owned(), rows: registry.rows(table)? })).collect()
        };
        let mut made_up = Vec::new();
        for name in &estate.made_up {
            walk(&estate.data, name, &mut made_up)?;
        }
        Ok(Self {
            version: VERSION,
            gateway: registry.gateway()?,
            keys_directory: estate.keys.clone(),
            keys: Keys::files(&estate.keys)?,
            punches: punches(&estate.data)?,
            emptied: count(PERSONAL)?,
            kept: count(KEPT)?,
            made_up,
            carriers: estate.carriers.clone(),
            yours: estate.yours.clone(),
            others: others(estate)?,
        })
    }

    /// Returns the plan's SHA-256, hexadecimal.
    pub fn digest(&self) -> String {
        let text = serde_json::to_string(self).expect("texts and numbers");
        hex::encode(digest(&SHA256, format!("changtong sunset plan 1\n{text}").as_bytes()))
    }
}

/// Returns the files of the punch log. Directories among them are not the gateway's.
pub(super) fn punches(data: &Path) -> Result<Vec<String>, SunsetError> {
    let ledger = data.join(LEDGER);
    let mut punches = names(&ledger)?;
    punches.retain(|name| name != DELETIONS && ledger.join(name).is_file());
    Ok(punches)
}

/// Returns the names in a directory, sorted; empty if it does not exist.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, SunsetError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("listing", directory)(error)),
    };
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let names = names.map_err(io("listing", directory))?;
    let mut names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Collects every file under that name.
fn walk(data: &Path, name: &str, files: &mut Vec<String>) -> Result<(), SunsetError> {
    let path = data.join(name);
    if path.is_dir() {
        for below in names(&path)? {
            walk(data, &format!("{name}/{below}"), files)?;
        }
    } else if path.is_file() {
        files.push(name.to_owned());
    }
    Ok(())
}

fn others(estate: &Estate) -> Result<Vec<String>, SunsetError> {
    let mut others = names(&estate.data)?;
    others.retain(|name| {
        let name = name.as_str();
        let known = [REGISTRY, LEDGER].contains(&name) || TRIFLES.contains(&name);
        let told = estate.made_up.contains(&name) || estate.plain.contains(&name);
        !known && !told && estate.data.join(name) != estate.keys
    });
    let ledger = estate.data.join(LEDGER);
    let strange = names(&ledger)?.into_iter().filter(|name| !ledger.join(name).is_file());
    others.extend(strange.map(|name| format!("{LEDGER}/{name}")));
    others.extend(strays(&estate.keys)?.iter().map(|path| path.display().to_string()));
    Ok(others)
}

/// Returns the files among the keys that are not the gateway's, such as copies, and what an editor left.
pub(super) fn strays(keys: &Path) -> Result<Vec<PathBuf>, SunsetError> {
    if !keys.exists() {
        return Ok(Vec::new());
    }
    let (known, days) = (Keys::files(keys)?, Keys::days(keys));
    let mut paths: Vec<PathBuf> = names(keys)?.iter().map(|name| keys.join(name)).collect();
    paths.retain(|path| *path != days);
    paths.extend(names(&days)?.iter().map(|name| days.join(name)));
    paths.retain(|path| !known.iter().any(|name| keys.join(name) == *path));
    Ok(paths)
}
