//! Recovery at a start. Only the last batch may be torn; it is saved to a file of its own and cut off. The last segment is rewritten
//! and synced before anything is acknowledged, because a failed sync may leave pages that can be read and are not on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ring::digest;
use runtime::clock::Reading;

use super::deletions::{Forgotten, forgotten};
use super::disk::{Disk, DiskFile, put_in_place, replace, uninterrupted, write_all_at};
use super::format::{Batch, DIGEST_BYTES, Entry, Mark, SegmentHeader};
use super::log::{self, CommitError, Log, create_segment};
use super::marks::Marks;
use super::min_lsn::MinLsn;
use super::reserve::Reserve;
use super::scan::{Segment, Tail, corrupt};
use super::seal::DayKeys;
use super::walk::{check_digest, check_no_gap, for_newest_segments, read, remaining_segments};
use super::{LedgerConfig, LedgerError, segment_name, time};

/// Recovers the log, or creates an empty one.
pub(super) fn recover<D: Disk>(
    disk: D,
    mut keys: DayKeys,
    config: &LedgerConfig,
    at: &Reading,
) -> Result<Log<D>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    let mut unfinished = names.iter().filter(|name| name.ends_with(".new")).peekable();
    let removes = unfinished.peek().is_some();
    for name in unfinished {
        uninterrupted(|| disk.remove(name)).map_err(LedgerError::io("removing", name))?;
    }
    if removes {
        // Without this, a power cut could rename an unfinished file that a later one of the same name replaced.
        uninterrupted(|| disk.sync_directory()).map_err(LedgerError::io("syncing", "the directory"))?;
    }
    let min_lsn = MinLsn::read(&disk)?;
    let forgotten = forgotten(&disk)?;
    let numbers = remaining_segments(&names, &forgotten);
    check_no_gap(&disk, &numbers, min_lsn, &forgotten)?;
    let mut reserve = Reserve::open(&disk).map_err(LedgerError::io("opening", "its reserve"))?;
    let opened = match numbers.last() {
        None => create_first(&disk, at)?,
        Some(&last) => {
            let before = numbers.len() > 1;
            open_last(&disk, &mut keys, last, before, &forgotten, &mut reserve)?
        }
    };
    min_lsn.check(opened.segment.number, opened.lsn)?;
    let mut log = Log {
        disk,
        keys,
        marks: opened.marks,
        segment: opened.segment,
        lsn: opened.lsn,
        durable: Arc::new(AtomicU64::new(opened.lsn)),
        confirmed_lsn: opened.confirmed_lsn,
        segment_bytes_max: config.segment_bytes_max,
        retention_days: config.retention_days,
        signing_pkcs8: config.signing_pkcs8.clone(),
        expired_on: None,
        expiry_plan: None,
        reserve,
        forgotten,
        undated: None,
    };
    for made in [log.write_min_lsn(), log.refill_reserve()] {
        match made {
            Ok(()) | Err(CommitError::Full) => {}
            Err(CommitError::Poison(error)) => return Err(error),
        }
    }
    Ok(log)
}

struct Opened<F> {
    segment: log::Segment<F>,
    marks: Marks,
    lsn: u64,
    confirmed_lsn: u64,
}

fn create_first<D: Disk>(disk: &D, at: &Reading) -> Result<Opened<D::File>, LedgerError> {
    let header = SegmentHeader {
        number: 1,
        hour: time::hour(at.now_ms),
        first_lsn: 1,
        created_ms: at.now_ms,
        is_undated: !at.is_dated,
        previous_end: 0,
        previous_digest: [0; DIGEST_BYTES],
        marks: Vec::new(),
    };
    let segment = create_segment(disk, &header)
        .map_err(|(error, _)| LedgerError::io("creating", &segment_name(1))(error))?;
    Ok(Opened { segment, marks: Marks::default(), lsn: 0, confirmed_lsn: 0 })
}

fn open_last<D: Disk>(
    disk: &D,
    keys: &mut DayKeys,
    number: u64,
    has_before: bool,
    forgotten: &Forgotten,
    reserve: &mut Reserve<D::File>,
) -> Result<Opened<D::File>, LedgerError> {
    let bytes = read(disk, number)?;
    let last = Segment::read(number, &bytes)?;
    last.check_tail(true)?;
    let mut marks = if has_before {
        marks_of_before(disk, keys, &last.header, forgotten)?
    } else {
        Marks::from_all(last.header.marks.iter().copied())
    };
    for batch in &last.batches {
        apply(&mut marks, keys, batch, forgotten)?;
    }
    let confirmed_lsn = last.batches.last().map_or(last.last_lsn(), |batch| {
        let is_marker = batch.marks.is_empty();
        if is_marker { batch.header.lsn } else { batch.header.durable_up_to }
    });
    let (lsn, end, hour) = (last.last_lsn(), last.end, last.header.hour);
    if last.tail == Tail::Torn {
        let torn = &bytes[end..];
        match save_torn_tail(disk, number, lsn, torn) {
            Err(error) if error.is_full() => {
                release(reserve)?;
                let again = save_torn_tail(disk, number, lsn, torn);
                again.or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })?;
            }
            other => other?,
        }
    }
    let last_batch = end - last.batches.last().map_or(0, |batch| batch.len);
    let file = match rewrite_segment(disk, number, &bytes[..end]) {
        Err(error) if error.is_full() => {
            release(reserve)?;
            rewrite_last_batch(disk, number, &bytes[..end], last_batch)?
        }
        other => other?,
    };
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(&bytes[..end]);
    let end = end as u64;
    let segment = log::Segment { number, hour, file, end, allocated: end, digest };
    Ok(Opened { segment, marks, lsn, confirmed_lsn })
}

/// Reads the segment before the last one for the last verdicts of its devices, which may be requested again, and checks it against the
/// digest and the marks in the last segment's header.
fn marks_of_before<D: Disk>(
    disk: &D,
    keys: &mut DayKeys,
    last: &SegmentHeader,
    forgotten: &Forgotten,
) -> Result<Marks, LedgerError> {
    let number = last.number - 1;
    let bytes = read(disk, number)?;
    let before = Segment::read(number, &bytes)?;
    before.check_tail(false)?;
    check_digest(&before, &bytes, last)?;
    let mut marks = Marks::from_all(before.header.marks.iter().copied());
    for batch in &before.batches {
        apply(&mut marks, keys, batch, forgotten)?;
    }
    let agrees = |mark: &Mark| marks.get(mark.device) == Some((mark.epoch, mark.recorded));
    if marks.len() != last.marks.len() || !last.marks.iter().all(agrees) {
        return Err(corrupt(
            last.number,
            last.first_lsn - 1,
            "its marks differ from those of the segment before",
        ));
    }
    Ok(marks)
}

/// Applies a batch to the marks.
fn apply(
    marks: &mut Marks,
    keys: &mut DayKeys,
    batch: &Batch<'_>,
    forgotten: &Forgotten,
) -> Result<(), LedgerError> {
    for entry in entries(keys, batch, forgotten)?.unwrap_or_default() {
        if let Entry::Run(run) = entry {
            marks.record(&run);
        }
    }
    batch.marks.iter().for_each(|&mark| marks.set(mark));
    Ok(())
}

/// Opens a batch and returns its entries; `None` if its day is forgotten.
///
/// # Errors
/// The day's key is missing although the day is not forgotten, or the batch does not decode.
pub(super) fn entries(
    keys: &mut DayKeys,
    batch: &Batch<'_>,
    forgotten: &Forgotten,
) -> Result<Option<Vec<Entry>>, LedgerError> {
    let header = batch.header;
    let Some(plain) = keys.open_body(header.day, header.nonce, &batch.associated, batch.body)? else {
        if !forgotten.covers(header.day) {
            let day = time::day_name(header.day);
            return Err(LedgerError::Key(format!("the key of {day} is missing; restore it from a copy")));
        }
        return Ok(None);
    };
    let damaged = |_| LedgerError::Key(format!("the batch with LSN {} does not decode", header.lsn));
    Entry::decode_all(&plain).map(Some).map_err(damaged)
}

fn save_torn_tail<D: Disk>(disk: &D, number: u64, lsn: u64, torn: &[u8]) -> Result<(), LedgerError> {
    let used = torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let name = format!("{}.torn-after-{lsn}", segment_name(number));
    tracing::warn!(
        name,
        bytes = used,
        lsn,
        "the last batch was torn by a crash; it was never acknowledged and is saved to a file of its own"
    );
    replace(disk, &name, &torn[..used]).map_err(LedgerError::io("writing", &name))
}

fn rewrite_segment<D: Disk>(disk: &D, number: u64, content: &[u8]) -> Result<D::File, LedgerError> {
    let name = segment_name(number);
    put_in_place(disk, &name, content).map_err(LedgerError::io("rewriting", &name))
}

/// Writes the last batch over itself and cuts off the rest, for a disk without space for a second copy of the segment. All earlier
/// batches were synced before the last one was written, so only the last one can be missing on disk after a failed sync.
fn rewrite_last_batch<D: Disk>(
    disk: &D,
    number: u64,
    content: &[u8],
    last_batch: usize,
) -> Result<D::File, LedgerError> {
    let name = segment_name(number);
    let written = || -> std::io::Result<D::File> {
        let (mut file, _) = uninterrupted(|| disk.open_file(&name))?;
        write_all_at(&mut file, &content[last_batch..], last_batch as u64)?;
        uninterrupted(|| file.set_len(content.len() as u64))?;
        uninterrupted(|| file.sync())?;
        uninterrupted(|| disk.sync_directory())?;
        Ok(file)
    };
    tracing::warn!(
        name,
        "the disk has no space for a second copy of the last segment; only its last batch is rewritten"
    );
    written().map_err(LedgerError::io("rewriting the end of", &name))
}

fn release<F: DiskFile>(reserve: &mut Reserve<F>) -> Result<(), LedgerError> {
    reserve.release().map(drop).map_err(LedgerError::io("releasing", "its reserve"))
}

/// Reads the last LSN of the log in a directory from its newest segment; `None` without a log. A gateway may be running.
///
/// # Errors
/// Damage in the newest segment, or a missing segment.
pub fn last_lsn(directory: &Path) -> Result<Option<u64>, LedgerError> {
    if !directory.exists() {
        return Ok(None);
    }
    let (disk, mut last) = (super::open_for_reading(directory)?, None);
    for_newest_segments(&disk, 1, |segment| {
        last = Some(segment.last_lsn());
        Ok(())
    })?;
    Ok(last)
}
