//! Why an import ends before its file does.

use std::path::PathBuf;

use registry::RegistryError;

use crate::table::TableError;

/// Why an import did not come to its end. What was imported before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is refused as a whole: nothing of it is imported.
    #[error("{path} is not imported: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// Why, and how it is mended.
        source: TableError,
    },
    /// The file is not the one that was signed for.
    #[error("{path} is not the file that was signed; sign it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A line sets a colour, and the import was signed as one that sets none.
    #[error("{path} sets colours, which takes two operators")]
    Colours {
        /// The file.
        path: PathBuf,
    },
    /// The reject file would overwrite something else.
    #[error("{path} exists and is no reject file")]
    RejectsTaken {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{doing} {path}")]
    Io {
        /// The attempt.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
