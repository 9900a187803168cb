//! The report as a file: written pretty, because people look into it, and read back for comparisons. What is in it is in
//! `outcome.rs`; which other files lie beside it is the run's business.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{REPORT_VERSION, Report};

/// The report's name in a run's folder.
pub const REPORT_FILE: &str = "report.json";

/// Why a report can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It can't be written.
    #[error("writing {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be read.
    #[error("reading {path}: {source}; name a folder that `loadtest run` wrote")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another version of this program wrote it.
    #[error(
        "{path} has layout {found} and this program reads {REPORT_VERSION}; read it with the version that wrote it"
    )]
    Version {
        /// Where.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// It is no report.
    #[error("{path} is no report: {source}")]
    Wrong {
        /// Where.
        path: PathBuf,
        /// The fault.
        source: serde_json::Error,
    },
}

/// The parts of every layout.
#[derive(Deserialize)]
struct Layout {
    version: u32,
}

impl Report {
    /// Writes [`REPORT_FILE`] into the folder, which is there, and says where it is.
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
