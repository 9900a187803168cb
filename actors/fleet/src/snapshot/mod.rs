//! Snapshots of the registry, by which gateways join. The leader stores one when there is none to join by, and again after many changes or a
//! day; then it trims the stream behind the one before. The broker's stream of pieces keeps the two newest.
//!
//! - `piece`: the format. Pure. `shelf`: the stream of pieces. `make`: the leader's part. `join`: the joiner's.

mod join;
mod make;
pub(crate) mod piece;
mod shelf;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use join::join;
pub(crate) use make::keep;
pub use shelf::SNAPSHOT_STREAM;
pub(crate) use shelf::Shelf;

use crate::{FleetConfig, Trouble};

/// When the leader stores another snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// The number of messages behind the last snapshot from which on another one is due.
    pub messages: u64,
    /// The shortest time between two of them.
    pub pause: Duration,
    /// The time after which one is due however few changes there are: what was deleted leaves the broker after two of them.
    pub at_latest: Duration,
}

impl Default for Rhythm {
    /// A gateway that joins or was away applies 200,000 groups of changes within minutes, and a full hour of a busy morning is no more; a
    /// large registry takes minutes to send. A day, because deleted people leave the broker with the second snapshot after them.
    fn default() -> Self {
        let (pause, at_latest) = (Duration::from_secs(15 * 60), Duration::from_secs(86_400));
        Self { messages: 200_000, pause, at_latest }
    }
}

/// The copy of the registry from which a leader sends, in the data directory.
fn outgoing(config: &FleetConfig) -> PathBuf {
    config.data.join("snapshot-out.db")
}

/// The file of a snapshot that is received, in the data directory.
fn incoming(config: &FleetConfig) -> PathBuf {
    config.data.join("snapshot-in.db")
}

/// Removes the files of a process that ended within a snapshot.
pub(crate) fn clear(config: &FleetConfig) {
    for path in [outgoing(config), incoming(config)] {
        if let Err(trouble) = remove(&path) {
            tracing::warn!(%trouble, "a file of a snapshot is left");
        }
    }
}

/// Removes a side file and what SQLite keeps beside it; none is there afterwards.
fn remove(path: &Path) -> Result<(), Trouble> {
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(file("removing", path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Trouble {
    move |error| Trouble::Gateway(format!("{doing} {}: {error}; is the disk full?", path.display()))
}

/// Runs work on a file off the fleet's thread.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let ended = |error: tokio::task::JoinError| Trouble::Gateway(format!("a snapshot's file: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}
