//! The report as a file: indented JSON, because people look into it, and read back for comparisons. Its types are in
//! `outcome.rs`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{REPORT_VERSION, Report};

/// The report's name in a run's folder.
pub const REPORT_FILE: &str = "report.json";

/// The reason why a report cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file that cannot be written.
    #[error("writing {path}: {source}")]
    Write {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error("reading {path}: {source}; name a folder that `loadtest run` wrote")]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another version of this program wrote it.
    #[error(
        "{path} has layout {found} and this program reads {REPORT_VERSION}; read it with the version that wrote it"
    )]
    Version {
        /// The path.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// A file that is not a report.
    #[error("{path} is no report: {source}")]
    Wrong {
        /// The path.
        path: PathBuf,
        /// The fault.
        source: serde_json::Error,
    },
}

/// The part that every layout has.
#[derive(Deserialize)]
struct Layout {
    version: u32,
}

impl Report {
    /// Writes [`REPORT_FILE`] into the folder, which exists, and returns its path.
    ///
    /// # Errors
    /// [`ReportError::Write`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let path = folder.join(REPORT_FILE);
        let mut text = serde_json::to_string_pretty(self).expect("a report has text keys only");
        text.push('\n');
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(ReportError::Write { path, source }),
        }
    }

    /// Reads the report at that path.
    ///
    /// # Errors
    /// All but [`ReportError::Write`].
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let bytes = fs::read(path).map_err(|source| ReportError::Read { path: path.to_owned(), source })?;
        let wrong = |source| ReportError::Wrong { path: path.to_owned(), source };
        let layout: Layout = serde_json::from_slice(&bytes).map_err(wrong)?;
        if layout.version != REPORT_VERSION {
            return Err(ReportError::Version { path: path.to_owned(), found: layout.version });
        }
        serde_json::from_slice(&bytes).map_err(wrong)
    }
}
