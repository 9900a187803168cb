//! A device's knowledge of its own punches: numbered without gaps, kept until acknowledged, sent within the window.
//!
//! Pure: no sockets, and time is an argument. The state outlives connections; it can be moved to another
//! connection, another process, or a file. It never takes an acknowledgement of an unsent punch, and never skips one.

use std::collections::VecDeque;

use protocol::codec::Bounded;
use protocol::limits::BATCH_PUNCHES_MAX;
use protocol::message::{Busy, Error, Gap, PunchBatch, Verdicts, Welcome};
use protocol::{Epoch, ErrorCode, Punch, RegionId, RequestId, Sequence, Verdict};

/// A breach of the protocol by the gateway. The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Verdicts for punches that were not sent on this connection.
    #[error("verdicts up to {last} and only {sent} were sent")]
    NotSent {
        /// The last sequence that was answered.
        last: u64,
        /// The last sequence that was sent.
        sent: u64,
    },
    /// Verdicts that leave earlier punches out.
    #[error("verdicts from {first} while {expected} has none")]
    Skipped {
        /// The first sequence that was answered.
        first: u64,
        /// The first sequence without an acknowledgement.
        expected: u64,
    },
    /// The log holds more of this epoch than the device ever sent: another device uses its identity, or it was restored from an
    /// image, and has to take a higher epoch.
    #[error("the gateway has recorded up to {recorded} and this device has sent up to {sent}")]
    RecordedAhead {
        /// The highest sequence of the log.
        recorded: u64,
        /// The highest sequence that the device sent.
        sent: u64,
    },
    /// A window or a batch limit of zero.
    #[error("the gateway allows no punches at all")]
    NoWindow,
}

/// The acknowledgement of a punch, for the caller of `punch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The punch's number.
    pub sequence: Sequence,
    /// The caller's tag of the punch.
    pub tag: u64,
    /// The time at which the gateway formed the verdict, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A punch that the gateway refuses to record, for the device's operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The caller's tag of the punch.
    pub tag: u64,
    /// The number of the error table.
    pub code: u16,
    /// The punch.
    pub punch: Punch,
}

#[derive(Clone, Debug)]
struct Kept {
    region: RegionId,
    tag: u64,
    punch: Punch,
}

/// A request in flight: the punches that it carries.
#[derive(Clone, Copy, Debug)]
struct Flight {
    request: RequestId,
    first: u64,
    end: u64,
}

/// A device's numbering and its queue of punches without an acknowledgement.
#[derive(Clone, Debug)]
pub struct DeviceState {
    epoch: Epoch,
    acknowledged: u64,
    /// The punches `acknowledged + 1 ..`.
    queue: VecDeque<Kept>,
    /// The next sequence to send on this connection.
    cursor: u64,
    /// The highest sequence sent on this connection; the cursor may lie below after `Busy` or `Gap`.
    sent: u64,
    /// The highest sequence sent on any connection of this epoch.
    sent_ever: u64,
    flights: VecDeque<Flight>,
    request: u32,
    window_punches: u64,
    batch_punches_max: usize,
    paused_until_ms: u64,
    draining: bool,
    resent: u64,
    set_aside: Vec<SetAside>,
}

impl DeviceState {
    /// Makes the state of a device that has punched nothing in this epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            acknowledged: 0,
            queue: VecDeque::new(),
            cursor: 1,
            sent: 0,
            sent_ever: 0,
            flights: VecDeque::new(),
            request: 0,
            window_punches: 0,
            batch_punches_max: 0,
            paused_until_ms: 0,
            draining: false,
            resent: 0,
            set_aside: Vec::new(),
        }
    }

    /// Returns the epoch of its numbering.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the highest acknowledged sequence.
    pub fn acknowledged(&self) -> Sequence {
        Sequence(self.acknowledged)
    }

    /// Returns the sequence of the next punch.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.acknowledged + self.queue.len() as u64 + 1)
    }

    /// Returns the highest sequence that was ever sent in this epoch: the log holds no more.
    pub fn sent(&self) -> Sequence {
        Sequence(self.sent_ever)
    }

    /// Returns the number of punches without an acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of punches sent more than once.
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// Numbers a punch and keeps it. `tag` comes back with the acknowledgement.
    pub fn push(&mut self, region: RegionId, punch: Punch, tag: u64) -> Sequence {
        let sequence = self.next_sequence();
        self.queue.push_back(Kept { region, tag, punch });
        sequence
    }

    /// Starts a higher epoch: punches without an acknowledgement are numbered anew from 1. The log may hold some of them under the old
    /// epoch, so this is only for a device whose numbering the gateway refused.
    pub fn start_epoch(&mut self, epoch: Epoch) {
        debug_assert!(epoch > self.epoch, "epochs only rise");
        let (queue, set_aside) = (std::mem::take(&mut self.queue), std::mem::take(&mut self.set_aside));
        *self = Self { queue, set_aside, request: self.request, resent: self.resent, ..Self::new(epoch) };
    }

    /// Returns the next request id.
    pub(crate) fn next_request(&mut self) -> RequestId {
        self.request = self.request.wrapping_add(1);
        RequestId(self.request)
    }

    /// Starts a welcomed connection: all punches without an acknowledgement are to be sent on it.
    pub fn connected(&mut self, welcome: &Welcome) -> Result<(), StateError> {
        if welcome.recorded.0 > self.sent_ever {
            return Err(StateError::RecordedAhead { recorded: welcome.recorded.0, sent: self.sent_ever });
        }
        if welcome.window_punches == 0 || welcome.batch_punches_max == 0 {
            return Err(StateError::NoWindow);
        }
        self.window_punches = u64::from(welcome.window_punches);
        self.batch_punches_max = (welcome.batch_punches_max as usize).min(BATCH_PUNCHES_MAX);
        self.cursor = self.acknowledged + 1;
        self.sent = self.acknowledged;
        self.flights.clear();
        self.paused_until_ms = 0;
        self.draining = false;
        Ok(())
    }

    /// Returns the next batch to send now, if there is one: consecutive punches of one region within the window.
    pub fn next_batch(&mut self, now_ms: u64) -> Option<(RequestId, PunchBatch)> {
        let from = self.cursor;
        let window_end = self.acknowledged + self.window_punches + 1;
        if self.draining || now_ms < self.paused_until_ms || from >= window_end {
            return None;
        }
        let offset = (from - self.acknowledged - 1) as usize;
        let room = self.batch_punches_max.min((window_end - from) as usize);
        let region = self.queue.get(offset)?.region;
        let kept = self.queue.range(offset..).take(room).take_while(|kept| kept.region == region);
        let punches: Vec<_> = kept.map(|kept| kept.punch.clone()).collect();
        self.cursor = from + punches.len() as u64;
        self.resent += (self.sent_ever + 1).min(self.cursor).saturating_sub(from);
        self.sent = self.sent.max(self.cursor - 1);
        self.sent_ever = self.sent_ever.max(self.sent);
        let request = self.next_request();
        self.flights.push_back(Flight { request, first: from, end: self.cursor });
        Some((request, PunchBatch { region, first: Sequence(from), punches: Bounded(punches) }))
    }

    /// Returns the time at which sending continues after `Busy`; `None` without such a pause.
    pub(crate) fn paused_until_ms(&self, now_ms: u64) -> Option<u64> {
        let has_more = self.cursor < self.next_sequence().0;
        (has_more && !self.draining && now_ms < self.paused_until_ms).then_some(self.paused_until_ms)
    }

    /// Takes the answers to punches; `request` is the id in the run. Punches that were acknowledged before are left out of `out`.
    ///
    /// A run that skips earlier punches is a breach, unless its request was taken back by `Busy` or `Gap`: those
    /// punches are sent and answered again, so the run is ignored.
    pub fn verdicts(
        &mut self,
        request: RequestId,
        run: &Verdicts,
        out: &mut Vec<Acknowledged>,
    ) -> Result<(), StateError> {
        let (first, count) = (run.first.0, run.verdicts.0.len() as u64);
        let last = first.saturating_add(count).saturating_sub(1);
        if last > self.sent {
            return Err(StateError::NotSent { last, sent: self.sent });
        }
        if first > self.acknowledged + 1 || first == 0 {
            return match self.flight(request) {
                Some(_) => Err(StateError::Skipped { first, expected: self.acknowledged + 1 }),
                None => Ok(()),
            };
        }
        let known = (self.acknowledged + 1 - first) as usize;
        for verdict in run.verdicts.0.iter().skip(known) {
            let kept = self.queue.pop_front().expect("what was sent is kept until acknowledged");
            self.acknowledged += 1;
            out.push(Acknowledged {
                sequence: Sequence(self.acknowledged),
                tag: kept.tag,
                as_of_ms: run.as_of_ms,
                verdict: *verdict,
            });
        }
        self.cursor = self.cursor.max(self.acknowledged + 1);
        while self.flights.front().is_some_and(|flight| flight.end <= self.acknowledged + 1) {
            self.flights.pop_front();
        }
        Ok(())
    }

    /// Takes `Busy`: this request and all after it are sent again later. Returns false if the request is not
    /// in flight, or not any more.
    pub fn busy(&mut self, request: RequestId, busy: &Busy, now_ms: u64) -> bool {
        let Some(first) = self.flight(request) else { return false };
        self.paused_until_ms = self.paused_until_ms.max(now_ms + u64::from(busy.retry_after_ms.max(1)));
        self.rewind(first);
        true
    }

    /// Takes `Gap`: earlier punches are missing. An answer that was overtaken by verdicts, or by a repetition, changes nothing.
    pub fn gap(&mut self, request: RequestId, gap: &Gap) -> bool {
        let Some(first) = self.flight(request) else { return false };
        self.rewind(gap.expected.0.min(first));
        true
    }

    /// Takes the refusal of a batch, of which nothing is recorded. For a refused place or scan the one punch at `detail` is set aside,
    /// otherwise the batch from there on; the following punches get the numbers, and the batch is sent again. Returns false if
    /// the request is not in flight, or not any more.
    pub fn refused(&mut self, request: RequestId, error: &Error) -> bool {
        let Some(flight) = self.flights.iter().find(|flight| flight.request == request) else { return false };
        let Flight { first, end, .. } = *flight;
        let from = first.saturating_add(error.detail);
        if from <= self.acknowledged || from >= end {
            return false;
        }
        let end = match ErrorCode::from_number(error.code) {
            Some(ErrorCode::PlaceDenied | ErrorCode::ScanDenied) => from + 1,
            // Its detail is a number, and all of it is to be sent in another epoch.
            Some(ErrorCode::NumberUsed) => return false,
            Some(_) | None => end,
        };
        let at = |sequence: u64| (sequence - self.acknowledged - 1) as usize;
        let aside = self.queue.drain(at(from)..at(end));
        self.set_aside.extend(aside.map(|Kept { tag, punch, .. }| SetAside { tag, code: error.code, punch }));
        self.rewind(first);
        true
    }

    /// Takes the punches set aside since the last call.
    pub fn take_set_aside(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.set_aside)
    }

    /// Stops sending: the gateway takes nothing new; answers still arrive.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Returns true if punches that were sent on this connection have no answer yet.
    pub fn awaits_answers(&self) -> bool {
        !self.flights.is_empty()
    }

    fn flight(&self, request: RequestId) -> Option<u64> {
        self.flights.iter().find(|flight| flight.request == request).map(|flight| flight.first)
    }

    /// Sends again from `sequence` on, or from the first without an acknowledgement.
    fn rewind(&mut self, sequence: u64) {
        let to = sequence.max(self.acknowledged + 1);
        self.cursor = self.cursor.min(to);
        while self.flights.back().is_some_and(|flight| flight.end > to) {
            self.flights.pop_back();
        }
    }
}

#[cfg(test)]
mod tests;
