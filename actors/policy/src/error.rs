//! Errors of a policy file, with their lines.

use std::path::Path;

/// An error in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct PolicyError {
    /// The path of the file, as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The error, and the permitted values.
    pub what: String,
}

/// An error with its position in the text.
pub(super) struct Wrong(pub(super) std::ops::Range<usize>, pub(super) String);

impl Wrong {
    /// Returns the error for a policy with that text, read from `path`.
    pub(super) fn in_file(self, text: &str, path: &Path) -> PolicyError {
        let Self(span, what) = self;
        let before = text.get(..span.start).unwrap_or_default();
        PolicyError { file: path.display().to_string(), line: before.matches('\n').count() + 1, what }
    }
}
