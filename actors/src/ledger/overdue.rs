//! The part of the log that is to be forgotten on a day, and how much of it is done. Found and done in steps, one in a turn of the log's thread,
//! so that an acknowledgement waits for one segment's header, one key or one removal at most. Pure; the steps are done in `expiry`.

use std::collections::VecDeque;

use super::format::SegmentHeader;
use super::time;

/// The forgetting of one day, under way.
pub(super) struct Overdue {
    /// The day on which it began.
    pub(super) today: u32,
    oldest_day: u32,
    /// Days whose keys go.
    pub(super) days: VecDeque<u32>,
    /// Segments whose headers are still to be looked at, in order …
    pub(super) ahead: VecDeque<u64>,
    /// … and the one before them.
    before: u64,
    /// Segments that go, in order.
    pub(super) segments: VecDeque<u64>,
    /// The first log sequence number that is left.
    pub(super) first_lsn_left: u64,
    /// Says that it is on record.
    pub(super) recorded: bool,
}

impl Overdue {
    /// Nothing is looked at yet. `days` have keys and are before the oldest day that is kept; `numbers` are all segments, ascending.
    pub(super) fn new((today, oldest_day): (u32, u32), days: Vec<u32>, numbers: Vec<u64>) -> Self {
        let mut ahead = VecDeque::from(numbers);
        let before = ahead.pop_front().unwrap_or(0);
        let (days, segments) = (days.into(), VecDeque::new());
        Self { today, oldest_day, days, ahead, before, segments, first_lsn_left: 1, recorded: false }
    }

    /// Takes the header of the first segment ahead: if that was begun before the oldest day, the one before it holds nothing later
    /// and goes. The last segment, which is in use, never does.
    pub(super) fn look(&mut self, number: u64, header: Option<SegmentHeader>) {
        match header.filter(|header| time::day(header.created_ms) < self.oldest_day) {
            None => self.ahead.clear(),
            Some(header) => {
                self.ahead.pop_front();
                self.segments.push_back(std::mem::replace(&mut self.before, number));
                self.first_lsn_left = header.first_lsn;
            }
        }
    }

    /// Says whether nothing of what was found is left.
    pub(super) fn is_done(&self) -> bool {
        self.days.is_empty() && self.segments.is_empty()
    }
}
