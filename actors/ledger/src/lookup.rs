//! Look-ups of old repeats, from devices that reconnect after a restart and whose verdicts are no longer in memory. A thread of its
//! own reads the recorded punches and compares them, so that other devices do not wait. One look-up per device at a time; a day key
//! is held for one look-up only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use protocol::{DeviceId, Epoch, Sequence, metric};
use runtime::thread;

use super::disk::Disk;
use super::marks::{RememberedPunch, runs};
use super::port::Reply;
use super::seal::DayKeys;
use super::seek::{Found, Wanted, find};
use super::{AppendOutcome, LedgerError, Record, RecordedRun};

/// The maximum number of look-ups in progress, one per device.
const LOOKUPS_MAX: usize = 1024;
/// The maximum number of punches held by look-ups, 32 bytes each: 4 MiB.
const LOOKUP_PUNCHES_MAX: usize = 128 * 1024;

/// A look-up of the oldest punches of a run, which are repeats that are no longer in memory.
pub(super) struct Lookup {
    pub(super) wanted: Wanted,
    /// The punches as sent now.
    pub(super) sent: Vec<Record>,
    pub(super) then: AfterLookup,
    pub(super) reply: Reply,
}

/// The step after a look-up that found the punches as sent.
pub(super) enum AfterLookup {
    /// The whole run is answered; the argument is its rest, whose verdicts are in memory.
    Answer(Vec<RecordedRun>),
    /// New punches follow in the run. The found punches are remembered and the run is answered `Busy`, so that the device sends it again
    /// as a whole.
    Remember,
}

/// The found punches of a run that the device sends again.
pub(super) struct FoundPunches {
    pub(super) device: DeviceId,
    pub(super) epoch: Epoch,
    pub(super) first: Sequence,
    pub(super) known: Vec<RememberedPunch>,
}

/// A finished look-up.
struct Finished {
    device: DeviceId,
    found: Option<FoundPunches>,
}

/// The log's side of the look-up thread, which ends when this is dropped.
pub(super) struct Lookups {
    requests: SyncSender<Lookup>,
    finished: Receiver<Finished>,
    /// The number of punches of each device's look-up in progress.
    in_progress: HashMap<DeviceId, usize>,
    punches: usize,
}

impl Lookups {
    /// Starts the thread; `None`, with an error in the log, if the operating system gives no thread.
    pub(super) fn start<D: Disk + Clone>(disk: &D, day_keys: &Path) -> Option<Self> {
        let (disk, directory) = (disk.clone(), day_keys.to_owned());
        let (requests, lookups) = sync_channel::<Lookup>(LOOKUPS_MAX);
        let (sender, finished) = sync_channel(LOOKUPS_MAX);
        let started = thread::spawn("ledger-lookup", move |_| {
            for lookup in lookups {
                let device = lookup.wanted.device;
                let (found, outcome, reply) = answer(&disk, &directory, lookup);
                // Before the answer, so that the run finds them in memory when it is sent again.
                if sender.send(Finished { device, found }).is_err() {
                    return;
                }
                reply.send_found(outcome);
            }
        });
        if let Err(error) = &started {
            tracing::error!(%error, "no thread for looking up old verdicts");
        }
        started.ok().map(|_| Self { requests, finished, in_progress: HashMap::new(), punches: 0 })
    }

    /// Queues a look-up, or answers it `Busy`.
    pub(super) fn send(&mut self, lookup: Lookup) {
        let (device, punches) = (lookup.wanted.device, lookup.sent.len());
        let free = !self.in_progress.contains_key(&device)
            && self.in_progress.len() < LOOKUPS_MAX
            && self.punches + punches <= LOOKUP_PUNCHES_MAX;
        if !free {
            return lookup.reply.send(AppendOutcome::Busy);
        }
        match self.requests.try_send(lookup) {
            Ok(()) => {
                self.in_progress.insert(device, punches);
                self.punches += punches;
            }
            Err(TrySendError::Full(lookup) | TrySendError::Disconnected(lookup)) => {
                lookup.reply.send(AppendOutcome::Busy);
            }
        }
    }

    /// Returns the found punches of the next finished look-up that has to be remembered; `None` if there is none.
    pub(super) fn next_found(&mut self) -> Option<FoundPunches> {
        while let Ok(Finished { device, found }) = self.finished.try_recv() {
            self.punches -= self.in_progress.remove(&device).unwrap_or(0);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Does a look-up. Reads day keys for this look-up only, so that a destroyed key stays in no memory.
fn answer<D: Disk>(
    disk: &D,
    day_keys: &Path,
    lookup: Lookup,
) -> (Option<FoundPunches>, AppendOutcome, Reply) {
    let Lookup { wanted, sent, then, reply } = lookup;
    let found = find(disk, &mut DayKeys::at(day_keys), &wanted);
    let known = match found.map(|found| compare(&wanted, &sent, &found)) {
        Ok(Ok(known)) => known,
        Ok(Err(sequence)) => return (None, number_used(wanted.device, sequence), reply),
        Err(error) => return (None, unreadable(&error), reply),
    };
    match then {
        AfterLookup::Answer(rest) => {
            let known = known.iter().map(|known| (known.as_of_ms, known.verdict));
            let mut all = runs(wanted.first.0, known);
            all.extend(rest);
            let repeats: usize = all.iter().map(|run| run.verdicts.len()).sum();
            metrics::counter!(metric::DUPLICATES).increment(repeats as u64);
            (None, AppendOutcome::Recorded(all), reply)
        }
        AfterLookup::Remember => {
            let Wanted { device, epoch, first, .. } = wanted;
            (Some(FoundPunches { device, epoch, first, known }), AppendOutcome::Busy, reply)
        }
    }
}

/// Counts and logs a number that was used for another punch.
pub(super) fn number_used(device: DeviceId, sequence: Sequence) -> AppendOutcome {
    tracing::warn!(%device, %sequence,
        "a device sent another punch under a used number; it has to take a higher epoch");
    metrics::counter!(metric::NUMBERS_USED).increment(1);
    AppendOutcome::NumberUsed { sequence }
}

fn unreadable(error: &LedgerError) -> AppendOutcome {
    tracing::error!(%error, "old verdicts cannot be read");
    AppendOutcome::Busy
}

/// Compares the sent punches with the recorded ones and returns the recorded ones.
///
/// # Errors
/// The first number whose recorded punch differs or is not on record.
fn compare(wanted: &Wanted, sent: &[Record], found: &[Found]) -> Result<Vec<RememberedPunch>, Sequence> {
    let mut found = found.iter().peekable();
    let mut known = Vec::with_capacity(sent.len());
    for (sent, sequence) in sent.iter().zip(wanted.first.0..) {
        let sequence = Sequence(sequence);
        let on_record = found.next_if(|found| found.sequence == sequence);
        let digest = sent.digest.filter(|_| on_record.is_some_and(|found| is_same(sent, &found.record)));
        let (Some(found), Some(digest)) = (on_record, digest) else { return Err(sequence) };
        known.push(RememberedPunch { as_of_ms: found.as_of_ms, verdict: found.record.verdict, digest });
    }
    Ok(known)
}

/// Compares digests. A record of a release without digests is compared by place, direction and time in milliseconds.
fn is_same(sent: &Record, recorded: &Record) -> bool {
    match recorded.digest {
        Some(digest) => sent.digest == Some(digest),
        None => {
            let fields = |record: &Record| (record.place, record.direction, record.device_time_ms);
            fields(sent) == fields(recorded)
        }
    }
}
