//! A device's punches on its first stream: the order in which runs go to their regions, the punches that a refusal drops, and the answer to
//! each run. Sockets, clocks and regions are the session's. Pure apart from counters, so that a model of the protocol can drive the code
//! that serves devices.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actors::region::RegionOutcome;
use ledger::{AppendOutcome, RecordedRun, Run};
use protocol::message::{Answer, BusyReason, Gap, Hello, PunchBatch};
use protocol::{DeviceClass, ErrorCode, Punch, RegionId, RequestId, Sequence};

use super::answers::{Answers, busy};
use super::intake::{Frames, Intake, Refusal, ends_connection};
use super::metrics::{Owed, QuicMetrics, Scans, Served};
use crate::fleet::{Places, Rights};

/// The time at which something was read, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct ReadTime {
    pub(super) ms: u64,
    pub(super) at: Instant,
}

/// The part of a run that its answer needs.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    first: Sequence,
    punches: usize,
    frames: Frames,
    read: Instant,
}

/// A run with its outcome.
pub(super) struct Landed {
    sent: Sent,
    pub(super) outcome: RegionOutcome,
}

/// A run that was sent to its region.
struct Flying<A> {
    sent: Sent,
    region: RegionId,
    answer: A,
    /// The outcome, if it was there before the run's turn.
    known: Option<RegionOutcome>,
}

/// The runs of one connection that are under way, in order. Consecutive runs of one region are under way together; a change of region waits
/// until the last has its outcome, so that they cannot overtake each other. A refusal drops the punches that the device had sent behind it,
/// until the device sends the refused one again. `A` is the future of an outcome.
pub(super) struct Flight<A> {
    waiting: VecDeque<(Run<Punch>, Frames, Instant)>,
    flying: VecDeque<Flying<A>>,
    /// The highest sequence that the device has a verdict for, as far as this connection knows.
    answered: Sequence,
    /// The first punch that was refused and not sent again yet. While it is set, nothing is under way.
    refused: Option<Sequence>,
}

impl<A: Future<Output = RegionOutcome> + Unpin> Flight<A> {
    /// Starts with a device that has verdicts up to `acknowledged`.
    fn new(acknowledged: Sequence) -> Self {
        Self { waiting: VecDeque::new(), flying: VecDeque::new(), answered: acknowledged, refused: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// Returns true if a batch that begins here follows a refused punch. One that begins at or before it ends the refusal.
    fn is_refused(&mut self, first: Sequence) -> bool {
        match self.refused {
            Some(refused) if first > refused => true,
            Some(_) => {
                self.refused = None;
                false
            }
            None => false,
        }
    }

    /// Refuses the punches from `from` on that have no verdict yet, for the run that landed last. The punches behind them are dropped until the
    /// device sends `from` again. The outcomes of runs under way are given up: a region passes over a run without a caller, and a punch that is
    /// in the log already is a repeat when it comes again.
    ///
    /// Returns the first refused sequence and the number of dropped punches.
    fn refuse(&mut self, from: Sequence) -> (Sequence, usize) {
        let from = from.max(Sequence(self.answered.0.saturating_add(1)));
        let mut dropped = 0;
        while let Some(flying) = self.flying.front() {
            if flying.sent.first <= from {
                return (from, dropped);
            }
            dropped += flying.sent.punches;
            self.flying.pop_front();
        }
        while let Some((run, ..)) = self.waiting.front() {
            if run.first <= from {
                return (from, dropped);
            }
            dropped += run.punches.len();
            self.waiting.pop_front();
        }
        self.refused = Some(from);
        (from, dropped)
    }

    /// Waits for the first run's outcome.
    pub(super) async fn next(&mut self) -> Landed {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Returns the first run's outcome, if it is there.
    pub(super) fn landed_now(&mut self) -> Option<Landed> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(landed) => Some(landed),
            Poll::Pending => None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Landed> {
        let Some(first) = self.flying.front_mut() else { return Poll::Pending };
        let outcome = match first.known.take() {
            Some(outcome) => outcome,
            None => match Pin::new(&mut first.answer).poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => return Poll::Pending,
            },
        };
        let sent = first.sent;
        self.flying.pop_front();
        Poll::Ready(Landed { sent, outcome })
    }

    fn launch(&mut self, mut depart: impl FnMut(Run<Punch>) -> A) {
        while let Some((run, ..)) = self.waiting.front() {
            if self.flying.back().is_some_and(|flying| flying.region != run.region) {
                break;
            }
            let Some((run, frames, read)) = self.waiting.pop_front() else { break };
            let sent = Sent { first: run.first, punches: run.punches.len(), frames, read };
            let (region, mut answer) = (run.region, depart(run));
            // The waker is registered when the run's turn comes.
            let known = match Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => None,
            };
            self.flying.push_back(Flying { sent, region, answer, known });
        }
    }
}

/// One connection's punches after `Hello`; `A` is the future of a run's outcome.
pub(super) struct Stream<A> {
    pub(super) intake: Intake,
    pub(super) flight: Flight<A>,
    pub(super) answers: Answers,
    pub(super) owed: Owed,
}

impl<A: Future<Output = RegionOutcome> + Unpin> Stream<A> {
    /// Starts the stream of a device that said `hello`, with punches up to `recorded` on disk.
    pub(super) fn new(class: DeviceClass, hello: Hello, recorded: Sequence) -> Self {
        Self {
            intake: Intake::new(class, hello.epoch, recorded),
            flight: Flight::new(hello.acknowledged),
            answers: Answers::default(),
            owed: Owed::default(),
        }
    }

    /// Takes a batch that was read at `read_ms`, unless it is empty or follows a refused punch.
    pub(super) fn punches(
        &mut self,
        id: RequestId,
        batch: PunchBatch,
        (rights, places): (&Rights, &Places),
        read_ms: u64,
    ) -> Result<(), Refusal> {
        self.intake.carries(batch.punches.0.len())?;
        if batch.punches.0.is_empty() || self.flight.is_refused(batch.first) {
            return Ok(());
        }
        self.intake.punches(id, batch, (rights, places), read_ms)
    }

    /// Answers a refused request. The error closes the connection.
    pub(super) fn refuse(&mut self, id: RequestId, refusal: Refusal) -> Result<(), ErrorCode> {
        if ends_connection(refusal.code) {
            return Err(refusal.code);
        }
        self.answers.refuse(id, refusal.code, refusal.detail);
        self.intake.refused()
    }

    /// Queues the runs taken so far, read at `at`, for their launch.
    pub(super) fn read(&mut self, read: Instant) {
        let runs = self.intake.take_runs().into_iter();
        self.flight.waiting.extend(runs.map(|(run, frames)| (run, frames, read)));
    }

    /// Sends the runs that may go to their regions now.
    pub(super) fn launch(&mut self, depart: impl FnMut(Run<Punch>) -> A) {
        self.flight.launch(depart);
    }

    /// Answers a run. The error closes the connection.
    pub(super) fn land(&mut self, landed: Landed, metrics: &QuicMetrics) -> Result<(), ErrorCode> {
        let Landed { sent, outcome } = landed;
        let (shed, from) = match outcome {
            RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) => {
                self.recorded(sent, runs, metrics);
                return Ok(());
            }
            RegionOutcome::Ledger(AppendOutcome::NumberUsed { sequence }) => {
                self.answers.refuse(sent.frames.first, ErrorCode::NumberUsed, sequence.0);
                return Err(ErrorCode::NumberUsed);
            }
            RegionOutcome::Ledger(AppendOutcome::Gap { expected }) => (None, expected),
            RegionOutcome::Ledger(AppendOutcome::EpochBehind { .. }) => return Err(ErrorCode::EpochBehind),
            RegionOutcome::Ledger(AppendOutcome::Down) => {
                metrics.served(Scans::Punch, Served::Failed, sent.frames.count);
                return Err(ErrorCode::LedgerDown);
            }
            RegionOutcome::Ledger(AppendOutcome::Busy | AppendOutcome::NotCopied) => {
                (Some(BusyReason::Ledger), sent.first)
            }
            RegionOutcome::Busy(reason) => (Some(reason), sent.first),
        };
        self.intake.resolved(sent.punches, None);
        if let Some(reason) = shed {
            metrics.shed(reason);
            metrics.served(Scans::Punch, Served::Busy, sent.frames.count);
        }
        // The punches behind a refused run are refused with it: one answer, not one for each.
        let (expected, dropped) = self.flight.refuse(from);
        self.intake.resolved(dropped, None);
        let answer = shed.map_or(Answer::Gap(Gap { expected }), busy);
        self.answers.push(sent.frames.first, &answer);
        Ok(())
    }

    fn recorded(&mut self, sent: Sent, runs: Vec<RecordedRun>, metrics: &QuicMetrics) {
        let end = sent.first.0 + sent.punches as u64 - 1;
        self.intake.resolved(sent.punches, Some(end));
        self.flight.answered = self.flight.answered.max(Sequence(end));
        metrics.served(Scans::Punch, Served::Answered, sent.frames.count);
        self.owed.punches(sent.read, sent.frames.count);
        for run in runs {
            metrics.rejected(&run.verdicts);
            self.answers.punches(sent.frames.last, run.first, run.as_of_ms, run.verdicts);
        }
    }
}

#[cfg(test)]
mod tests;
