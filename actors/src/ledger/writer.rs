//! The thread that owns the log: takes everything that waits, writes it as one batch, syncs, answers. While it syncs, the next
//! batch collects in the queue.

mod full;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use protocol::{DeviceId, Epoch, Sequence, metric};
use tokio::sync::{oneshot, watch};

use super::disk::Disk;
use super::format::{self, Entry, Mark, RECORD_BYTES, RUN_BYTES};
use super::life::Life;
use super::log::{CommitError, Log};
use super::lookup::{self, Lookup};
use super::marks::Seen;
use super::read::Wanted;
use super::room::Room;
use super::{HelloOutcome, Message, Outcome, RecordedRun, Reply, Run};
use crate::clock::{self, Reading};

/// Punches in one batch at most: bounds what one sync makes others wait for.
const BATCH_PUNCHES_MAX: usize = 64 * 1024;
/// After this long without work the last batch is vouched for, and expiry is looked at.
const IDLE: Duration = Duration::from_millis(100);

struct LedgerMetrics {
    batch_punches: Histogram,
    sync_seconds: Histogram,
    waited: Histogram,
    bytes: Counter,
    lsn: Gauge,
    queued: Gauge,
    poisoned: Gauge,
    duplicates: Counter,
    gaps: Counter,
    lost: Counter,
}

impl LedgerMetrics {
    fn new() -> Self {
        // The scrub counts in its own thread; an alert needs the zero before the first failure.
        metrics::counter!(metric::SCRUB_FAILURES).increment(0);
        Self {
            batch_punches: metrics::histogram!(metric::BATCH_PUNCHES),
            sync_seconds: metrics::histogram!(metric::SYNC_SECONDS),
            waited: metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "ledger"),
            bytes: metrics::counter!(metric::LEDGER_BYTES),
            lsn: metrics::gauge!(metric::LEDGER_LSN),
            queued: metrics::gauge!(metric::LEDGER_QUEUED),
            poisoned: metrics::gauge!(metric::LEDGER_POISONED),
            duplicates: metrics::counter!(metric::DUPLICATES),
            gaps: metrics::counter!(metric::GAPS),
            lost: metrics::counter!(metric::LOST),
        }
    }
}

/// An answer that waits for the sync.
enum Answer {
    Run {
        reply: Reply,
        runs: Vec<RecordedRun>,
    },
    /// Part of it has to be looked for on disk.
    Lookup(Lookup),
    Hello {
        reply: oneshot::Sender<HelloOutcome>,
        outcome: HelloOutcome,
    },
}

/// What the messages of one round come to.
#[derive(Default)]
struct Round {
    entries: Vec<Entry>,
    marks: Vec<Mark>,
    answers: Vec<Answer>,
    punches: usize,
}

pub(super) struct Writer<D: Disk> {
    log: Log<D>,
    messages: Receiver<Message>,
    queued_punches: Arc<AtomicUsize>,
    poison: watch::Sender<bool>,
    lookups: Option<SyncSender<Lookup>>,
    metrics: LedgerMetrics,
    room: Room,
    poisoned: bool,
}

impl<D: Disk + Clone> Writer<D> {
    pub(super) fn new(
        log: Log<D>,
        messages: Receiver<Message>,
        queued_punches: Arc<AtomicUsize>,
        poison: watch::Sender<bool>,
    ) -> Self {
        let metrics = LedgerMetrics::new();
        metrics.lsn.set(log.lsn as f64);
        metrics.poisoned.set(0.0);
        metrics::gauge!(metric::RETENTION_SECONDS).set(f64::from(log.retention_days) * 86_400.0);
        Self {
            log,
            messages,
            queued_punches,
            poison,
            lookups: None,
            metrics,
            room: Room::new(),
            poisoned: false,
        }
    }

    /// Works until it is asked to stop and nothing waits, or every handle is gone.
    pub(super) fn run(mut self, life: &Life) {
        self.start_lookups();
        loop {
            let stopping = life.turn();
            match self.messages.recv_timeout(if stopping { Duration::ZERO } else { IDLE }) {
                Ok(first) => {
                    let messages = self.collect(first);
                    self.round(messages, &clock::look());
                }
                Err(RecvTimeoutError::Timeout) if stopping => break,
                Err(RecvTimeoutError::Timeout) => self.idle(&clock::look()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close(&clock::look());
    }

    /// In good order: the last batch is vouched for, and the floor says how far the log reaches.
    pub(super) fn close(&mut self, at: &Reading) {
        self.idle(at);
        if !self.poisoned
            && let Err(error) = self.log.raise_floor()
        {
            self.refuse(Vec::new(), error);
        }
    }

    pub(super) fn start_lookups(&mut self) {
        self.lookups = lookup::start(&self.log.disk, self.log.keys.directory());
    }

    fn collect(&self, first: Message) -> Vec<Message> {
        let mut punches = first.punches();
        let mut messages = vec![first];
        while punches < BATCH_PUNCHES_MAX
            && let Ok(message) = self.messages.try_recv()
        {
            punches += message.punches();
            messages.push(message);
        }
        messages
    }

    /// When nothing waits.
    pub(super) fn idle(&mut self, at: &Reading) {
        if self.poisoned {
            return;
        }
        if let Err(error) = self.room.idle(&mut self.log, at) {
            self.refuse(Vec::new(), error);
        }
        self.expire(at);
        self.metrics.queued.set(self.queued_punches.load(Ordering::Relaxed) as f64);
    }

    /// Also after a batch: a city may never pause, and still has to forget.
    fn expire(&mut self, at: &Reading) {
        if !self.poisoned
            && let Err(error) = self.room.expire(&mut self.log, at)
        {
            self.refuse(Vec::new(), error);
        }
    }

    /// Writes and answers what came in one go.
    pub(super) fn round(&mut self, messages: Vec<Message>, at: &Reading) {
        if let Some(oldest) = messages.iter().filter_map(Message::sent).min() {
            self.metrics.waited.record(clock::since(oldest));
        }
        let queued: usize = messages.iter().map(Message::punches).sum();
        let left = self.queued_punches.fetch_sub(queued, Ordering::Relaxed) - queued;
        self.metrics.queued.set(left as f64);
        if self.poisoned {
            messages.into_iter().for_each(|message| message.refuse(Outcome::Down, HelloOutcome::Down));
            return;
        }
        let plain: usize = messages.iter().map(|message| RUN_BYTES + message.punches() * RECORD_BYTES).sum();
        let bytes = format::batch_bytes(messages.len(), plain) as u64;
        let messages = match self.room.make(&mut self.log, bytes, at) {
            Ok(()) => messages,
            Err(CommitError::Full) => self.without_room(messages, at),
            Err(poison @ CommitError::Poison(_)) => return self.refuse(messages, poison),
        };
        let mut round = Round::default();
        for message in messages {
            self.take(message, &mut round, at.now_ms);
        }
        self.commit(round, at);
        self.expire(at);
    }

    fn take(&mut self, message: Message, round: &mut Round, now_ms: u64) {
        match message {
            Message::Append { run, reply, sent: _ } => self.take_run(run, reply, round),
            Message::Hello { device, epoch, acknowledged, reply } => {
                match self.greet(device, epoch, acknowledged, round, now_ms) {
                    Err(current) => drop(reply.send(HelloOutcome::EpochBehind { current })),
                    Ok(outcome) => round.answers.push(Answer::Hello { reply, outcome }),
                }
            }
        }
    }

    fn take_run(&mut self, run: Run, reply: Reply, round: &mut Round) {
        let repeats = match self.log.marks.see(&run) {
            Seen::Accepted { repeats } => repeats,
            Seen::Gap { expected } => {
                self.metrics.gaps.increment(1);
                let _ = reply.send(Outcome::Gap { expected });
                return;
            }
            Seen::EpochBehind { current } => {
                let _ = reply.send(Outcome::EpochBehind { current });
                return;
            }
        };
        let mut runs = Vec::new();
        let mut missing = 0;
        if repeats > 0 {
            self.metrics.duplicates.increment(repeats as u64);
            runs = self.log.marks.recall(run.device, run.first, repeats);
            missing = repeats - runs.iter().map(|run| run.verdicts.len()).sum::<usize>();
        }
        let wanted = Wanted { device: run.device, epoch: run.epoch, first: run.first, count: missing };
        if repeats < run.records.len() {
            runs.push(self.take_new(run, repeats, round));
        }
        round.answers.push(match missing {
            0 => Answer::Run { reply, runs },
            _ => Answer::Lookup(Lookup { wanted, runs, reply }),
        });
    }

    fn take_new(&mut self, mut run: Run, repeats: usize, round: &mut Round) -> RecordedRun {
        run.records.drain(..repeats);
        let first = Sequence(run.first.0 + repeats as u64);
        let recorded = RecordedRun {
            first,
            as_of_ms: run.received_ms,
            verdicts: run.records.iter().map(|record| record.verdict).collect(),
        };
        self.log.marks.remember(run.device, recorded.clone(), run.window_punches);
        round.punches += run.records.len();
        let end = Sequence(first.0 + run.records.len() as u64 - 1);
        round.marks.push(Mark { device: run.device, epoch: run.epoch, recorded: end });
        round.entries.push(Entry::Run {
            device: run.device,
            epoch: run.epoch,
            region: run.region,
            first,
            received_ms: run.received_ms,
            window_punches: run.window_punches,
            records: run.records,
        });
        recorded
    }

    fn greet(
        &mut self,
        device: DeviceId,
        epoch: Epoch,
        acknowledged: Sequence,
        round: &mut Round,
        now_ms: u64,
    ) -> Result<HelloOutcome, Epoch> {
        let recorded = match self.log.marks.get(device) {
            Some((current, _)) if epoch < current => return Err(current),
            Some((current, recorded)) if epoch == current => recorded,
            Some(_) | None => Sequence(0),
        };
        if acknowledged <= recorded {
            return Ok(HelloOutcome::Known { recorded, lost: 0 });
        }
        let lost = acknowledged.0 - recorded.0;
        tracing::error!(%device, from = recorded.0 + 1, to = acknowledged.0,
            "a device holds acknowledgements for punches that the log does not have");
        self.metrics.lost.increment(lost);
        let mark = Mark { device, epoch, recorded: acknowledged };
        self.log.marks.set(mark);
        round.marks.push(mark);
        let from = Sequence(recorded.0 + 1);
        round.entries.push(Entry::Lost { device, epoch, from, to: acknowledged, noticed_ms: now_ms });
        Ok(HelloOutcome::Known { recorded: acknowledged, lost })
    }

    fn commit(&mut self, round: Round, at: &Reading) {
        if !round.entries.is_empty() {
            let start = clock::now();
            match self.log.commit(&round.entries, &round.marks, at) {
                Ok(bytes) => {
                    self.metrics.sync_seconds.record(clock::since(start));
                    self.metrics.batch_punches.record(round.punches as f64);
                    self.metrics.bytes.increment(bytes);
                    self.metrics.lsn.set(self.log.lsn as f64);
                }
                Err(error) => {
                    round.answers.into_iter().for_each(Answer::down);
                    self.refuse(Vec::new(), error);
                    return;
                }
            }
        }
        for answer in round.answers {
            match answer {
                Answer::Run { reply, runs } => drop(reply.send(Outcome::Recorded(runs))),
                Answer::Hello { reply, outcome } => drop(reply.send(outcome)),
                Answer::Lookup(lookup) => self.send_lookup(lookup),
            }
        }
    }

    fn send_lookup(&self, lookup: Lookup) {
        let Some(lookups) = &self.lookups else { return drop(lookup.reply.send(Outcome::Busy)) };
        if let Err(TrySendError::Full(lookup) | TrySendError::Disconnected(lookup)) = lookups.try_send(lookup)
        {
            let _ = lookup.reply.send(Outcome::Busy);
        }
    }

    fn refuse(&mut self, messages: Vec<Message>, error: CommitError) {
        match error {
            CommitError::Full => {}
            CommitError::Poison(error) => {
                tracing::error!(%error, "the punch log failed; nothing more is acknowledged, the process ends");
                self.metrics.poisoned.set(1.0);
                self.poisoned = true;
                self.poison.send_replace(true);
            }
        }
        messages.into_iter().for_each(|message| message.refuse(Outcome::Down, HelloOutcome::Down));
    }
}

impl Answer {
    fn down(self) {
        match self {
            Self::Run { reply, .. } | Self::Lookup(Lookup { reply, .. }) => drop(reply.send(Outcome::Down)),
            Self::Hello { reply, .. } => drop(reply.send(HelloOutcome::Down)),
        }
    }
}

impl Message {
    pub(super) fn punches(&self) -> usize {
        match self {
            Self::Append { run, .. } => run.records.len(),
            Self::Hello { .. } => 0,
        }
    }

    fn sent(&self) -> Option<Instant> {
        match self {
            Self::Append { sent, .. } => Some(*sent),
            Self::Hello { .. } => None,
        }
    }

    fn refuse(self, run: Outcome, hello: HelloOutcome) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(run)),
            Self::Hello { reply, .. } => drop(reply.send(hello)),
        }
    }
}

/// A thread that ends by a panic leaves nobody to acknowledge anything: the same as a poisoned log.
impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.metrics.poisoned.set(1.0);
            self.poison.send_replace(true);
        }
    }
}
