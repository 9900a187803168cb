//! The second copy of this gateway's punch log, in a stream of its own. The log is the outbox: durable batches go out as they lie on disk,
//! one after the other, and the stream's last message says where to go on; nothing else is kept. `message` is the form of a message, `store`
//! the stream, `days` the sealed day keys beside it; `recover` reads the copy of a
//! gateway that is lost, `elsewhere` the marks of all others.

mod days;
mod elsewhere;
mod message;
mod recover;
mod store;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use keys::recovery::RecoveryKey;
use ledger::{CopyProgress, LedgerHandle, LogTail, TailError};
use protocol::metric;
use runtime::clock;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::broker;
use crate::standing::Shared;
use crate::{FleetConfig, Trouble};

use days::SealedDays;
use store::{Flight, Store};

pub(crate) use elsewhere::Elsewhere;
pub(crate) use elsewhere::follow;
pub use recover::{RecoverError, recover};
pub use store::{COPY_STREAM, DAYS_STREAM};

/// The interval at which the log is looked at for new batches: what a machine that is lost takes with it. Each look at a busy log costs
/// three servers a sync. Answers that wait for the copy ask for it at once.
const LOOK: Duration = Duration::from_millis(100);
/// The most messages without an acknowledgement: they fill the way to a broker that needs 50 ms for each, and take 8 MiB of memory.
const FLIGHTS_MAX: usize = 16;
/// The most bytes of batches in a message, if the broker takes them: three servers that sync each message take 340 small ones a second.
const MESSAGE_BYTES: usize = 512 * 1024;
/// The pause after trouble, before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The pause after a copy was found to be another log's: nothing but an operator changes that.
const OTHER_LOG: Duration = Duration::from_secs(60);
/// The interval at which the metrics follow.
const SHOWN: Duration = Duration::from_millis(500);

/// The punch log that is copied.
pub struct PunchLog {
    /// The log's handle.
    pub ledger: LedgerHandle,
    /// The directory of its segments.
    pub directory: PathBuf,
    /// The directory of its day keys.
    pub day_keys: PathBuf,
    /// The retention of punches, in days.
    pub retention_days: u32,
    /// The key to which day keys are sealed; without it the copy of a lost gateway cannot be read.
    pub recovery: Option<RecoveryKey>,
    /// The progress that answers wait for; `None` if they do not.
    pub progress: Option<CopyProgress>,
}

/// Copies the log for ever.
pub(crate) async fn run(config: &FleetConfig, shared: &Shared, log: &PunchLog) -> Infallible {
    let (never, ()) = tokio::join!(copy(config, shared, log), show(shared, log));
    never
}

async fn copy(config: &FleetConfig, shared: &Shared, log: &PunchLog) -> Infallible {
    let mut client = None;
    loop {
        let trouble = match copy_until_trouble(config, shared, log, &mut client).await {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        };
        if let Some(progress) = &log.progress {
            progress.away();
        }
        let text = trouble.to_string();
        let known = shared.standing().copy.and_then(|copy| copy.trouble);
        if known.as_ref() != Some(&text) {
            tracing::warn!(trouble = text, "the second copy of the punch log stands still");
        }
        shared.note_copy(|copy| copy.trouble = Some(text));
        sleep(if matches!(trouble, Trouble::OtherLog(_)) { OTHER_LOG } else { RETRY }).await;
    }
}

async fn copy_until_trouble(
    config: &FleetConfig,
    shared: &Shared,
    log: &PunchLog,
    client: &mut Option<async_nats::Client>,
) -> Result<Infallible, Trouble> {
    // A connection of its own: the lease does not wait behind punches.
    let client = match client {
        Some(client) => client.clone(),
        None => client.insert(broker::connect(config).await?).clone(),
    };
    let mut store = Store::open(&client, config, log.retention_days).await?;
    let end = store.end().await?;
    let whole = end.as_ref().map_or(0, ledger::SealedBatches::whole_up_to);
    let (directory, durable) = (log.directory.clone(), log.ledger.durable_lsn());
    // It may read a whole segment, and the lease is renewed on this thread.
    let behind = spawn_blocking(move || LogTail::behind(&directory, end.as_ref(), durable));
    let mut tail = behind.await.map_err(unreadable)?.map_err(|error| refused(&error, &config.name))?;
    let mut days = SealedDays::open(&store, config, log).await?;
    reached(shared, log, whole);
    let mut flights: VecDeque<Flight> = VecDeque::new();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // True until the log has no more than what was sent: an acknowledgement alone is no reason to look, so that messages are large.
    let mut is_due = true;
    loop {
        while is_due && flights.len() < FLIGHTS_MAX {
            let read = tail.read(log.ledger.durable_lsn(), store.room(MESSAGE_BYTES)).map_err(unreadable)?;
            let Some(batches) = read else {
                is_due = false;
                break;
            };
            if let Some(days) = &mut days {
                days.send(&batches.days, log).await?;
            }
            flights.push_back(store.send(batches).await?);
        }
        tokio::select! {
            copied = first(&mut flights) => reached(shared, log, copied?),
            () = wanted(log), if !is_due => is_due = true,
            _ = look.tick(), if !is_due => {
                is_due = true;
                if let Some(days) = &mut days {
                    days.look(log).await?;
                }
            }
        }
    }
}

/// Waits for the first message's acknowledgement; returns the LSN up to which the copy is whole.
async fn first(flights: &mut VecDeque<Flight>) -> Result<u64, Trouble> {
    let Some(flight) = flights.front_mut() else { return std::future::pending().await };
    let copied = flight.await;
    flights.pop_front();
    copied
}

/// Resolves when answers wait for the copy.
async fn wanted(log: &PunchLog) {
    match &log.progress {
        Some(progress) => progress.wanted().await,
        None => std::future::pending().await,
    }
}

fn reached(shared: &Shared, log: &PunchLog, lsn: u64) {
    if let Some(progress) = &log.progress {
        progress.reached(lsn);
    }
    // The end that was last looked at may be older.
    shared.note_copy(|copy| (copy.lsn, copy.end, copy.trouble) = (lsn, copy.end.max(lsn), None));
}

fn refused(error: &TailError, name: &str) -> Trouble {
    match error {
        TailError::OtherLog { copy, log } => {
            tracing::debug!(copy, log, "the ends of the copy and of the log");
            Trouble::OtherLog(name.to_owned())
        }
        TailError::Log(error) => Trouble::Copy(error.to_string()),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Trouble {
    Trouble::Copy(error.to_string())
}

/// Has the standing and the metrics follow, for ever.
async fn show(shared: &Shared, log: &PunchLog) {
    let (lag, age) =
        (metrics::gauge!(metric::FLEET_COPY_LAG), metrics::gauge!(metric::FLEET_COPY_AGE_SECONDS));
    // A batch that was not copied when it was seen, and when that was.
    let mut oldest = None;
    let mut due = interval(SHOWN);
    loop {
        due.tick().await;
        let end = log.ledger.durable_lsn();
        let mut copied = 0;
        shared.note_copy(|copy| {
            copy.end = end;
            copied = copy.lsn;
        });
        oldest = oldest.filter(|(lsn, _)| copied < *lsn);
        if oldest.is_none() && copied < end {
            oldest = Some((end, clock::now()));
        }
        lag.set(end.saturating_sub(copied) as f64);
        age.set(oldest.map_or(0.0, |(_, since)| clock::since(since).as_secs_f64()));
    }
}
