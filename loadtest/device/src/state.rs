//! A device's knowledge of its own punches: numbered without gaps, kept until acknowledged, sent within the window.
//!
//! Pure: no sockets, and time is an argument. The state outlives connections; whoever holds it can move it to another
//! connection, another process, or a file. It never takes an acknowledgement for what was not sent, and never skips.

use std::collections::VecDeque;

use protocol::codec::Bounded;
use protocol::limits::BATCH_PUNCHES_MAX;
use protocol::message::{Busy, Error, Gap, PunchBatch, Verdicts, Welcome};
use protocol::{Epoch, ErrorCode, Punch, RegionId, RequestId, Sequence, Verdict};

/// The gateway said something that cannot be true of this device. The connection is of no use any more.
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
    /// The log holds more of this epoch than the device ever sent: somebody else uses its identity, or it was restored from an
    /// image, and has to take a higher epoch.
    #[error("the gateway has recorded up to {recorded} and this device has sent up to {sent}")]
    RecordedAhead {
        /// The gateway's highest.
        recorded: u64,
        /// The device's highest.
        sent: u64,
    },
    /// A window or a batch limit of zero.
    #[error("the gateway allows no punches at all")]
    NoWindow,
}

/// One punch's answer, as handed to whoever made the punch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The punch's number.
    pub sequence: Sequence,
    /// The mark that the maker gave with the punch.
    pub tag: u64,
    /// When the gateway formed the verdict, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A punch that the gateway will not record, as handed to the device's operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The mark that the maker gave with the punch.
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

/// A request on its way: which punches it carries.
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
    /// A device that has punched nothing in this epoch.
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

    /// The epoch of its numbering.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The highest sequence it holds an acknowledgement for.
    pub fn acknowledged(&self) -> Sequence {
        Sequence(self.acknowledged)
    }

    /// The sequence that the next punch will get.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.acknowledged + self.queue.len() as u64 + 1)
    }

    /// The highest sequence that was ever sent in this epoch: what the log can hold at most.
    pub fn sent(&self) -> Sequence {
        Sequence(self.sent_ever)
    }

    /// Punches without an acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.queue.len()
    }

    /// Punches sent more than once.
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// Numbers a punch and keeps it. `tag` comes back with the answer and means nothing here.
    pub fn push(&mut self, region: RegionId, punch: Punch, tag: u64) -> Sequence {
        let sequence = self.next_sequence();
        self.queue.push_back(Kept { region, tag, punch });
        sequence
    }

    /// Starts a higher epoch: what has no acknowledgement is numbered anew from 1. Whether the old epoch's log holds some
    /// of it cannot be known, so this is only for a device whose numbering the gateway refused.
    pub fn start_epoch(&mut self, epoch: Epoch) {
        debug_assert!(epoch > self.epoch, "epochs only rise");
        let (queue, set_aside) = (std::mem::take(&mut self.queue), std::mem::take(&mut self.set_aside));
        *self = Self { queue, set_aside, request: self.request, resent: self.resent, ..Self::new(epoch) };
    }

    /// The next request id of this device.
    pub(crate) fn next_request(&mut self) -> RequestId {
        self.request = self.request.wrapping_add(1);
        RequestId(self.request)
    }

    /// A new connection was welcomed: everything without an acknowledgement is to be sent on it.
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

    /// The next batch to send now, if there is one: consecutive punches of one region within the window.
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

    /// When sending goes on after `Busy`; `None` if that is not what holds it up.
    pub(crate) fn paused_until_ms(&self, now_ms: u64) -> Option<u64> {
        let has_more = self.cursor < self.next_sequence().0;
        (has_more && !self.draining && now_ms < self.paused_until_ms).then_some(self.paused_until_ms)
    }

    /// Takes the answers to punches; `request` is what the run names. What was acknowledged before is left out of `out`.
    ///
    /// A run that leaves earlier punches out is a breach, unless its request was taken back by `Busy` or `Gap`: those
    /// punches go again and are answered again, so nothing is taken from it.
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

    /// The gateway has no room for this request: it and all after it go again, later. `false` if the request is not one
    /// that is on its way (any more).
    pub fn busy(&mut self, request: RequestId, busy: &Busy, now_ms: u64) -> bool {
        let Some(first) = self.flight(request) else { return false };
        self.paused_until_ms = self.paused_until_ms.max(now_ms + u64::from(busy.retry_after_ms.max(1)));
        self.rewind(first);
        true
    }

    /// Earlier punches are missing. An answer that was overtaken by verdicts, or by sending again, changes nothing.
    pub fn gap(&mut self, request: RequestId, gap: &Gap) -> bool {
        let Some(first) = self.flight(request) else { return false };
        self.rewind(gap.expected.0.min(first));
        true
    }

    /// The gateway has refused a batch and recorded nothing of it. Of a refused place or scan the one punch at `detail` is set aside,
    /// otherwise the batch from there on; the numbers go to the punches that follow, and the batch is sent again. `false` if
    /// the request is not one that is on its way (any more).
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

    /// The punches set aside since the last call.
    pub fn take_set_aside(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.set_aside)
    }

    /// The gateway takes nothing new; answers still come.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Says whether anything that was sent on this connection has no answer yet.
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
