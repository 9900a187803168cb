//! A walk over the log's segments, each read and checked against its neighbours, whether a gateway writes the log or not. What a start
//! makes of the last one is in `recover`.

use ring::digest;

use super::deletions::{Forgotten, forgotten};
use super::disk::Disk;
use super::floor::Floor;
use super::format::SegmentHeader;
use super::scan::{Segment, corrupt};
use super::{LedgerError, MISSING, segment_name, segment_numbers};

/// Segments that a start reads: the last, and the one before it.
const AT_START: usize = 2;
/// The number of times that a segment that changes while it is read is read again.
const READS_MAX: usize = 100;

/// Every segment in order, each checked against its neighbours; `visit` sees each.
pub(super) fn for_each_segment<D: Disk>(
    disk: &D,
    visit: impl FnMut(&Segment<'_>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for_newest_segments(disk, usize::MAX, visit)
}

/// The same for the newest so many; that none of the others is missing is checked as well.
pub(super) fn for_newest_segments<D: Disk>(
    disk: &D,
    newest: usize,
    visit: impl FnMut(&Segment<'_>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    visit_newest(disk, newest, visit).map_err(|error| {
        let names = disk.list().unwrap_or_default();
        let read_at_start: Vec<String> =
            segment_numbers(&names).iter().rev().take(AT_START).map(|&number| segment_name(number)).collect();
        let is_read = matches!(&error, LedgerError::Corrupt { name, .. } if read_at_start.contains(name));
        if is_read { error.at_start() } else { error }
    })
}

fn visit_newest<D: Disk>(
    disk: &D,
    newest: usize,
    mut visit: impl FnMut(&Segment<'_>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    // In this order: what the log adds or deletes meanwhile can only make both easier to meet.
    let floor = Floor::read(disk)?;
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let forgotten = forgotten(disk)?;
    let numbers = left_over(&names, &forgotten);
    none_missing(disk, &numbers, floor, &forgotten)?;
    let mut before: Option<(u64, Vec<u8>)> = None;
    for &number in &numbers[numbers.len().saturating_sub(newest)..] {
        let is_last = Some(&number) == numbers.last();
        let Some(bytes) = read_settled(disk, number, is_last)? else {
            // Forgotten since it was listed; what remembers it is forgotten with it.
            before = None;
            continue;
        };
        let segment = Segment::read(number, &bytes)?;
        segment.check_tail(is_last)?;
        if is_last {
            floor.check(number, segment.last_lsn())?;
        }
        if let Some((number_before, bytes_before)) = &before {
            let segment_before = Segment::read(*number_before, bytes_before)?;
            check_digest(&segment_before, bytes_before, &segment.header)?;
        }
        visit(&segment)?;
        before = Some((number, bytes));
    }
    Ok(())
}

/// The segments that are there, without those that are forgotten and whose removal a crash has undone, in part or whole.
pub(super) fn left_over(names: &[String], forgotten: &Forgotten) -> Vec<u64> {
    let mut numbers = segment_numbers(names);
    numbers.retain(|&number| number > forgotten.segment);
    numbers
}

/// Segments follow one another without a gap, from what was deleted up to the floor at least.
pub(super) fn none_missing(
    disk: &impl Disk,
    numbers: &[u64],
    floor: Floor,
    forgotten: &Forgotten,
) -> Result<(), LedgerError> {
    let missing = |number: u64| Err(corrupt(number, last_before(disk, number), MISSING));
    match numbers.first() {
        None if floor.segment > 0 => return missing(floor.segment),
        Some(&first) if first > forgotten.segment + 1 => return missing(first - 1),
        None | Some(_) => {}
    }
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        return missing(pair[0] + 1);
    }
    match numbers.last() {
        Some(&last) if last < floor.segment => missing(last + 1),
        None | Some(_) => Ok(()),
    }
}

/// Checks a closed segment against what the next one says of it.
pub(super) fn check_digest(
    segment: &Segment<'_>,
    bytes: &[u8],
    next: &SegmentHeader,
) -> Result<(), LedgerError> {
    let number = segment.header.number;
    if segment.last_lsn() + 1 != next.first_lsn || segment.end as u64 != next.previous_end {
        return Err(corrupt(number, segment.last_lsn(), "it does not end where the next one begins"));
    }
    let digest = digest::digest(&digest::SHA256, &bytes[..segment.end]);
    if digest.as_ref() != next.previous_digest {
        return Err(corrupt(
            number,
            segment.header.first_lsn - 1,
            "its digest is not what the next one says",
        ));
    }
    Ok(())
}

/// Reads the bytes of a segment, as they are on disk now.
pub(super) fn read<D: Disk>(disk: &D, number: u64) -> Result<Vec<u8>, LedgerError> {
    let name = segment_name(number);
    disk.read(&name).map_err(LedgerError::io("reading", &name))
}

/// A segment's bytes, which read as they should. A gateway may be writing: what was read around a batch that came meanwhile looks
/// like damage, but does not look the same twice. `None` if the segment has been forgotten meanwhile.
pub(super) fn read_settled<D: Disk>(
    disk: &D,
    number: u64,
    is_last: bool,
) -> Result<Option<Vec<u8>>, LedgerError> {
    let again = || match read(disk, number) {
        Err(_) if forgotten(disk)?.segment >= number => Ok(None),
        read => read.map(Some),
    };
    let mut bytes = again()?;
    for _ in 0..READS_MAX {
        let Some(known) = bytes.as_ref().filter(|_| is_last) else { break };
        let sound = Segment::read(number, known).and_then(|segment| segment.check_tail(true));
        let now = if sound.is_ok() { break } else { again()? };
        if now == bytes {
            break;
        }
        bytes = now;
    }
    Ok(bytes)
}

/// The last LSN of the segment before that one, if it is there and sound.
fn last_before(disk: &impl Disk, number: u64) -> u64 {
    let before = number.saturating_sub(1);
    let Ok(bytes) = read(disk, before) else { return 0 };
    Segment::read(before, &bytes).map_or(0, |segment| segment.last_lsn())
}
