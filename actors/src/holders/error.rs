//! Errors of imports.

use std::path::PathBuf;

use registry::RegistryError;

use crate::registrar::RegistrarError;
use crate::table::TableError;

/// An error that ends an import. What was imported before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is refused as a whole: nothing of it is imported.
    #[error("{path} is not imported: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// The reason, and the remedy.
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
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry's writer failed, or is busy.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
}
