//! The files and rows of a sunset's plan that are still there. After a sunset that has ended none are left. Nothing is changed here.

use std::path::{Path, PathBuf};

use keys::Keys;
use registry::KeptRegistry;
use registry::kept::PERSONAL;
use serde::Serialize;

use super::{Count, LEDGER, REGISTRY, Record, SunsetError, plan};

/// The files and rows of a plan that are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The files with keys, punches and made-up people.
    pub files: Vec<PathBuf>,
    /// The tables that are not empty.
    pub rows: Vec<Count>,
}

impl Left {
    /// Looks for what the record's plan is to take away.
    ///
    /// # Errors
    /// A registry that cannot be read, or an error of the operating system.
    pub fn of(data: &Path, record: &Record) -> Result<Self, SunsetError> {
        let registry = KeptRegistry::open(&data.join(REGISTRY))?;
        let mut rows = Vec::new();
        for table in PERSONAL {
            let count = Count { of: (*table).to_owned(), rows: registry.rows(table)? };
            rows.extend(Some(count).filter(|count| count.rows > 0));
        }
        Ok(Self { files: files(data, record)?, rows })
    }

    /// Returns true if nothing is left.
    pub fn is_none(&self) -> bool {
        self.files.is_empty() && self.rows.is_empty()
    }
}

fn files(data: &Path, record: &Record) -> Result<Vec<PathBuf>, SunsetError> {
    let keys = &record.plan.keys_directory;
    let mut names = record.plan.keys.clone();
    if keys.exists() {
        let found = Keys::files(keys)?.into_iter().filter(|name| !record.plan.keys.contains(name));
        names.extend(found.collect::<Vec<_>>());
    }
    let mut files: Vec<PathBuf> = names.iter().map(|name| keys.join(name)).collect();
    let ledger = data.join(LEDGER);
    files.extend(plan::punches(data)?.iter().map(|name| ledger.join(name)));
    files.extend(record.plan.made_up.iter().map(|name| data.join(name)));
    files.retain(|path| path.exists());
    Ok(files)
}
