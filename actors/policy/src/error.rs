//! What is wrong with a policy's file, and on which line.

use std::path::Path;

/// The fault of a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct PolicyError {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The fault, and what it has to be.
    pub what: String,
}

/// A place in the text, and what is wrong there.
pub(super) struct Wrong(pub(super) std::ops::Range<usize>, pub(super) String);

impl Wrong {
    /// The error of a policy with that text, which was read from `path`.
    pub(super) fn in_file(self, text: &str, path: &Path) -> PolicyError {
        let Self(span, what) = self;
        let before = text.get(..span.start).unwrap_or_default();
        PolicyError { file: path.display().to_string(), line: before.matches('\n').count() + 1, what }
    }
}
