//! The errors of an import.

use std::path::PathBuf;

use registry::RegistryError;

use crate::registrar::RegistrarError;
use crate::table::TableError;

/// An error that ends an import. The lines of earlier parts stay imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file that is refused as a whole: nothing of it is imported.
    #[error("{path} is not imported: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// The reason, and the remedy.
        source: TableError,
    },
    /// Another file than the one that was signed for.
    #[error("{path} is not the file that was signed; sign it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A line that sets yellow or red, in an import that was signed as one that sets none.
    #[error("{path} sets colours, which takes two operators")]
    Colours {
        /// The file.
        path: PathBuf,
    },
    /// A reject file that would overwrite another file.
    #[error("{path} exists and is no reject file")]
    RejectsTaken {
        /// The file.
        path: PathBuf,
    },
    /// A failure of the operating system.
    #[error("{doing} {path}")]
    Io {
        /// The attempted operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An error of the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A failure of the registry's writer, or too much load on it.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
}
