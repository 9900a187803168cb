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
    /// Those that go if one after them is known to be old enough.
    undated: VecDeque<u64>,
    /// The first segment that is left and whose day is known, until the days before it that nobody knows are found; 0 if there is none.
    pub(super) dated_from: u64,
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
        let (days, segments, undated) = (days.into(), VecDeque::new(), VecDeque::new());
        let (dated_from, first_lsn_left, recorded) = (0, 1, false);
        Self {
            today,
            oldest_day,
            days,
            ahead,
            before,
            undated,
            dated_from,
            segments,
            first_lsn_left,
            recorded,
        }
    }

    /// Takes the header of the first segment ahead: if that was begun before the oldest day, the one before it holds nothing later
    /// and goes. The last segment, which is in use, never does. Of one that was begun nobody knows when, the next one tells.
    pub(super) fn look(&mut self, number: u64, header: Option<SegmentHeader>) {
        let is_old =
            |header: &SegmentHeader| header.is_undated || time::day(header.created_ms) < self.oldest_day;
        let Some(header) = header.filter(is_old) else { return self.ahead.clear() };
        self.ahead.pop_front();
        self.undated.push_back(std::mem::replace(&mut self.before, number));
        if !header.is_undated {
            self.segments.append(&mut self.undated);
            (self.first_lsn_left, self.dated_from) = (header.first_lsn, number);
        }
    }

    /// Says whether nothing of what was found is left.
    pub(super) fn is_done(&self) -> bool {
        self.days.is_empty() && self.segments.is_empty()
    }
}
