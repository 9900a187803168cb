//! Repeats of punches that are no longer remembered, from devices that come back after a restart: a thread of its own reads what is
//! on record, so that nobody else waits for that, and compares. Each device has one look-up at a time, and keys are held for one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use protocol::{DeviceId, Epoch, Sequence, metric};

use super::disk::Disk;
use super::marks::{Known, runs};
use super::seal::DayKeys;
use super::seek::{Found, Wanted, find};
use super::{LedgerError, Outcome, Record, RecordedRun, Reply};

/// Look-ups that may wait; one of each device, so that nobody waits for another's more than once.
const LOOKUPS_MAX: usize = 1024;
/// Punches that look-ups may hold for comparing, 32 bytes each: 4 MiB.
const LOOKUP_PUNCHES_MAX: usize = 128 * 1024;

/// Punches of a device, the oldest of a run, that were sent before; what is on record is no longer remembered.
pub(super) struct Lookup {
    pub(super) wanted: Wanted,
    /// As they are said now.
    pub(super) said: Vec<Record>,
    pub(super) then: Then,
    pub(super) reply: Reply,
}

/// The step that follows when they are on record as said.
pub(super) enum Then {
    /// They are answered, with the rest of the run, which is remembered.
    Answer(Vec<RecordedRun>),
    /// New punches follow in the run. What was found is remembered, and the run told to come again: it is taken as a whole then.
    Remember,
}

/// The findings for a run that comes again.
pub(super) struct Remembered {
    pub(super) device: DeviceId,
    pub(super) epoch: Epoch,
    pub(super) first: Sequence,
    pub(super) known: Vec<Known>,
}

/// A look-up is over.
struct Done {
    device: DeviceId,
    remembered: Option<Remembered>,
}

/// The log's side of the thread, which ends when this is dropped.
pub(super) struct Lookups {
    ask: SyncSender<Lookup>,
    done: Receiver<Done>,
    /// Punches of each device that are looked for.
    under_way: HashMap<DeviceId, usize>,
    punches: usize,
}

impl Lookups {
    /// Starts the thread; `None` if the system has none.
    pub(super) fn start<D: Disk + Clone>(disk: &D, day_keys: &Path) -> Option<Self> {
        let (disk, directory) = (disk.clone(), day_keys.to_owned());
        let (ask, asked) = sync_channel::<Lookup>(LOOKUPS_MAX);
        let (over, done) = sync_channel(LOOKUPS_MAX);
        let work = move || {
            for lookup in asked {
                let device = lookup.wanted.device;
                let (remembered, outcome, reply) = answer(&disk, &directory, lookup);
                // Before the answer: the run that comes again finds it remembered.
                if over.send(Done { device, remembered }).is_err() {
                    return;
                }
                let _ = reply.send(outcome);
            }
        };
        let started = std::thread::Builder::new().name("ledger-lookup".to_owned()).spawn(work);
        if let Err(error) = &started {
            tracing::error!(%error, "no thread for looking up old verdicts");
        }
        started.ok().map(|_| Self { ask, done, under_way: HashMap::new(), punches: 0 })
    }

    /// Hands a look-up over, or answers it `Busy`.
    pub(super) fn send(&mut self, lookup: Lookup) {
        let (device, punches) = (lookup.wanted.device, lookup.said.len());
        let free = !self.under_way.contains_key(&device)
            && self.under_way.len() < LOOKUPS_MAX
            && self.punches + punches <= LOOKUP_PUNCHES_MAX;
        if !free {
            return drop(lookup.reply.send(Outcome::Busy));
        }
        match self.ask.try_send(lookup) {
            Ok(()) => {
                self.under_way.insert(device, punches);
                self.punches += punches;
            }
            Err(TrySendError::Full(lookup) | TrySendError::Disconnected(lookup)) => {
                let _ = lookup.reply.send(Outcome::Busy);
            }
        }
    }

    /// Says what is to be remembered of a look-up that has ended since the last call; `None` when no more have.
    pub(super) fn ended(&mut self) -> Option<Remembered> {
        while let Ok(Done { device, remembered }) = self.done.try_recv() {
            self.punches -= self.under_way.remove(&device).unwrap_or(0);
            if remembered.is_some() {
                return remembered;
            }
        }
        None
    }
}

/// A day's key is read for this look-up alone: one that is destroyed is nowhere in memory.
fn answer<D: Disk>(disk: &D, day_keys: &Path, lookup: Lookup) -> (Option<Remembered>, Outcome, Reply) {
    let Lookup { wanted, said, then, reply } = lookup;
    let found = find(disk, &mut DayKeys::at(day_keys), &wanted);
    let known = match found.map(|found| agree(&wanted, &said, &found)) {
        Ok(Ok(known)) => known,
        Ok(Err(sequence)) => return (None, number_used(wanted.device, sequence), reply),
        Err(error) => return (None, unreadable(&error), reply),
    };
    match then {
        Then::Answer(rest) => {
            let known = known.iter().map(|known| (known.as_of_ms, known.verdict));
            let mut all = runs(wanted.first.0, known);
            all.extend(rest);
            let repeats: usize = all.iter().map(|run| run.verdicts.len()).sum();
            metrics::counter!(metric::DUPLICATES).increment(repeats as u64);
            (None, Outcome::Recorded(all), reply)
        }
        Then::Remember => {
            let Wanted { device, epoch, first, .. } = wanted;
            (Some(Remembered { device, epoch, first, known }), Outcome::Busy, reply)
        }
    }
}

/// Counts a number that stands for another punch.
pub(super) fn number_used(device: DeviceId, sequence: Sequence) -> Outcome {
    tracing::warn!(%device, %sequence,
        "a device sends another punch under a number that is used; it has to take a higher epoch");
    metrics::counter!(metric::NUMBERS_USED).increment(1);
    Outcome::NumberUsed { sequence }
}

fn unreadable(error: &LedgerError) -> Outcome {
    tracing::error!(%error, "old verdicts cannot be read");
    Outcome::Busy
}

/// Says what is on record, if it is all that is wanted and as it is said now; otherwise the first number for which it is not. A punch that
/// is not on record any more, or never was, has no verdict that could be told.
fn agree(wanted: &Wanted, said: &[Record], found: &[Found]) -> Result<Vec<Known>, Sequence> {
    let mut found = found.iter().peekable();
    let mut known = Vec::with_capacity(said.len());
    for (said, sequence) in said.iter().zip(wanted.first.0..) {
        let sequence = Sequence(sequence);
        let on_record = found.next_if(|found| found.sequence == sequence);
        let digest = said.digest.filter(|_| on_record.is_some_and(|found| is_same(said, &found.record)));
        let (Some(found), Some(digest)) = (on_record, digest) else { return Err(sequence) };
        known.push(Known { as_of_ms: found.as_of_ms, verdict: found.record.verdict, digest });
    }
    Ok(known)
}

/// A record of a version that kept no digest says enough by itself: nobody passes twice within a millisecond.
fn is_same(said: &Record, recorded: &Record) -> bool {
    match recorded.digest {
        Some(digest) => said.digest == Some(digest),
        None => {
            let told = |record: &Record| (record.place, record.direction, record.device_time_ms);
            told(said) == told(recorded)
        }
    }
}
