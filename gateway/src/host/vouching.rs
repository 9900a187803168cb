//! Has the punch log and the registry vouch for each other while the gateway runs: at its start, from time to time, and at its end.
//! A start that finds a difference is refused. What they say stands in `actors::vouch`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actors::vouch::{self, Stores, VouchError};
use keys::Keys;
use ledger::{self, LedgerHandle};
use registry::Registry;
use runtime::clock;

use crate::config::Settings;

/// The time between two: what came since may vanish without a word; three syncs in this time are nothing to a disk.
const EVERY: Duration = Duration::from_secs(10);

impl Settings {
    /// Gives where the stores lie that have to belong together.
    pub(crate) fn stores(data: &Path, keys: &Path) -> Stores {
        let (registry, ledger) = (Self::registry_path(data), Self::ledger_path(data));
        Stores { registry, ledger, day_keys: Keys::days(keys) }
    }
}

/// Compares the stores before either is opened to be written: that makes what is missing, takes a registry to this release's tables,
/// and cuts the end of a log that may be another's. It reads the newest segment, as the start does after it.
pub(crate) fn before(settings: &Settings) -> anyhow::Result<Stores> {
    let stores = Settings::stores(&settings.data, &settings.keys);
    // A full disk may have no room for what the registry's store makes when it is opened.
    ledger::release_reserve_if_low(&stores.ledger)?;
    compare(&stores)?;
    Ok(stores)
}

/// Compares the stores; changes nothing, whether a gateway runs there or not.
pub(crate) fn look(data: &Path, keys: &Path) -> anyhow::Result<()> {
    compare(&Settings::stores(data, keys))
}

/// Compares what both say, and how far the log reaches.
fn compare(stores: &Stores) -> anyhow::Result<()> {
    let fit = stores.compare().map_err(plain)?;
    let lsn = ledger::last_lsn(&stores.ledger)?;
    Ok(stores.reaches(&fit, lsn.unwrap_or(0))?)
}

/// The error itself, by which a start that fails is weighed.
pub(crate) fn plain(error: VouchError) -> anyhow::Error {
    match error {
        VouchError::Differ(difference) => difference.into(),
        VouchError::Ledger(error) => error.into(),
        VouchError::Registry(error) => error.into(),
        VouchError::Random => error.into(),
    }
}

/// The two stores, in the hands of whoever has them vouch.
struct Both {
    registry: Arc<Mutex<Registry>>,
    ledger: PathBuf,
    log: LedgerHandle,
    /// The last LSN and the registry's changes when they vouched last.
    told: Option<(u64, u64)>,
}

/// The thread that does it.
pub(crate) struct Vouching {
    stop: SyncSender<()>,
    thread: JoinHandle<Both>,
}

impl Vouching {
    /// Vouches, and goes on from time to time, on a thread of its own: a disk that hangs holds up nobody else.
    pub(crate) fn start(
        registry: Arc<Mutex<Registry>>,
        ledger: PathBuf,
        log: LedgerHandle,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let mut both = Both { registry, ledger, log, told: None };
        let thread = std::thread::Builder::new().name("vouching".to_owned()).spawn(move || {
            loop {
                both.vouch(false);
                if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return both;
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Vouches for the last time; the log has ended, and nobody works on the registry any more.
    pub(crate) fn end(self) {
        drop(self.stop);
        match self.thread.join() {
            Ok(mut both) => both.vouch(true),
            Err(_) => tracing::error!("the thread that has the stores vouch for each other panicked"),
        }
    }
}

impl Both {
    /// Has them vouch if anything has changed since. Whoever holds the registry for long, as an import does, is not waited for, but at the end.
    fn vouch(&mut self, last: bool) {
        let lsn = self.log.durable_lsn();
        let mut registry = match (self.registry.try_lock(), last) {
            (Ok(registry), _) => registry,
            (Err(_), false) => return,
            (Err(_), true) => self.registry.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if self.told == Some((lsn, registry.changes())) {
            return;
        }
        match vouch::vouch(&mut registry, &self.ledger, lsn, clock::now_ms()) {
            Ok(()) => self.told = Some((lsn, registry.changes())),
            Err(error) => tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "the punch log and the registry could not vouch for each other; it is tried again"
            ),
        }
    }
}
