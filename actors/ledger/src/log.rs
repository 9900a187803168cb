//! The open log: appends one batch at a time and syncs it, rolls segments by the hour, sets room aside before it writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest;
use runtime::clock::Reading;

use super::deletions::Forgotten;
use super::disk::{Disk, DiskFile, is_full, uninterrupted, write_all_at};
use super::floor::Floor;
use super::format::{self, BatchHeader, DIGEST_BYTES, Entry, Mark, SegmentHeader};
use super::marks::Marks;
use super::overdue::Overdue;
use super::reserve::Reserve;
use super::seal::DayKeys;
use super::{LedgerError, segment_name, time};

/// Room is set aside in steps of this: the length changes, and with it the file's metadata, only once a step. Tests take
/// small steps, so that tens of thousands of power cuts meet many of them.
pub(super) const ALLOCATION_BYTES: u64 = if cfg!(test) { 4 * 1024 } else { 1024 * 1024 };

/// The segment that is being written.
pub(super) struct Segment<F> {
    pub(super) number: u64,
    pub(super) hour: u32,
    pub(super) file: F,
    /// The place where the next batch goes.
    pub(super) end: u64,
    /// Up to here the file holds zeros.
    pub(super) allocated: u64,
    /// Over everything up to `end`.
    pub(super) digest: digest::Context,
}

/// The log, open for writing.
pub(super) struct Log<D: Disk> {
    pub(super) disk: D,
    pub(super) keys: DayKeys,
    pub(super) marks: Marks,
    pub(super) segment: Segment<D::File>,
    /// The last LSN that was written, and is durable.
    pub(super) lsn: u64,
    /// The same, for others to read.
    pub(super) durable: Arc<AtomicU64>,
    /// Up to which LSN a later batch says so.
    pub(super) said_durable: u64,
    pub(super) segment_bytes_max: u64,
    pub(super) retention_days: u32,
    pub(super) signing_pkcs8: Vec<u8>,
    /// The day on which expiry was last looked at.
    pub(super) expired_on: Option<u32>,
    /// A day's forgetting, until its last step.
    pub(super) overdue: Option<Overdue>,
    /// Room that punches do not get.
    pub(super) kept: Reserve<D::File>,
    /// The days on record as forgotten: none of these days gets another key.
    pub(super) forgotten: Forgotten,
    /// The day that nobody knows, whose key seals what is written now.
    pub(super) undated: Option<u32>,
}

/// Why a batch was not written.
#[derive(Debug)]
pub(super) enum CommitError {
    /// The disk has no room; nothing has changed, and it may have later.
    Full,
    /// Nobody knows what is on disk now. There is no retry: after a failed sync the kernel calls pages clean that are not.
    Poison(LedgerError),
}

impl CommitError {
    fn reserving(error: std::io::Error, name: &str) -> Self {
        if is_full(&error) { Self::Full } else { Self::Poison(LedgerError::io("allocating", name)(error)) }
    }

    /// Of what can be done again when there is room.
    pub(super) fn of(error: LedgerError) -> Self {
        if error.is_full() { Self::Full } else { Self::Poison(error) }
    }
}

impl<D: Disk> Log<D> {
    /// Takes what is missing of the room that is kept back for what must go on when the disk is full.
    pub(super) fn keep_back(&mut self) -> Result<(), CommitError> {
        match self.kept.keep(&self.disk) {
            Ok(true) => Ok(()),
            Ok(false) => Err(CommitError::Full),
            Err(error) => {
                Err(CommitError::Poison(LedgerError::io("keeping room back on", "its disk")(error)))
            }
        }
    }

    /// Lets what must go on have that room; `false` if it was gone already.
    pub(super) fn let_go(&mut self) -> Result<bool, CommitError> {
        let failed = |error| CommitError::Poison(LedgerError::io("letting room go on", "its disk")(error));
        self.kept.let_go().map_err(failed)
    }

    /// Makes room for a batch of this size at this time: a new segment at the hour or when this one is full, zeros ahead of the
    /// batch. What can fail for lack of space fails here, before anything has changed.
    pub(super) fn reserve(&mut self, batch_bytes: u64, at: &Reading) -> Result<(), CommitError> {
        let full = self.segment.end + batch_bytes > self.segment_bytes_max;
        // The day's first batch needs a key, for which there may be no room either.
        let day = self.day(at);
        self.keys.make(day).map_err(CommitError::of)?;
        let hour = time::hour(at.now_ms);
        // A clock that was set back within the hour, or over its begin, is no other hour.
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

    /// Writes one batch and syncs it; [`Self::reserve`] has made room.
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
        self.said_durable = self.lsn;
        self.lsn += 1;
        self.durable.store(self.lsn, Ordering::Release);
        Ok(bytes.len() as u64)
    }

    /// When nothing waits: a batch with nothing in it that says that the last one is durable. From then on damage to that one
    /// cannot be taken for a torn tail.
    pub(super) fn say_durable(&mut self, at: &Reading) -> Result<(), CommitError> {
        if self.said_durable >= self.lsn {
            return Ok(());
        }
        self.reserve(format::batch_bytes(0, 0) as u64, at)?;
        self.commit(&[], &[], at)?;
        // The empty batch itself needs nobody to vouch for it.
        self.said_durable = self.lsn;
        Ok(())
    }

    /// Says on disk how far the log reaches at least, so that a log that has lost its end does not look whole. A full disk is
    /// no reason to stop: the floor is raised the next time.
    pub(super) fn raise_floor(&self) -> Result<(), CommitError> {
        match (Floor { segment: self.segment.number, lsn: self.lsn }).write(&self.disk) {
            Err(error) if !is_full(&error) => {
                Err(CommitError::Poison(LedgerError::io("raising", "its floor")(error)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn encode(&mut self, entries: &[Entry], marks: &[Mark], at: &Reading) -> Result<Vec<u8>, LedgerError> {
        let mut body = Vec::new();
        if at.doubt.is_some() {
            Entry::Clock { said_ms: at.said_ms }.encode(&mut body);
        }
        entries.iter().for_each(|entry| entry.encode(&mut body));
        let header = BatchHeader {
            lsn: self.lsn + 1,
            durable_up_to: self.lsn,
            written_ms: at.now_ms,
            is_doubted: at.doubt.is_some(),
            day: self.day(at),
            nonce: self.keys.nonce()?,
        };
        let associated = format::batch_associated(&header, marks, body.len());
        self.keys.seal(header.day, header.nonce, &associated, &mut body)?;
        let mut bytes = Vec::with_capacity(format::batch_bytes(marks.len(), body.len()));
        format::batch_bytes_of(&associated, &body, &mut bytes);
        Ok(bytes)
    }

    /// The day whose key seals what is written at that moment. Nobody knows it while the clock has not been believed since the
    /// process began; nor if the key of the day that it is said to be was destroyed.
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
        let next = create_segment(&self.disk, &header).map_err(|(error, named)| match named {
            false => CommitError::reserving(error, &segment_name(header.number)),
            true => CommitError::Poison(LedgerError::io("making", &segment_name(header.number))(error)),
        })?;
        let mut closed = std::mem::replace(&mut self.segment, next);
        // Gives back the room that was set aside; the content was synced batch by batch, and zeros at the end are allowed.
        uninterrupted(|| closed.file.set_len(closed.end)).map_err(|error| {
            CommitError::Poison(LedgerError::io("closing", &segment_name(closed.number))(error))
        })?;
        self.raise_floor()
    }
}

/// A digest over what was fed so far.
pub(super) fn digest_of(context: &digest::Context) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    bytes.copy_from_slice(context.clone().finish().as_ref());
    bytes
}

/// Makes a segment with its header. It has its name only once its header is durable. An error says whether it may have its
/// name already.
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
