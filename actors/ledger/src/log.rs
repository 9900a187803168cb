//! The open log: preallocates space, appends and syncs one batch at a time, and starts a new segment each hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest;
use runtime::clock::Reading;

use super::deletions::Forgotten;
use super::disk::{Disk, DiskFile, uninterrupted, write_all_at};
use super::error::is_full;
use super::expiry_plan::ExpiryPlan;
use super::format::{self, BatchHeader, DIGEST_BYTES, Entry, Mark, SegmentHeader};
use super::marks::Marks;
use super::min_lsn::MinLsn;
use super::reserve::Reserve;
use super::seal::DayKeys;
use super::{LedgerError, segment_name, time};

/// The step of preallocation. The file's length, and with it its metadata, changes once per step only. Small in tests, so that power
/// cuts fall into many steps.
pub(super) const ALLOCATION_BYTES: u64 = if cfg!(test) { 4 * 1024 } else { 1024 * 1024 };

/// The segment that is being written.
pub(super) struct Segment<F> {
    pub(super) number: u64,
    pub(super) hour: u32,
    pub(super) file: F,
    /// The offset of the next batch.
    pub(super) end: u64,
    /// The end of the preallocated zeros.
    pub(super) allocated: u64,
    /// The digest of all bytes up to `end`.
    pub(super) digest: digest::Context,
}

/// The log, open for writing.
pub(super) struct Log<D: Disk> {
    pub(super) disk: D,
    pub(super) keys: DayKeys,
    pub(super) marks: Marks,
    pub(super) segment: Segment<D::File>,
    /// The last LSN, which is durable.
    pub(super) lsn: u64,
    /// The last LSN, for readers on other threads.
    pub(super) durable: Arc<AtomicU64>,
    /// The highest LSN that a later batch on disk confirms as durable.
    pub(super) confirmed_lsn: u64,
    pub(super) segment_bytes_max: u64,
    pub(super) retention_days: u32,
    pub(super) signing_pkcs8: Vec<u8>,
    /// The day of the last completed expiry.
    pub(super) expired_on: Option<u32>,
    /// The expiry in progress.
    pub(super) expiry_plan: Option<ExpiryPlan>,
    /// Disk space that punches may not use.
    pub(super) reserve: Reserve<D::File>,
    /// The recorded deletions. A deleted day never gets another key.
    pub(super) forgotten: Forgotten,
    /// The undated day whose key seals new batches; `None` while the day is known.
    pub(super) undated: Option<u32>,
}

/// The reason why a batch was not written.
#[derive(Debug)]
pub(super) enum CommitError {
    /// The disk is full. Nothing has changed, and a retry may succeed.
    Full,
    /// The content of the disk is unknown. No retry, because after a failed sync the kernel marks pages as clean that are not on disk.
    Poison(LedgerError),
}

impl CommitError {
    fn reserving(error: std::io::Error, name: &str) -> Self {
        if is_full(&error) { Self::Full } else { Self::Poison(LedgerError::io("allocating", name)(error)) }
    }

    /// Classifies the error of an operation that can be retried on a full disk.
    pub(super) fn of(error: LedgerError) -> Self {
        if error.is_full() { Self::Full } else { Self::Poison(error) }
    }
}

impl<D: Disk> Log<D> {
    /// Grows the reserve to its full size.
    pub(super) fn refill_reserve(&mut self) -> Result<(), CommitError> {
        match self.reserve.refill(&self.disk) {
            Ok(true) => Ok(()),
            Ok(false) => Err(CommitError::Full),
            Err(error) => {
                Err(CommitError::Poison(LedgerError::io("refilling the reserve on", "its disk")(error)))
            }
        }
    }

    /// Releases the reserve for critical writes; `false` if it was empty.
    pub(super) fn release_reserve(&mut self) -> Result<bool, CommitError> {
        let failed =
            |error| CommitError::Poison(LedgerError::io("releasing the reserve on", "its disk")(error));
        self.reserve.release().map_err(failed)
    }

    /// Prepares a batch of this size at this time: makes the day's key, starts a new segment at the hour or when the present one is
    /// full, and writes zeros ahead of the batch. A full disk is noticed here, before anything has changed.
    pub(super) fn preallocate(&mut self, batch_bytes: u64, at: &Reading) -> Result<(), CommitError> {
        let full = self.segment.end + batch_bytes > self.segment_bytes_max;
        let day = self.day(at);
        self.keys.make(day).map_err(CommitError::of)?;
        let hour = time::hour(at.now_ms);
        // A clock that was set back, even over the beginning of the hour, starts no new segment.
        if hour > self.segment.hour || self.segment.hour.saturating_sub(hour) > 1 || full {
            self.roll(at)?;
        }
        let name = segment_name(self.segment.number);
        let segment = &mut self.segment;
        let needed = segment.end + batch_bytes;
        if needed > segment.allocated {
            let target = needed.next_multiple_of(ALLOCATION_BYTES);
            let zeros = vec![0; (target - segment.allocated) as usize];
            write_all_at(&mut segment.file, &zeros, segment.allocated)
                .map_err(|error| CommitError::reserving(error, &name))?;
            segment.allocated = target;
        }
        Ok(())
    }

    /// Writes one batch and syncs it, after [`Self::preallocate`]. Returns its length in bytes.
    pub(super) fn commit(
        &mut self,
        entries: &[Entry],
        marks: &[Mark],
        at: &Reading,
    ) -> Result<u64, CommitError> {
        let bytes = self.encode(entries, marks, at).map_err(CommitError::Poison)?;
        let name = segment_name(self.segment.number);
        let segment = &mut self.segment;
        write_all_at(&mut segment.file, &bytes, segment.end)
            .map_err(|error| CommitError::Poison(LedgerError::io("writing", &name)(error)))?;
        uninterrupted(|| segment.file.sync())
            .map_err(|error| CommitError::Poison(LedgerError::io("syncing", &name)(error)))?;
        segment.digest.update(&bytes);
        segment.end += bytes.len() as u64;
        segment.allocated = segment.allocated.max(segment.end);
        self.confirmed_lsn = self.lsn;
        self.lsn += 1;
        self.durable.store(self.lsn, Ordering::Release);
        Ok(bytes.len() as u64)
    }

    /// Appends an empty batch that confirms the last batch as durable, unless one has done so. Damage to the confirmed batch is then
    /// not mistaken for a torn tail. Called when no message waits.
    pub(super) fn append_commit_marker(&mut self, at: &Reading) -> Result<(), CommitError> {
        if self.confirmed_lsn >= self.lsn {
            return Ok(());
        }
        self.preallocate(format::batch_bytes(0, 0) as u64, at)?;
        self.commit(&[], &[], at)?;
        // The marker itself needs no confirmation.
        self.confirmed_lsn = self.lsn;
        Ok(())
    }

    /// Writes the present end of the log as its minimum LSN. Does nothing on a full disk; the next call updates it.
    pub(super) fn write_min_lsn(&self) -> Result<(), CommitError> {
        match (MinLsn { segment: self.segment.number, lsn: self.lsn }).write(&self.disk) {
            Err(error) if !is_full(&error) => {
                Err(CommitError::Poison(LedgerError::io("writing", "its minimum LSN")(error)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn encode(&mut self, entries: &[Entry], marks: &[Mark], at: &Reading) -> Result<Vec<u8>, LedgerError> {
        let mut body = Vec::new();
        if at.doubt.is_some() {
            Entry::Clock { wall_ms: at.wall_ms }.encode(&mut body);
        }
        entries.iter().for_each(|entry| entry.encode(&mut body));
        let header = BatchHeader {
            lsn: self.lsn + 1,
            durable_up_to: self.lsn,
            written_ms: at.now_ms,
            is_doubted: at.doubt.is_some(),
            day: self.day(at),
            nonce: DayKeys::nonce()?,
        };
        let associated = format::batch_associated(&header, marks, body.len());
        self.keys.seal(header.day, header.nonce, &associated, &mut body)?;
        let mut bytes = Vec::with_capacity(format::batch_bytes(marks.len(), body.len()));
        format::assemble_batch(&associated, &body, &mut bytes);
        Ok(bytes)
    }

    /// Returns the day whose key seals a batch written at that time. It is an undated day while the clock has not been believed in this
    /// process, and if the key of the clock's day is already destroyed.
    fn day(&mut self, at: &Reading) -> u32 {
        let day = time::day(at.now_ms);
        if at.is_dated && !self.forgotten.covers(day) {
            self.undated = None;
            return day;
        }
        *self.undated.get_or_insert(time::undated(self.segment.number))
    }

    fn roll(&mut self, at: &Reading) -> Result<(), CommitError> {
        let previous_digest = digest_of(&self.segment.digest);
        let header = SegmentHeader {
            number: self.segment.number + 1,
            hour: time::hour(at.now_ms),
            first_lsn: self.lsn + 1,
            created_ms: at.now_ms,
            is_undated: !at.is_dated,
            previous_end: self.segment.end,
            previous_digest,
            marks: self.marks.all(),
        };
        let next = create_segment(&self.disk, &header).map_err(|(error, is_named)| {
            let name = segment_name(header.number);
            if is_named {
                CommitError::Poison(LedgerError::io("creating", &name)(error))
            } else {
                CommitError::reserving(error, &name)
            }
        })?;
        let mut closed = std::mem::replace(&mut self.segment, next);
        // Frees the rest of the preallocation. Every batch is synced already, and zeros at the end are valid.
        uninterrupted(|| closed.file.set_len(closed.end)).map_err(|error| {
            CommitError::Poison(LedgerError::io("closing", &segment_name(closed.number))(error))
        })?;
        self.write_min_lsn()
    }
}

/// Returns the digest of the bytes so far.
pub(super) fn digest_of(context: &digest::Context) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    bytes.copy_from_slice(context.clone().finish().as_ref());
    bytes
}

/// Creates a segment. It gets its name after its header is durable.
///
/// # Errors
/// An error of the operating system, and whether the segment may have its name already.
pub(super) fn create_segment<D: Disk>(
    disk: &D,
    header: &SegmentHeader,
) -> Result<Segment<D::File>, (std::io::Error, bool)> {
    let name = segment_name(header.number);
    let fresh = format!("{name}.new");
    let bytes = header.encode();
    let mut file = uninterrupted(|| disk.create(&fresh)).map_err(|error| (error, false))?;
    let written = write_all_at(&mut file, &bytes, 0).and_then(|()| uninterrupted(|| file.sync()));
    if let Err(error) = written {
        drop(file);
        let _ = disk.remove(&fresh);
        return Err((error, false));
    }
    uninterrupted(|| disk.rename(&fresh, &name))
        .and_then(|()| uninterrupted(|| disk.sync_directory()))
        .map_err(|error| (error, true))?;
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(&bytes);
    let end = bytes.len() as u64;
    Ok(Segment { number: header.number, hour: header.hour, file, end, allocated: end, digest })
}
