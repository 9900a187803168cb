//! Batches on their way to the ledger, in order. Consecutive batches of one region fly together; a change of region waits until
//! the last has landed, so that they cannot overtake each other. What follows a refused punch is dropped until the device
//! sends from there again.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actors::directory::Directory;
use actors::region::{RegionOutcome, RegionRequest};
use protocol::message::BusyReason;
use protocol::{DeviceId, Epoch, RegionId, RequestId, Sequence};

use super::intake::Batch;

/// What is left of a batch when it has landed.
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

/// A batch with its outcome.
pub(super) struct Landed {
    pub(super) batch: Sent,
    pub(super) outcome: RegionOutcome,
}

struct Flying {
    batch: Sent,
    region: RegionId,
    outcome: Pin<Box<dyn Future<Output = RegionOutcome>>>,
    /// Set if it was known before the batch's turn came.
    known: Option<RegionOutcome>,
}

/// One connection's batches.
#[derive(Default)]
pub(super) struct Flight {
    waiting: VecDeque<(Batch, Read)>,
    flying: VecDeque<Flying>,
    /// The first punch that was refused and not sent again yet.
    refused: Option<Sequence>,
}

impl Flight {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// Whether a batch that begins here follows a refused punch. One that begins at or before it ends the refusal.
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

    /// Refuses everything from `from` on. False if that was said already.
    pub(super) fn refuse(&mut self, from: Sequence) -> bool {
        let news = self.refused.is_none_or(|refused| from < refused);
        if news {
            self.refused = Some(from);
        }
        news
    }

    /// Sends off what may fly. How many punches were dropped because they follow a refused one.
    pub(super) fn launch(
        &mut self,
        directory: &Directory,
        device: DeviceId,
        epoch: Epoch,
        window_punches: u32,
    ) -> usize {
        let mut dropped = 0;
        while let Some((batch, _)) = self.waiting.front() {
            if self.refused.is_some_and(|refused| batch.first > refused) {
                dropped += batch.punches.len();
                self.waiting.pop_front();
                continue;
            }
            if self.flying.back().is_some_and(|flying| flying.region != batch.region) {
                break;
            }
            let Some((batch, read)) = self.waiting.pop_front() else { break };
            self.flying.push_back(depart(directory, device, epoch, window_punches, batch, read));
        }
        dropped
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

fn depart(
    directory: &Directory,
    device: DeviceId,
    epoch: Epoch,
    window_punches: u32,
    batch: Batch,
    read: Read,
) -> Flying {
    let sent = Sent {
        first: batch.first,
        punches: batch.punches.len(),
        first_request: batch.first_request,
        last_request: batch.last_request,
        frames: batch.frames,
        read,
    };
    let (region, first, punches) = (batch.region, batch.first, batch.punches);
    let handle = directory.region(region).cloned();
    let request = RegionRequest { device, epoch, first, window_punches, received_ms: read.ms, punches };
    let mut outcome: Pin<Box<dyn Future<Output = RegionOutcome>>> = Box::pin(async move {
        match handle {
            Some(handle) => handle.punch(request).await,
            // The registry names a region that was added after this process started.
            None => RegionOutcome::Busy(BusyReason::Parked),
        }
    });
    // The first poll is what sends it; who waits for the answer is registered when its turn comes.
    let known = match outcome.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    };
    Flying { batch: sent, region, outcome, known }
}
