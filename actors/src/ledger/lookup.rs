//! Verdicts of long ago, for devices that ask again after a restart: a thread of its own reads them from disk, so that nobody
//! else waits for that.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::disk::Disk;
use super::read::{Wanted, lookup};
use super::seal::DayKeys;
use super::{Outcome, RecordedRun, Reply};

/// Look-ups that may wait.
const LOOKUPS_MAX: usize = 1024;

/// A run that is answered once the rest of it is found.
pub(super) struct Lookup {
    pub(super) wanted: Wanted,
    pub(super) runs: Vec<RecordedRun>,
    pub(super) reply: Reply,
}

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn start<D: Disk + Clone>(disk: &D, day_keys: &Path) -> Option<SyncSender<Lookup>> {
    let (disk, directory) = (disk.clone(), day_keys.to_owned());
    let (lookups, waiting) = sync_channel::<Lookup>(LOOKUPS_MAX);
    let work = move || {
        let Ok(mut keys) = DayKeys::open(&directory) else { return };
        for lookup in waiting {
            answer(&disk, &mut keys, lookup);
        }
    };
    let started = std::thread::Builder::new().name("ledger-lookup".to_owned()).spawn(work);
    if let Err(error) = &started {
        tracing::error!(%error, "no thread for looking up old verdicts");
    }
    started.ok().map(|_| lookups)
}

fn answer<D: Disk>(disk: &D, keys: &mut DayKeys, asked: Lookup) {
    let Lookup { wanted, runs, reply } = asked;
    let outcome = match lookup(disk, keys, &wanted) {
        Ok(mut found) => {
            found.extend(runs);
            Outcome::Recorded(found)
        }
        Err(error) => {
            tracing::error!(%error, "old verdicts cannot be read");
            Outcome::Busy
        }
    };
    let _ = reply.send(outcome);
}
