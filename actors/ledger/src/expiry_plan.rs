//! The steps of one day's expiry and their progress. They are planned and done one per turn of the log's thread, so that an
//! acknowledgement waits for at most one segment header, one key or one removal. Pure; `expiry` does the steps.

use std::collections::VecDeque;

use super::format::SegmentHeader;
use super::time;

/// The expiry of one day, in progress.
pub(super) struct ExpiryPlan {
    /// The day on which it began.
    pub(super) today: u32,
    oldest_day: u32,
    /// The days whose keys are to be destroyed.
    pub(super) days: VecDeque<u32>,
    /// The segments whose headers are still to be read, in order …
    pub(super) unread: VecDeque<u64>,
    /// … and the segment before them.
    before: u64,
    /// Segments that expire if a later segment of a known day is old enough.
    undated: VecDeque<u64>,
    /// The first remaining segment of a known day, until the undated days before it are added to `days`; 0 if there is none.
    pub(super) dated_from: u64,
    /// The segments to be removed, in order.
    pub(super) segments: VecDeque<u64>,
    /// The first remaining log sequence number.
    pub(super) first_lsn_left: u64,
    /// True once the deletion record is written.
    pub(super) recorded: bool,
}

impl ExpiryPlan {
    /// Starts with no header read. `days` have keys and are before `oldest_day`, the oldest day that is kept; `numbers` are all
    /// segments, ascending.
    pub(super) fn new((today, oldest_day): (u32, u32), days: Vec<u32>, numbers: Vec<u64>) -> Self {
        let mut unread = VecDeque::from(numbers);
        let before = unread.pop_front().unwrap_or(0);
        let (days, segments, undated) = (days.into(), VecDeque::new(), VecDeque::new());
        let (dated_from, first_lsn_left, recorded) = (0, 1, false);
        Self {
            today,
            oldest_day,
            days,
            unread,
            before,
            undated,
            dated_from,
            segments,
            first_lsn_left,
            recorded,
        }
    }

    /// Takes the header of the first unread segment. If that segment began before the oldest day, the one before it holds nothing
    /// later and expires. The last segment, which is in use, never expires. A segment of an unknown day decides nothing; the next
    /// one does.
    pub(super) fn inspect(&mut self, number: u64, header: Option<SegmentHeader>) {
        let is_old =
            |header: &SegmentHeader| header.is_undated || time::day(header.created_ms) < self.oldest_day;
        let Some(header) = header.filter(is_old) else { return self.unread.clear() };
        self.unread.pop_front();
        self.undated.push_back(std::mem::replace(&mut self.before, number));
        if !header.is_undated {
            self.segments.append(&mut self.undated);
            (self.first_lsn_left, self.dated_from) = (header.first_lsn, number);
        }
    }

    /// Reports that no key and no segment is left to be destroyed.
    pub(super) fn is_done(&self) -> bool {
        self.days.is_empty() && self.segments.is_empty()
    }
}
