//! The errors of a citizen's browser.

use crate::http::HttpError;

/// The reason why a page was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowserError {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer with another status than that page's.
    #[error("{path} answers {status} and is not the page that is asked for")]
    Status {
        /// The page.
        path: String,
        /// The status of the answer.
        status: u16,
    },
    /// An answer with the expected status and other content.
    #[error("{path} answers with something else than is asked for")]
    WrongPage {
        /// The page.
        path: String,
    },
}

impl BrowserError {
    /// Returns true if the connection is lost: the server may have closed a kept one, and a browser would connect again.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Http(HttpError::Connection(_)))
    }
}
