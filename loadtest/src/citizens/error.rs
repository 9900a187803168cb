//! Why a citizen does not get the page that is asked for.

use super::line::LineError;

/// Why a visitor did not get a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowserError {
    /// There was no answer.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Another answer than that page's.
    #[error("{path} answers {status} and is not the page that is asked for")]
    Status {
        /// Of which page.
        path: String,
        /// Of HTTP.
        status: u16,
    },
    /// An answer as expected, but with something else in it.
    #[error("{path} answers with something else than is asked for")]
    WrongPage {
        /// Of which page.
        path: String,
    },
}

impl BrowserError {
    /// Says whether the connection is lost: if it was a kept one the server has closed it meanwhile, which no browser shows anybody.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Line(LineError::Closed | LineError::Broken(_)))
    }
}
