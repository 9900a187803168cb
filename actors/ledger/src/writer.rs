//! The log's thread: takes all queued messages, writes them as one batch, syncs, and answers. During a sync the next batch collects
//! in the queue.

mod full;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use protocol::metric;
use runtime::clock::{self, Reading};
use runtime::thread::StopToken;
use tokio::sync::watch;

use super::disk::Disk;
use super::format::{self, RECORD_BYTES, RUN_BYTES};
use super::heartbeat::Heartbeat;
use super::log::{CommitError, Log};
use super::lookup::{Lookup, Lookups};
use super::port::ReturnBatch;
use super::preallocation::Preallocation;
use super::round::{Answer, Counts, Round};
use super::{AppendOutcome, HelloOutcome, Message};

/// The maximum number of punches in one batch, which bounds the time of one sync.
const BATCH_PUNCHES_MAX: usize = 64 * 1024;
/// The time without messages after which a commit marker is appended and expiry is checked.
const IDLE: Duration = Duration::from_millis(100);

struct LedgerMetrics {
    batch_punches: Histogram,
    sync_seconds: Histogram,
    waited: Histogram,
    bytes: Counter,
    lsn: Gauge,
    queued: Gauge,
    poisoned: Gauge,
}

impl LedgerMetrics {
    fn new() -> Self {
        // Registered at zero, because alerts need a value before the first increment.
        metrics::counter!(metric::SCRUB_FAILURES).increment(0);
        metrics::counter!(metric::NUMBERS_USED).increment(0);
        Self {
            batch_punches: metrics::histogram!(metric::BATCH_PUNCHES),
            sync_seconds: metrics::histogram!(metric::SYNC_SECONDS),
            waited: metrics::histogram!(metric::QUEUE_SECONDS, "queue" => "ledger"),
            bytes: metrics::counter!(metric::LEDGER_BYTES),
            lsn: metrics::gauge!(metric::LEDGER_LSN),
            queued: metrics::gauge!(metric::LEDGER_QUEUED),
            poisoned: metrics::gauge!(metric::LEDGER_POISONED),
        }
    }
}

pub(super) struct Writer<D: Disk> {
    log: Log<D>,
    messages: Receiver<Message>,
    queued_punches: Arc<AtomicUsize>,
    poison: watch::Sender<bool>,
    lookups: Option<Lookups>,
    metrics: LedgerMetrics,
    counts: Counts,
    preallocation: Preallocation,
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
            counts: Counts::new(),
            preallocation: Preallocation::new(),
            poisoned: false,
        }
    }

    /// Runs until a stop is requested and no message waits, or until all handles are dropped.
    pub(super) fn run(mut self, stop: &StopToken, heartbeat: &Heartbeat) {
        self.start_lookups();
        loop {
            heartbeat.beat();
            let stopping = stop.is_stop_requested();
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

    /// Ends the log in good order: appends a commit marker and updates the minimum LSN.
    pub(super) fn close(&mut self, at: &Reading) {
        self.idle(at);
        if !self.poisoned
            && let Err(error) = self.log.write_min_lsn()
        {
            self.refuse(Vec::new(), error);
        }
    }

    pub(super) fn start_lookups(&mut self) {
        self.lookups = Lookups::start(&self.log.disk, self.log.keys.directory());
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

    /// Checks the preallocation, expires a step and sets the gauge of the queue. Called when no message waits.
    pub(super) fn idle(&mut self, at: &Reading) {
        if self.poisoned {
            return;
        }
        if let Err(error) = self.preallocation.idle(&mut self.log, at) {
            self.refuse(Vec::new(), error);
        }
        self.expire(at);
        self.metrics.queued.set(self.queued_punches.load(Ordering::Relaxed) as f64);
    }

    /// Does one step of expiry. Called after each batch too, because a busy log is never idle.
    fn expire(&mut self, at: &Reading) {
        if !self.poisoned
            && let Err(error) = self.preallocation.expire(&mut self.log, at)
        {
            self.refuse(Vec::new(), error);
        }
    }

    /// Writes and answers the messages of one round.
    pub(super) fn round(&mut self, messages: Vec<Message>, at: &Reading) {
        if let Some(oldest) = messages.iter().filter_map(Message::sent).min() {
            self.metrics.waited.record(clock::since(oldest));
        }
        let queued: usize = messages.iter().map(Message::punches).sum();
        let left = self.queued_punches.fetch_sub(queued, Ordering::Relaxed) - queued;
        self.metrics.queued.set(left as f64);
        if self.poisoned {
            messages.into_iter().for_each(|message| message.refuse(&AppendOutcome::Down, HelloOutcome::Down));
            return;
        }
        let runs: usize = messages.iter().map(Message::runs).sum();
        let bytes = format::batch_bytes(runs, runs * RUN_BYTES + queued * RECORD_BYTES) as u64;
        let messages = match self.preallocation.prepare(&mut self.log, bytes, at) {
            Ok(()) => messages,
            Err(CommitError::Full) => self.handle_disk_full(messages, at),
            Err(poison @ CommitError::Poison(_)) => return self.refuse(messages, poison),
        };
        self.remember_found();
        let mut round = Round::default();
        for message in messages {
            round.add(message, &mut self.log.marks, &self.counts, at.now_ms);
        }
        self.commit(round, at);
        self.expire(at);
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
        let mut recorded = ReturnBatch::default();
        for answer in round.answers {
            match answer {
                Answer::Run { reply, runs } => recorded.add(reply, AppendOutcome::Recorded(runs)),
                Answer::Hello { reply, outcome } => drop(reply.send(outcome)),
                Answer::Marks { reply, recorded } => drop(reply.send(recorded)),
                Answer::Missing { reply } => drop(reply.send(())),
                Answer::Lookup(lookup) => self.send_lookup(lookup),
            }
        }
        recorded.send(Some(self.log.lsn));
    }

    fn send_lookup(&mut self, lookup: Lookup) {
        match &mut self.lookups {
            Some(lookups) => lookups.send(lookup),
            None => lookup.reply.send(AppendOutcome::Busy),
        }
    }

    /// Stores the results of finished look-ups, for the runs that are sent again.
    fn remember_found(&mut self) {
        while let Some(found) = self.lookups.as_mut().and_then(Lookups::next_found) {
            self.log.marks.remember(found.device, found.epoch, found.first, &found.known);
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
        messages.into_iter().for_each(|message| message.refuse(&AppendOutcome::Down, HelloOutcome::Down));
    }
}

impl Answer {
    fn down(self) {
        match self {
            Self::Run { reply, .. } | Self::Lookup(Lookup { reply, .. }) => reply.send(AppendOutcome::Down),
            Self::Hello { reply, .. } => drop(reply.send(HelloOutcome::Down)),
            // Who asked is told by the end of the channel.
            Self::Marks { .. } | Self::Missing { .. } => {}
        }
    }
}

impl Message {
    pub(super) fn punches(&self) -> usize {
        match self {
            Self::Append { runs, .. } => runs.iter().map(|append| append.run.punches.len()).sum(),
            Self::Hello { .. } | Self::CheckHello { .. } | Self::Marks { .. } | Self::Missing { .. } => 0,
        }
    }

    /// Returns the number of its runs; a hello or a loss may need as much space as a run.
    fn runs(&self) -> usize {
        match self {
            Self::Append { runs, .. } => runs.len(),
            Self::Hello { .. } | Self::Missing { .. } => 1,
            Self::CheckHello { .. } | Self::Marks { .. } => 0,
        }
    }

    fn sent(&self) -> Option<Instant> {
        match self {
            Self::Append { sent, .. } => Some(*sent),
            Self::Hello { .. } | Self::CheckHello { .. } | Self::Marks { .. } | Self::Missing { .. } => None,
        }
    }

    pub(super) fn refuse(self, run: &AppendOutcome, hello: HelloOutcome) {
        match self {
            Self::Append { runs, .. } => runs.into_iter().for_each(|append| append.reply.send(run.clone())),
            Self::Hello { reply, .. } => drop(reply.send(hello)),
            Self::CheckHello { reply, .. } => drop(reply.send(Err(hello))),
            // Who asked is told by the end of the channel.
            Self::Marks { .. } | Self::Missing { .. } => {}
        }
    }
}

/// Treats a panic of the thread as a poisoned log, since no more punches can be acknowledged.
impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.metrics.poisoned.set(1.0);
            self.poison.send_replace(true);
        }
    }
}
