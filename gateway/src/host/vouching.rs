//! Has the punch log and the registry vouch for each other while the gateway runs: at its start, from time to time, and at its end.
//! A start that finds a difference is refused. What they say stands in `actors::vouch`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::registrar::RegistrarHandle;
use actors::vouch::{self, Stores, VouchError};
use keys::Keys;
use ledger::{self, LedgerHandle};
use runtime::clock;
use runtime::thread::{self, Thread};

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
        VouchError::Registrar(error) => error.into(),
        VouchError::Random(error) => error.into(),
    }
}

/// The two stores that vouch for each other.
struct Both {
    registrar: RegistrarHandle,
    ledger: PathBuf,
    log: LedgerHandle,
    /// The last LSN and the registry's last change when they vouched last.
    told: Option<(u64, u64)>,
}

/// The thread that has the stores vouch for each other.
pub(crate) struct Vouching(Thread<Both>);

impl Vouching {
    /// Starts a thread that vouches now and at intervals. It has its own thread so that a disk that hangs blocks no other work.
    pub(crate) fn start(
        registrar: RegistrarHandle,
        ledger: PathBuf,
        log: LedgerHandle,
    ) -> std::io::Result<Self> {
        let mut both = Both { registrar, ledger, log, told: None };
        let thread = thread::spawn("vouching", move |stop| {
            loop {
                both.vouch();
                if stop.wait(EVERY) {
                    return both;
                }
            }
        })?;
        Ok(Self(thread))
    }

    /// Vouches for the last time; the log has ended.
    pub(crate) fn end(self) {
        match self.0.stop() {
            Ok(mut both) => both.vouch(),
            Err(error) => {
                tracing::error!(%error, "the punch log and the registry do not vouch for each other")
            }
        }
    }
}

impl Both {
    /// Has them vouch if anything has changed since.
    fn vouch(&mut self) {
        let lsn = self.log.durable_lsn();
        let last = self.told.filter(|(told, _)| *told == lsn).map(|(_, change)| change);
        match vouch::vouch(&self.registrar, &self.ledger, lsn, last, clock::now_ms()) {
            Ok(change) => self.told = change.map(|change| (lsn, change)).or(self.told),
            Err(error) => tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "the punch log and the registry could not vouch for each other; it is tried again"
            ),
        }
    }
}
