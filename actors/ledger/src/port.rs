//! The way of one thread's runs into the log and of their outcomes back. All runs that the thread has appended in one turn go to the
//! log as one message, and all outcomes of one sync come back with one wake-up, however many callers wait. If answers wait for a second
//! copy, they wait here, so that the log's thread never does.

use std::future::Future;
use std::time::Instant;

use runtime::clock;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::awaited::AwaitedCopy;
use super::{AppendOutcome, LedgerHandle, Run};

/// The number of punches from which on a message is complete: the log takes whole messages into a batch, whose size it bounds.
const MESSAGE_PUNCHES: usize = 8 * 1024;

/// The most runs that wait for the thread's next turn; more are answered `Busy`. The endpoint reads packets for a
/// bounded time in each turn, and each brings one run or none.
const RUNS_MAX: usize = 64 * 1024;
/// The most syncs whose outcomes wait for the thread. It takes them at its next turn; callers of more are told one by one.
const BATCHES_MAX: usize = 1024;

/// A run on its way to the log.
pub(crate) struct Append {
    pub(crate) run: Run,
    pub(crate) reply: Reply,
}

/// An outcome on its way to its caller.
struct Returned {
    caller: oneshot::Sender<AppendOutcome>,
    outcome: AppendOutcome,
}

/// Outcomes that one sync has made certain.
pub(crate) struct Synced {
    /// The LSN up to which a second copy needs everything before they are told; `None` for all that the log has.
    lsn: Option<u64>,
    at: Instant,
    outcomes: Vec<Returned>,
}

/// The caller of a run, with the port by which it sent the run.
pub(crate) struct Reply {
    pub(crate) caller: oneshot::Sender<AppendOutcome>,
    pub(crate) port: mpsc::Sender<Synced>,
    /// True if the port waits for a second copy.
    awaits_copy: bool,
}

impl Reply {
    /// Makes a caller without a port.
    #[cfg(test)]
    pub(crate) fn alone() -> (Self, oneshot::Receiver<AppendOutcome>) {
        let (caller, outcome) = oneshot::channel();
        (Self { caller, port: mpsc::channel(1).0, awaits_copy: false }, outcome)
    }

    /// Sends an outcome past the port, which wakes the caller at once. A caller that has gone is not told.
    pub(crate) fn send(self, outcome: AppendOutcome) {
        let _ = self.caller.send(outcome);
    }

    /// Sends an outcome that rests on batches of earlier syncs.
    pub(crate) fn send_found(self, outcome: AppendOutcome) {
        if !self.awaits_copy {
            return self.send(outcome);
        }
        let mut found = ReturnBatch::default();
        found.add(self, outcome);
        found.send(None);
    }
}

/// A thread's port to the log; clones share it. Punches that wait in it count as punches of the log's queue.
#[derive(Clone)]
pub struct LedgerPort {
    ledger: LedgerHandle,
    runs: mpsc::Sender<Append>,
    outcomes: mpsc::Sender<Synced>,
}

impl LedgerPort {
    /// Opens a port. The future, which the caller's thread has to run, carries runs and outcomes, and ends when all clones of the port are
    /// dropped and all outcomes are delivered.
    pub fn open(ledger: &LedgerHandle) -> (Self, impl Future<Output = ()> + use<>) {
        let (runs, appended) = mpsc::channel(RUNS_MAX);
        let (outcomes, returned) = mpsc::channel(BATCHES_MAX);
        let sending = forward(ledger.clone(), appended);
        let delivering = deliver(ledger.clone(), returned);
        let carry = async move {
            tokio::join!(sending, delivering);
        };
        (Self { ledger: ledger.clone(), runs, outcomes }, carry)
    }

    /// Appends a run; never blocks. `caller` receives the outcome when the records are durable, or at once if the log's queue is full.
    /// Runs reach the log in the order of the calls. While a second copy that answers wait for is away, nothing is taken.
    pub fn append(&self, run: Run, caller: oneshot::Sender<AppendOutcome>) {
        let punches = run.punches.len();
        let awaited = self.ledger.awaited.as_ref();
        if awaited.is_some_and(AwaitedCopy::is_away) || !self.ledger.reserve(punches) {
            let _ = caller.send(AppendOutcome::Busy);
            return;
        }
        let reply = Reply { caller, port: self.outcomes.clone(), awaits_copy: awaited.is_some() };
        let (append, outcome) = match self.runs.try_send(Append { run, reply }) {
            Ok(()) => return,
            Err(TrySendError::Full(append)) => (append, AppendOutcome::Busy),
            Err(TrySendError::Closed(append)) => (append, AppendOutcome::Down),
        };
        self.ledger.release(punches);
        append.reply.send(outcome);
    }
}

/// Sends runs to the log, all that there are at each turn.
async fn forward(ledger: LedgerHandle, mut appended: mpsc::Receiver<Append>) {
    let mut all = Vec::new();
    while appended.recv_many(&mut all, usize::MAX).await > 0 {
        let (mut runs, mut punches) = (Vec::with_capacity(all.len()), 0);
        for append in all.drain(..) {
            punches += append.run.punches.len();
            runs.push(append);
            if punches >= MESSAGE_PUNCHES {
                ledger.send(std::mem::take(&mut runs));
                punches = 0;
            }
        }
        if !runs.is_empty() {
            ledger.send(runs);
        }
    }
}

/// Hands outcomes to their callers, after the second copy if there is one.
async fn deliver(mut ledger: LedgerHandle, mut returned: mpsc::Receiver<Synced>) {
    while let Some(Synced { lsn, at, outcomes }) = returned.recv().await {
        let durable = lsn.unwrap_or_else(|| ledger.durable_lsn());
        let is_certain = match &mut ledger.awaited {
            None => true,
            Some(copy) => copy.has(durable, at).await,
        };
        outcomes.into_iter().for_each(if is_certain { Returned::tell } else { Returned::tell_uncopied });
    }
}

impl Returned {
    fn tell(self) {
        let _ = self.caller.send(self.outcome);
    }

    /// Tells what is certain without the second copy. Recorded punches are sent again, and are repeats then.
    fn tell_uncopied(self) {
        let outcome = match self.outcome {
            AppendOutcome::Recorded(_) => AppendOutcome::NotCopied,
            other @ (AppendOutcome::NumberUsed { .. }
            | AppendOutcome::Gap { .. }
            | AppendOutcome::EpochBehind { .. }
            | AppendOutcome::Busy
            | AppendOutcome::NotCopied
            | AppendOutcome::Down) => other,
        };
        let _ = self.caller.send(outcome);
    }
}

/// The outcomes of one sync for one port.
struct ForPort {
    port: mpsc::Sender<Synced>,
    awaits_copy: bool,
    outcomes: Vec<Returned>,
}

/// The outcomes of one sync, sorted by port.
#[derive(Default)]
pub(crate) struct ReturnBatch(Vec<ForPort>);

impl ReturnBatch {
    /// Adds a caller's outcome.
    pub(crate) fn add(&mut self, reply: Reply, outcome: AppendOutcome) {
        let Reply { caller, port, awaits_copy } = reply;
        let returned = Returned { caller, outcome };
        match self.0.iter_mut().find(|known| known.port.same_channel(&port)) {
            Some(known) => known.outcomes.push(returned),
            None => self.0.push(ForPort { port, awaits_copy, outcomes: vec![returned] }),
        }
    }

    /// Sends the outcomes, which are durable up to `lsn`, with one wake-up for each port. Callers of a port that is full or carries nothing
    /// any more are told one by one.
    pub(crate) fn send(self, lsn: Option<u64>) {
        for ForPort { port, awaits_copy, outcomes } in self.0 {
            let synced = Synced { lsn, at: clock::now(), outcomes };
            if let Err(
                TrySendError::Full(Synced { outcomes, .. }) | TrySendError::Closed(Synced { outcomes, .. }),
            ) = port.try_send(synced)
            {
                let tell = if awaits_copy { Returned::tell_uncopied } else { Returned::tell };
                outcomes.into_iter().for_each(tell);
            }
        }
    }
}
