//! Batches on their way to the ledger, in order. Consecutive batches of one region fly together; a change of region waits until
//! the last has landed, so that they cannot overtake each other. A refusal drops what the device had sent behind it, up to
//! where it sends from there again: that alone is refused, or answered, anew. Where batches depart to is the caller's.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actors::region::RegionOutcome;
use protocol::{RegionId, RequestId, Sequence};

use super::intake::Batch;

/// The rest of a batch when it has landed.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) first: Sequence,
    pub(super) punches: usize,
    pub(super) first_request: RequestId,
    pub(super) last_request: RequestId,
    pub(super) frames: u32,
    pub(super) read: Read,
}

/// When something was read, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub(super) ms: u64,
    pub(super) at: Instant,
}

/// The outcome of a batch; its first poll is what sends it.
pub(super) type Departure = Pin<Box<dyn Future<Output = RegionOutcome>>>;

/// A batch with its outcome.
pub(super) struct Landed {
    pub(super) batch: Sent,
    pub(super) outcome: RegionOutcome,
}

struct Flying {
    batch: Sent,
    region: RegionId,
    outcome: Departure,
    /// Set if it was known before the batch's turn came.
    known: Option<RegionOutcome>,
}

/// One connection's batches.
pub(super) struct Flight {
    waiting: VecDeque<(Batch, Read)>,
    flying: VecDeque<Flying>,
    /// The highest sequence that the device holds a verdict for, as far as this connection knows.
    answered: Sequence,
    /// The first punch that was refused and not sent again yet. While it is set, nothing is under way.
    refused: Option<Sequence>,
}

impl Flight {
    /// Of a device that holds acknowledgements up to there.
    pub(super) fn new(acknowledged: Sequence) -> Self {
        Self { waiting: VecDeque::new(), flying: VecDeque::new(), answered: acknowledged, refused: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// Says whether a batch that begins here follows a refused punch. One that begins at or before it ends the refusal.
    pub(super) fn is_refused(&mut self, first: Sequence) -> bool {
        match self.refused {
            Some(refused) if first > refused => true,
            Some(_) => {
                self.refused = None;
                false
            }
            None => false,
        }
    }

    /// Takes batches that were read then.
    pub(super) fn push(&mut self, batches: Vec<Batch>, read: Read) {
        self.waiting.extend(batches.into_iter().map(|batch| (batch, read)));
    }

    /// The device is told verdicts up to there.
    pub(super) fn answered(&mut self, last: Sequence) {
        self.answered = self.answered.max(last);
    }

    /// Refuses `from`, or what has no verdict yet above it, for the batch that landed last. What was sent behind that is dropped, up
    /// to where the device sends from there again: it is answered when it is sent again. The outcomes of what has departed are of
    /// no use any more: a region passes over what nobody waits for, and what is in the log already is a repeat then.
    ///
    /// Returns from where it is refused, and how many punches were dropped.
    pub(super) fn refuse(&mut self, from: Sequence) -> (Sequence, usize) {
        let from = from.max(Sequence(self.answered.0.saturating_add(1)));
        let mut dropped = 0;
        while let Some(flying) = self.flying.front() {
            if flying.batch.first <= from {
                return (from, dropped);
            }
            dropped += flying.batch.punches;
            self.flying.pop_front();
        }
        while let Some((batch, _)) = self.waiting.front() {
            if batch.first <= from {
                return (from, dropped);
            }
            dropped += batch.punches.len();
            self.waiting.pop_front();
        }
        self.refused = Some(from);
        (from, dropped)
    }

    /// Lets fly what may.
    pub(super) fn launch(&mut self, mut depart: impl FnMut(Batch, Read) -> Departure) {
        while let Some((batch, _)) = self.waiting.front() {
            if self.flying.back().is_some_and(|flying| flying.region != batch.region) {
                break;
            }
            let Some((batch, read)) = self.waiting.pop_front() else { break };
            let (region, sent) = (batch.region, Sent::of(&batch, read));
            let mut outcome = depart(batch, read);
            // Who waits for the answer is registered when its turn comes.
            let known = match outcome.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => None,
            };
            self.flying.push_back(Flying { batch: sent, region, outcome, known });
        }
    }

    /// The first batch's outcome.
    pub(super) async fn next(&mut self) -> Landed {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The first batch's outcome, if it is there.
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
            None => match first.outcome.as_mut().poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => return Poll::Pending,
            },
        };
        let batch = first.batch;
        self.flying.pop_front();
        Poll::Ready(Landed { batch, outcome })
    }
}

impl Sent {
    fn of(batch: &Batch, read: Read) -> Self {
        Self {
            first: batch.first,
            punches: batch.punches.len(),
            first_request: batch.first_request,
            last_request: batch.last_request,
            frames: batch.frames,
            read,
        }
    }
}
