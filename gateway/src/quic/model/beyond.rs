//! The world behind a session in the model: two regions whose actors fail, are full and are parked, and the log, which tells new punches,
//! repeats and gaps apart. It keeps the promises of the real ones, one step at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;

use actors::region::RegionOutcome;
use ledger::{AppendOutcome, RecordedRun, Run};
use protocol::message::BusyReason;
use protocol::{Epoch, Punch, Reason, Sequence, Verdict};
use tokio::sync::oneshot;

/// A batch that fails its region this often goes to the log without it.
const FAILURES_MAX: u8 = 3;

/// A batch in a mailbox or in the log's queue. Punches are known by their tags.
struct Parcel {
    epoch: u32,
    first: u64,
    tags: Vec<u64>,
    reply: oneshot::Sender<AppendOutcome>,
}

#[derive(Default)]
struct Region {
    mailbox: VecDeque<Parcel>,
    parked: bool,
    full: bool,
    failing: HashMap<(u32, u64), u8>,
}

/// Punches on disk, and on the way there.
#[derive(Default)]
struct Log {
    epoch: u32,
    recorded: BTreeMap<u32, Vec<u64>>,
    queue: VecDeque<Parcel>,
    full: bool,
    /// Repeats are looked for on disk.
    forgets: bool,
    lookups: VecDeque<(oneshot::Sender<AppendOutcome>, Vec<RecordedRun>)>,
}

/// The regions and the log.
#[derive(Default)]
pub(super) struct Beyond {
    regions: [Region; 2],
    log: Log,
}

/// The verdict tells which punch it is for.
pub(super) fn verdict_of(tag: u64) -> Verdict {
    Verdict::ask_staff(Reason::ALL[tag as usize % Reason::ALL.len()])
}

/// The outcome of a run; its first poll is what sends it.
pub(super) type Departure = Pin<Box<dyn Future<Output = RegionOutcome>>>;

/// Sends a run to its region, as a handle of a region does.
pub(super) fn depart(beyond: &Rc<RefCell<Beyond>>, run: Run<Punch>) -> Departure {
    let (beyond, region) = (Rc::clone(beyond), usize::from(run.region.0 - 1));
    let key = (run.epoch.0, run.first.0);
    let tags: Vec<u64> = run.punches.iter().map(|punch| punch.device_time_ms).collect();
    Box::pin(async move {
        let taken = beyond.borrow_mut().take(region, key, tags);
        let outcome = match taken {
            Ok(answer) => answer.await,
            Err(reason) => return RegionOutcome::Busy(reason),
        };
        let region = &mut beyond.borrow_mut().regions[region];
        match outcome {
            Ok(outcome) => {
                region.failing.remove(&key);
                RegionOutcome::Ledger(outcome)
            }
            Err(_) if region.parked => RegionOutcome::Busy(BusyReason::Parked),
            Err(_) => {
                *region.failing.entry(key).or_default() += 1;
                RegionOutcome::Busy(BusyReason::Failed)
            }
        }
    })
}

impl Beyond {
    fn take(
        &mut self,
        region: usize,
        key: (u32, u64),
        tags: Vec<u64>,
    ) -> Result<oneshot::Receiver<AppendOutcome>, BusyReason> {
        let (reply, answer) = oneshot::channel();
        let parcel = Parcel { epoch: key.0, first: key.1, tags, reply };
        let region = &mut self.regions[region];
        if region.failing.get(&key).is_some_and(|&failures| failures >= FAILURES_MAX) {
            self.log.append(parcel);
        } else if region.parked {
            return Err(BusyReason::Parked);
        } else if region.full {
            return Err(BusyReason::Region);
        } else {
            region.mailbox.push_back(parcel);
        }
        Ok(answer)
    }

    /// The region judges its next batch. False if there is none.
    pub(super) fn judge(&mut self, region: usize) -> bool {
        let Some(parcel) = self.regions[region].mailbox.pop_front() else { return false };
        if !parcel.reply.is_closed() {
            self.log.append(parcel);
        }
        true
    }

    /// The region panics at its next batch.
    pub(super) fn panic(&mut self, region: usize) {
        self.regions[region].mailbox.pop_front();
    }

    /// The region fails too often, and what waits with it; or is tried again.
    pub(super) fn park(&mut self, region: usize, parked: bool) {
        let region = &mut self.regions[region];
        region.parked = parked;
        if parked {
            region.mailbox.clear();
        }
    }

    pub(super) fn fill_region(&mut self, region: usize, full: bool) {
        self.regions[region].full = full;
    }

    pub(super) fn fill_log(&mut self, full: bool) {
        self.log.full = full;
    }

    /// From now on repeats are looked for on disk, or not.
    pub(super) fn forget(&mut self, forgets: bool) {
        self.log.forgets = forgets;
    }

    /// The log writes and answers the next batch. False if there is none.
    pub(super) fn write(&mut self) -> bool {
        self.log.write()
    }

    /// Answers the oldest look-up: its repeats are found, or cannot be read now. False if nothing is looked for.
    pub(super) fn find(&mut self, found: bool) -> bool {
        let Some((reply, runs)) = self.log.lookups.pop_front() else { return false };
        let _ = reply.send(if found { AppendOutcome::Recorded(runs) } else { AppendOutcome::Busy });
        true
    }

    /// Up to where the epoch is recorded, after everything that came before the question; or the epoch that is used.
    pub(super) fn hello(&mut self, Epoch(epoch): Epoch) -> Result<Sequence, Epoch> {
        while self.log.write() {}
        if epoch < self.log.epoch {
            return Err(Epoch(self.log.epoch));
        }
        Ok(Sequence(self.log.recorded.get(&epoch).map_or(0, Vec::len) as u64))
    }

    /// The process ends and another begins: the disk is what is left.
    pub(super) fn crash(&mut self) {
        let (epoch, recorded) = (self.log.epoch, std::mem::take(&mut self.log.recorded));
        *self = Self { log: Log { epoch, recorded, forgets: true, ..Log::default() }, ..Self::default() };
    }

    /// The tags on disk, in their order.
    pub(super) fn recorded(&self, epoch: Epoch) -> &[u64] {
        self.log.recorded.get(&epoch.0).map_or(&[], Vec::as_slice)
    }
}

impl Log {
    fn append(&mut self, parcel: Parcel) {
        if self.full {
            let _ = parcel.reply.send(AppendOutcome::Busy);
        } else {
            self.queue.push_back(parcel);
        }
    }

    fn write(&mut self) -> bool {
        let Some(Parcel { epoch, first, tags, reply }) = self.queue.pop_front() else { return false };
        if epoch < self.epoch {
            let _ = reply.send(AppendOutcome::EpochBehind { current: Epoch(self.epoch) });
            return true;
        }
        let recorded = self.recorded.entry(epoch).or_default();
        let expected = recorded.len() as u64 + 1;
        if first > expected {
            let _ = reply.send(AppendOutcome::Gap { expected: Sequence(expected) });
            return true;
        }
        let (repeats, new) = tags.split_at(tags.len().min((expected - first) as usize));
        let known = &recorded[first as usize - 1..][..repeats.len()];
        assert_eq!(known, repeats, "from number {first} on other punches are on record than are sent now");
        self.epoch = if new.is_empty() { self.epoch } else { epoch };
        recorded.extend(new);
        let run = |first: u64, tags: &[u64]| RecordedRun {
            first: Sequence(first),
            as_of_ms: first,
            verdicts: tags.iter().map(|&tag| verdict_of(tag)).collect(),
        };
        let runs = [run(first, repeats), run(expected, new)];
        let runs = runs.into_iter().filter(|run| !run.verdicts.is_empty()).collect();
        if self.forgets && !repeats.is_empty() {
            self.lookups.push_back((reply, runs));
        } else {
            let _ = reply.send(AppendOutcome::Recorded(runs));
        }
        true
    }
}
