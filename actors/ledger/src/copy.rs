//! Copies of the log for backups, taken while the log is written, and the deletion records that a restored copy needs. Day keys are
//! never copied, so destroying them makes the punches unreadable in all copies.

use std::collections::BTreeSet;
use std::path::Path;

use super::deletions::{self, DELETIONS, Deletion, forgotten};
use super::disk::{Disk, RealDisk, replace, uninterrupted};
use super::min_lsn::MinLsn;
use super::read;
use super::seal::DayKeys;
use super::walk::for_each_segment;
use super::{LedgerError, VerifyReport, open_for_reading, segment_name, time};

/// Copies the log to a new directory, up to its last complete batch, and returns that batch's LSN. All batches up to it are durable in
/// the log and in the copy. Checks digests, order and checksums.
///
/// # Errors
/// Damage in the log, or an error of the operating system.
pub fn copy(from: &Path, to: &Path) -> Result<u64, LedgerError> {
    let (disk, copy) = (open_for_reading(from)?, new_directory(to)?);
    let mut reached = MinLsn::default();
    let mut first = None;
    for_each_segment(&disk, |segment| {
        let number = segment.header.number;
        if reached.segment > 0 && number != reached.segment + 1 {
            // The earlier segments have expired during the copy.
            for earlier in first.unwrap_or(number)..=reached.segment {
                let name = segment_name(earlier);
                copy.remove(&name).map_err(LedgerError::io("removing", &name))?;
            }
            first = None;
        }
        let name = segment_name(number);
        replace(&copy, &name, &segment.bytes[..segment.end]).map_err(LedgerError::io("copying", &name))?;
        first.get_or_insert(number);
        reached = MinLsn { segment: number, lsn: segment.last_lsn() };
        Ok(())
    })?;
    if reached.segment > 0 {
        // The last batch that was read may not be synced yet.
        let name = segment_name(reached.segment);
        uninterrupted(|| disk.sync_file(&name)).map_err(LedgerError::io("syncing", &name))?;
    }
    // After the segments, so that deletions during the copy are included.
    match disk.read(DELETIONS) {
        Ok(records) => replace(&copy, DELETIONS, &records).map_err(LedgerError::io("copying", DELETIONS))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(LedgerError::io("reading", DELETIONS)(error)),
    }
    reached.write(&copy).map_err(LedgerError::io("writing", "its minimum LSN"))?;
    Ok(reached.lsn)
}

/// Records the deletion of days in a restored copy: of those past the retention whose keys were destroyed since the copy was made.
/// Returns their names. Younger days without a key are an error when the log is read.
///
/// # Errors
/// Damage in the log, or an error of the operating system.
pub fn forget_expired(
    directory: &Path,
    day_keys: &Path,
    signing_pkcs8: &[u8],
    retention_days: u32,
    now_ms: u64,
) -> Result<Vec<String>, LedgerError> {
    let (disk, keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let (named, first_lsn) = expired(&disk, &keys, retention_days, now_ms)?;
    let days: Vec<String> = named.into_iter().map(time::day_name).collect();
    if !days.is_empty() {
        let days = days.clone();
        let deletion = Deletion { deleted_ms: now_ms, days, segments: None, first_lsn_left: first_lsn };
        deletions::record(&disk, signing_pkcs8, deletion)?;
    }
    Ok(days)
}

/// Verifies a copy as [`super::verify`] does after [`forget_expired`], but writes nothing. Also returns the days that would be recorded.
///
/// # Errors
/// The first damage found, with the last sound LSN before it.
pub fn verify_copy(
    directory: &Path,
    day_keys: &Path,
    public_key: &[u8],
    retention_days: u32,
    now_ms: u64,
) -> Result<(VerifyReport, Vec<String>), LedgerError> {
    let (disk, mut keys) = (open_for_reading(directory)?, DayKeys::at(day_keys));
    let (named, _) = expired(&disk, &keys, retention_days, now_ms)?;
    let mut forgotten = forgotten(&disk)?;
    named.iter().for_each(|&day| forgotten.add(day));
    let report = read::verify_on(&disk, &mut keys, public_key, usize::MAX, &forgotten)?;
    Ok((report, named.into_iter().map(time::day_name).collect()))
}

/// Returns the days whose keys were destroyed since the copy was made, and the first LSN of the copy.
fn expired(
    disk: &RealDisk,
    keys: &DayKeys,
    retention_days: u32,
    now_ms: u64,
) -> Result<(Vec<u32>, u64), LedgerError> {
    let (known, oldest) = (forgotten(disk)?, time::day(now_ms).saturating_sub(retention_days));
    // Keys are destroyed in the order of their days, so a key missing after the oldest existing one was not destroyed by expiry.
    let oldest = keys.days_before(oldest)?.first().copied().unwrap_or(oldest);
    let (mut days, mut undated, mut first_lsn) = (BTreeSet::new(), BTreeSet::new(), None);
    for_each_segment(disk, |segment| {
        first_lsn.get_or_insert(segment.header.first_lsn);
        if !segment.header.is_undated && time::day(segment.header.created_ms) < oldest {
            days.append(&mut undated);
        }
        for day in segment.batches.iter().map(|batch| batch.header.day) {
            if !time::is_dated(day) {
                undated.insert(day);
            } else if day < oldest {
                days.insert(day);
            }
        }
        Ok(())
    })?;
    let gone = |day: &u32| !known.covers(*day) && !keys.has(*day);
    Ok((days.into_iter().filter(gone).collect(), first_lsn.unwrap_or(1)))
}

fn new_directory(path: &Path) -> Result<RealDisk, LedgerError> {
    RealDisk::open(path).map_err(LedgerError::io("creating", &path.display().to_string()))
}
