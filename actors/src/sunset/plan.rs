//! The plan of what would be ended and destroyed, and what is kept: looked at without a key, and without changing anything. Its digest is what
//! operators sign.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use keys::Keys;
use registry::KeptRegistry;
use registry::kept::{KEPT, PERSONAL};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{DELETIONS, LEDGER, RECORD, RECORD_FRESH, REGISTRY, SunsetError, io};

const VERSION: u32 = 1;
/// Rows of these come and go with each order, also with the one that ends the measure.
const UNCOUNTED: [&str; 2] = ["order_log", "checkpoints"];
/// The files that a gateway leaves beside its data, and nobody misses.
const TRIFLES: [&str; 7] =
    ["lock", "imports", "admin.sock", "registry.db-wal", "registry.db-shm", RECORD, RECORD_FRESH];

/// An estate to end: where it lies, and what whoever runs it knows of the rest.
#[derive(Clone, Debug)]
pub struct Estate {
    /// The gateway's data.
    pub data: PathBuf,
    /// Its keys.
    pub keys: PathBuf,
    /// Files and directories in the data that hold made-up people or secrets of a development city.
    pub made_up: Vec<&'static str>,
    /// Those in the data that stay and tell nothing of anybody.
    pub plain: Vec<&'static str>,
    /// Carriers that were asked.
    pub carriers: Vec<String>,
    /// Secrets that lie elsewhere and are their owner's to revoke.
    pub yours: Vec<String>,
}

/// The number of rows a table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The table.
    pub of: String,
    /// Its rows.
    pub rows: u64,
}

/// The plan of all that would be ended and destroyed. Names and numbers, nothing of anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Of the plan's own form.
    pub version: u32,
    /// The number under which the gateway issued codes.
    pub gateway: u16,
    /// The place where the keys lie.
    pub keys_directory: PathBuf,
    /// Key files in it, in the order in which they are destroyed; the day keys among them are the days that punches are kept of.
    pub keys: Vec<String>,
    /// Files of the punch log that are removed.
    pub punches: Vec<String>,
    /// Tables of the registry that are emptied.
    pub emptied: Vec<Count>,
    /// Tables of the registry that are kept.
    pub kept: Vec<Count>,
    /// Files of a development city that are destroyed.
    pub made_up: Vec<String>,
    /// Carriers that are not asked any more.
    pub carriers: Vec<String>,
    /// Secrets elsewhere, which their owner revokes.
    pub yours: Vec<String>,
    /// Files that are not the gateway's, in the data by its name and among the keys by its path; whoever put it there looks at it.
    pub others: Vec<String>,
}

impl Plan {
    /// Looks at what there is.
    ///
    /// # Errors
    /// A registry that does not read, or the operating system's word.
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

    /// SHA-256, hexadecimal.
    pub fn digest(&self) -> String {
        let text = serde_json::to_string(self).expect("texts and numbers");
        hex::encode(digest(&SHA256, format!("changtong sunset plan 1\n{text}").as_bytes()))
    }
}

/// Files of the punch log. Directories among them are somebody else's.
pub(super) fn punches(data: &Path) -> Result<Vec<String>, SunsetError> {
    let ledger = data.join(LEDGER);
    let mut punches = names(&ledger)?;
    punches.retain(|name| name != DELETIONS && ledger.join(name).is_file());
    Ok(punches)
}

/// Names in a directory, in order; none if it is not there.
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

/// Every file under that name.
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

/// Says what lies among the keys and is none that the gateway knows: copies, and whatever an editor left.
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
