//! A punch log that failed, told by the next process: the one that it happened to ends sooner than anybody scrapes it. What fails, and
//! what is acknowledged then, is the log's own business.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::metric;

/// Left in the data's directory; the log's may be what fails.
const MARK: &str = "ledger-failed";
/// The time that the next process tells it: several scrapes, whatever their interval.
pub(crate) const TOLD: Duration = Duration::from_secs(120);

fn mark(data: &Path) -> PathBuf {
    data.join(MARK)
}

/// Leaves word. Without room for it, nothing else is lost.
pub(crate) fn leave(data: &Path) {
    if let Err(error) = std::fs::write(mark(data), []) {
        tracing::error!(%error, "the next process cannot be told that the punch log failed");
    }
}

/// Reports whether the last process left the mark. Removes the mark, and sets the metric from now on.
pub(crate) fn tell(data: &Path) -> bool {
    let failed = std::fs::remove_file(mark(data)).is_ok();
    if failed {
        tracing::warn!("the process before this one ended because the punch log failed");
        metrics::gauge!(metric::LEDGER_POISONED).set(1.0);
    }
    failed
}

/// Everybody knows.
pub(crate) fn told() {
    metrics::gauge!(metric::LEDGER_POISONED).set(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once() {
        let data = tempfile::tempdir().expect("a directory");
        assert!(!tell(data.path()), "nothing has failed");
        leave(data.path());
        assert!(tell(data.path()));
        assert!(!tell(data.path()), "the start after that knows nothing of it");
    }
}
