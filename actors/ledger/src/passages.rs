//! Look-ups of the people who passed a place in a time range. They read the segments of that time from disk, while a gateway may be
//! running, without the log's thread. Nothing is stored; permissions are checked by the caller.

use std::path::Path;

use protocol::{CodeId, Colour, DeviceId, Direction, Epoch, PlaceId, Sequence};
use runtime::clock::STEP_MS_MAX;

use super::deletions::forgotten;
use super::disk::{Disk, RealDisk};
use super::format::{Entry, SegmentHeader};
use super::headers::read_header;
use super::recover::entries;
use super::scan::{Segment, corrupt};
use super::seal::DayKeys;
use super::walk::read_stable;
use super::{LedgerError, MISSING, Record, open_for_reading, segment_numbers};

/// The maximum number of passages in one answer: more than at the busiest place in a day.
pub const PASSAGES_MAX: usize = 200_000;
/// The part of the log after the range that is searched for offline decisions, which are recorded later.
const LATE_MS: u64 = 24 * 3_600_000;
/// The tolerance for steps of the gateway's clock.
const SLACK_MS: u64 = STEP_MS_MAX;

/// A time range at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The place.
    pub place: PlaceId,
    /// The beginning, milliseconds since 1970 UTC.
    pub from_ms: u64,
    /// The end, exclusive, milliseconds since 1970 UTC.
    pub to_ms: u64,
}

/// The passage of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The device, its epoch and the number, which are this punch's in every log of a fleet.
    pub punch: (DeviceId, Epoch, Sequence),
    /// The scanned code; `None` for a passage without one.
    pub code: Option<CodeId>,
    /// The time, milliseconds since 1970 UTC: by the gateway's clock, or by the device's if it decided offline.
    pub at_ms: u64,
    /// The direction.
    pub direction: Direction,
    /// The colour in the verdict.
    pub colour: Colour,
    /// True if the device decided offline.
    pub offline: bool,
}

/// The result of a look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passages {
    /// The passages, in the order of the log.
    pub passages: Vec<Passage>,
    /// True if a part of the range is forgotten.
    pub forgotten: bool,
    /// True if there were more than [`PASSAGES_MAX`] passages; the result has the first ones.
    pub truncated: bool,
    /// The number of segments read.
    pub segments: u64,
}

/// Looks up all passages in the range.
///
/// # Errors
/// Damage in the segments of that time.
pub fn passages(directory: &Path, day_keys: &Path, range: &TimeRange) -> Result<Passages, LedgerError> {
    let (disk, mut keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let mut found = Passages::default();
    let forgotten = forgotten(&disk)?;
    let (first_ms, last_ms) = (range.from_ms.saturating_sub(SLACK_MS), range.to_ms + LATE_MS);
    let numbers = numbers_of(&disk, first_ms, last_ms)?;
    found.forgotten = forgotten.day >= super::time::day(range.from_ms);
    for (number, is_last) in numbers {
        let Some(bytes) = read_stable(&disk, number, is_last)? else {
            found.forgotten = true;
            continue;
        };
        let segment = Segment::read(number, &bytes)?;
        segment.check_tail(is_last)?;
        found.segments += 1;
        for batch in &segment.batches {
            if !(first_ms..last_ms).contains(&batch.header.written_ms) {
                continue;
            }
            match entries(&mut keys, batch, &forgotten)? {
                None => found.forgotten = true,
                Some(entries) => entries.iter().for_each(|entry| found.add(entry, range)),
            }
        }
    }
    Ok(found)
}

impl Passages {
    fn add(&mut self, entry: &Entry, range: &TimeRange) {
        let Entry::Run(run) = entry else { return };
        let numbered = run.punches.iter().zip(run.first.0..);
        for (record, sequence) in numbered.filter(|(record, _)| record.place == range.place) {
            let at_ms = passed_ms(record, run.received_ms);
            if !(range.from_ms..range.to_ms).contains(&at_ms) {
                continue;
            }
            if self.passages.len() == PASSAGES_MAX {
                self.truncated = true;
                return;
            }
            let Record { code, direction, offline, verdict, .. } = *record;
            let (punch, colour) = ((run.device, run.epoch, Sequence(sequence)), verdict.colour);
            self.passages.push(Passage { punch, code, at_ms, direction, colour, offline });
        }
    }
}

/// Returns the time of a passage: the device's time for an offline decision, which reached the gateway later.
fn passed_ms(record: &Record, received_ms: u64) -> u64 {
    if record.offline { record.device_time_ms } else { received_ms }
}

/// Returns the segments written in that time, found by their headers; true for the last segment of the log.
fn numbers_of(disk: &RealDisk, first_ms: u64, last_ms: u64) -> Result<Vec<(u64, bool)>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let numbers = segment_numbers(&names);
    let mut begun = Vec::with_capacity(numbers.len());
    for &number in &numbers {
        // A segment that has expired since it was listed ends before the range.
        let begun_ms = |header: SegmentHeader| {
            if header.is_undated { (0, u64::MAX) } else { (header.created_ms, header.created_ms) }
        };
        begun.push(read_header(disk, number)?.map_or((0, 0), begun_ms));
    }
    let mut wanted = Vec::new();
    for (at, (&number, &(begin_ms, _))) in numbers.iter().zip(&begun).enumerate() {
        let is_last = at + 1 == numbers.len();
        let end_ms = begun.get(at + 1).map_or(u64::MAX, |&(_, next_ms)| next_ms.saturating_add(SLACK_MS));
        if begin_ms < last_ms && end_ms > first_ms {
            if at > 0 && numbers[at - 1] + 1 != number && !wanted.is_empty() {
                return Err(corrupt(number - 1, 0, MISSING));
            }
            wanted.push((number, is_last));
        }
    }
    Ok(wanted)
}
