//! The people who passed a place in a stretch of time: reads the segments of that time from disk, beside a running gateway, and asks nothing
//! of the log's own thread. What it finds is handed back and not kept; whom to tell is decided in `lookups`.

use std::path::Path;

use protocol::{CodeId, Colour, Direction, PlaceId};
use runtime::clock::STEP_MS_MAX;

use super::deletions::forgotten;
use super::disk::{Disk, RealDisk};
use super::format::{Entry, SegmentHeader};
use super::headers::read_header;
use super::recover::entries;
use super::scan::{Segment, corrupt};
use super::seal::DayKeys;
use super::walk::read_settled;
use super::{LedgerError, MISSING, Record, open_for_reading, segment_numbers};

/// Passages in one answer: more than pass the worst place in a day.
pub const PASSAGES_MAX: usize = 200_000;
/// Decisions of a device by itself come later, but hardly later than this: it is looked for in this much more of the log.
const LATE_MS: u64 = 24 * 3_600_000;
/// Clocks are put right while a gateway runs.
const SLACK_MS: u64 = STEP_MS_MAX;

/// A place and a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where.
    pub place: PlaceId,
    /// From when on, milliseconds since 1970 UTC.
    pub from_ms: u64,
    /// Until when, that moment excluded.
    pub to_ms: u64,
}

/// Somebody passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Whose code was scanned.
    pub code: CodeId,
    /// When, milliseconds since 1970 UTC: the gateway's clock, or the device's if it had no connection.
    pub at_ms: u64,
    /// Which way.
    pub direction: Direction,
    /// The colour that was shown.
    pub colour: Colour,
    /// True if the device had no connection.
    pub offline: bool,
}

/// The findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passages {
    /// In the order of the log.
    pub passages: Vec<Passage>,
    /// The one who passed without a code.
    pub without_code: u64,
    /// True if part of that time is forgotten already.
    pub forgotten: bool,
    /// True if there were more than [`PASSAGES_MAX`], and the rest was left out.
    pub cut: bool,
    /// Segments read.
    pub segments: u64,
}

/// Looks for everybody who passed there then.
///
/// # Errors
/// Damage in the segments of that time.
pub fn passages(directory: &Path, day_keys: &Path, stretch: &Stretch) -> Result<Passages, LedgerError> {
    let (disk, mut keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let mut found = Passages::default();
    let forgotten = forgotten(&disk)?;
    let (first_ms, last_ms) = (stretch.from_ms.saturating_sub(SLACK_MS), stretch.to_ms + LATE_MS);
    let numbers = numbers_of(&disk, first_ms, last_ms)?;
    found.forgotten = forgotten.day >= super::time::day(stretch.from_ms);
    for (number, is_last) in numbers {
        let Some(bytes) = read_settled(&disk, number, is_last)? else {
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
                Some(entries) => entries.iter().for_each(|entry| found.take(entry, stretch)),
            }
        }
    }
    Ok(found)
}

impl Passages {
    fn take(&mut self, entry: &Entry, stretch: &Stretch) {
        let Entry::Run { received_ms, records, .. } = entry else { return };
        for record in records.iter().filter(|record| record.place == stretch.place) {
            let at_ms = when(record, *received_ms);
            if !(stretch.from_ms..stretch.to_ms).contains(&at_ms) {
                continue;
            }
            let Some(code) = record.code else {
                self.without_code += 1;
                continue;
            };
            if self.passages.len() == PASSAGES_MAX {
                self.cut = true;
                return;
            }
            let Record { direction, offline, verdict, .. } = *record;
            self.passages.push(Passage { code, at_ms, direction, colour: verdict.colour, offline });
        }
    }
}

/// A punch that waited on its device happened when the device says.
fn when(record: &Record, received_ms: u64) -> u64 {
    if record.offline { record.device_time_ms } else { received_ms }
}

/// The segments that were written to in that time, by their headers, and whether each is the last there is.
fn numbers_of(disk: &RealDisk, first_ms: u64, last_ms: u64) -> Result<Vec<(u64, bool)>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let numbers = segment_numbers(&names);
    let mut begun = Vec::with_capacity(numbers.len());
    for &number in &numbers {
        // One that was forgotten since it was listed ends before any that is asked for.
        let begun_ms = |header: SegmentHeader| match header.is_undated {
            true => (0, u64::MAX),
            false => (header.created_ms, header.created_ms),
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
