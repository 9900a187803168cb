//! Iteration over the log's segments, each checked against its neighbours. A gateway may be running. Recovery at a start is in
//! `recover`.

use ring::digest;

use super::deletions::{Forgotten, forgotten};
use super::disk::Disk;
use super::format::SegmentHeader;
use super::min_lsn::MinLsn;
use super::scan::{Segment, corrupt};
use super::{LedgerError, MISSING, segment_name, segment_numbers};

/// The number of segments that a start reads: the last one and the one before it.
const AT_START: usize = 2;
/// The maximum number of reads of a segment that changes while it is read.
const READS_MAX: usize = 100;

/// Calls `visit` with every segment in order, each checked against its neighbours.
pub(super) fn for_each_segment<D: Disk>(
    disk: &D,
    visit: impl FnMut(&Segment<'_>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for_newest_segments(disk, usize::MAX, visit)
}

/// Calls `visit` with the newest segments only; checks that no other segment is missing.
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
    // In this order, changes by a running gateway cannot make the checks fail.
    let min_lsn = MinLsn::read(disk)?;
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let forgotten = forgotten(disk)?;
    let numbers = remaining_segments(&names, &forgotten);
    check_no_gap(disk, &numbers, min_lsn, &forgotten)?;
    let mut before: Option<(u64, Vec<u8>)> = None;
    for &number in &numbers[numbers.len().saturating_sub(newest)..] {
        let is_last = Some(&number) == numbers.last();
        let Some(bytes) = read_stable(disk, number, is_last)? else {
            // It has expired since it was listed.
            before = None;
            continue;
        };
        let segment = Segment::read(number, &bytes)?;
        segment.check_tail(is_last)?;
        if is_last {
            min_lsn.check(number, segment.last_lsn())?;
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

/// Returns the numbers of the segments without forgotten ones, whose removal a crash may have undone.
pub(super) fn remaining_segments(names: &[String], forgotten: &Forgotten) -> Vec<u64> {
    let mut numbers = segment_numbers(names);
    numbers.retain(|&number| number > forgotten.segment);
    numbers
}

/// Checks that the segments are consecutive, from the first one not deleted to at least the segment of the minimum LSN.
pub(super) fn check_no_gap(
    disk: &impl Disk,
    numbers: &[u64],
    min_lsn: MinLsn,
    forgotten: &Forgotten,
) -> Result<(), LedgerError> {
    let missing = |number: u64| Err(corrupt(number, last_before(disk, number), MISSING));
    match numbers.first() {
        None if min_lsn.segment > 0 => return missing(min_lsn.segment),
        Some(&first) if first > forgotten.segment + 1 => return missing(first - 1),
        None | Some(_) => {}
    }
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        return missing(pair[0] + 1);
    }
    match numbers.last() {
        Some(&last) if last < min_lsn.segment => missing(last + 1),
        None | Some(_) => Ok(()),
    }
}

/// Checks a closed segment against the next segment's header.
pub(super) fn check_digest(
    segment: &Segment<'_>,
    bytes: &[u8],
    next: &SegmentHeader,
) -> Result<(), LedgerError> {
    let number = segment.header.number;
    if segment.last_lsn() + 1 != next.first_lsn || segment.end as u64 != next.previous_end {
        return Err(corrupt(number, segment.last_lsn(), "its end is not where the next segment begins"));
    }
    let digest = digest::digest(&digest::SHA256, &bytes[..segment.end]);
    if digest.as_ref() != next.previous_digest {
        return Err(corrupt(
            number,
            segment.header.first_lsn - 1,
            "its digest differs from the one in the next segment",
        ));
    }
    Ok(())
}

/// Reads the present bytes of a segment.
pub(super) fn read<D: Disk>(disk: &D, number: u64) -> Result<Vec<u8>, LedgerError> {
    let name = segment_name(number);
    disk.read(&name).map_err(LedgerError::io("reading", &name))
}

/// Reads a segment that a running gateway may be writing. A batch written during the read looks like damage, so the last segment is read
/// again until it is sound or unchanged. `None` if the segment has expired meanwhile.
pub(super) fn read_stable<D: Disk>(
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

/// Returns the last LSN of the segment before that one; 0 if it is missing or damaged.
fn last_before(disk: &impl Disk, number: u64) -> u64 {
    let before = number.saturating_sub(1);
    let Ok(bytes) = read(disk, before) else { return 0 };
    Segment::read(before, &bytes).map_or(0, |segment| segment.last_lsn())
}
