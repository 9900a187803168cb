//! The log as its second copy reads it: durable batches as they lie on disk, from any LSN on, while the log is written. Nothing is opened
//! and no key is needed, so batches of forgotten days are read, too. Where the copy goes is decided elsewhere.

use std::io::ErrorKind;
use std::path::Path;

use super::deletions::forgotten;
use super::disk::{Disk, RealDisk};
use super::format::{BATCH_CLEAR_BYTES, Batch, MARK_BYTES, SegmentHeader};
use super::headers::read_header;
use super::scan::corrupt;
use super::seek::Pages;
use super::time::day_name;
use super::walk::remaining_segments;
use super::{LedgerError, open_for_reading, segment_name};

/// Consecutive batches as they lie on disk, or a part of one that is larger than what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedBatches {
    /// The LSN of the first batch.
    pub first: u64,
    /// The LSN of the last batch.
    pub last: u64,
    /// The offset of the bytes in their batch; 0 for whole batches.
    pub offset: usize,
    /// The length of all batches together, or of the batch that the bytes are a part of.
    pub total: usize,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// The marks that the batches move, 20 bytes each: device, epoch, sequence, little-endian.
    pub marks: Vec<u8>,
    /// The names of the days whose keys seal the batches; empty if they came from a copy.
    pub days: Vec<String>,
}

impl SealedBatches {
    /// Returns the last LSN up to which everything is whole with these bytes.
    pub const fn whole_up_to(&self) -> u64 {
        if self.offset + self.bytes.len() < self.total { self.last - 1 } else { self.last }
    }

    fn add_day(&mut self, day: u32) {
        let name = day_name(day);
        if self.days.last() != Some(&name) {
            self.days.push(name);
        }
    }
}

/// The most that one read returns.
#[derive(Clone, Copy, Debug)]
pub struct TailRoom {
    /// Bytes of batches, at least 1.
    pub bytes: usize,
    /// Marks, at least 2.
    pub marks: usize,
}

impl TailRoom {
    /// Returns the bytes of a part of a batch that has so many marks and this length: marks go with parts as bytes do.
    fn part(self, marks: usize, len: usize) -> usize {
        if marks <= self.marks {
            return self.bytes.max(1);
        }
        // One mark less: the ends of parts are rounded.
        self.bytes.min(len * (self.marks - 1) / marks).max(1)
    }
}

/// A copy that does not belong to the log, or a log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The copy is not of this log.
    #[error(
        "the copy ends at LSN {copy}, where this log, which ends at {log}, has something else: it is another log's, or this log has lost its end"
    )]
    OtherLog {
        /// The last LSN of the copy.
        copy: u64,
        /// The last LSN of the log.
        log: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LedgerError),
}

/// The place of the next batch.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    at: u64,
    /// The LSN of the batch there.
    lsn: u64,
    /// The bytes of that batch that were read already.
    part: usize,
}

impl Place {
    /// Returns the place behind the first `part` bytes of the batch here, which has this length.
    const fn behind(self, part: usize, len: usize) -> Self {
        if part < len {
            return Self { part, ..self };
        }
        Self { at: self.at + len as u64, lsn: self.lsn + 1, part: 0, ..self }
    }
}

/// A reader of the log from an LSN on.
pub struct LogTail {
    disk: RealDisk,
    next: Place,
}

impl LogTail {
    /// Opens the log behind what a copy ends with, which is compared with the log; `None` for an empty copy, which begins with the oldest
    /// batch that the log has.
    ///
    /// # Errors
    /// The copy is another log's, or the log cannot be read.
    pub fn behind(directory: &Path, copy: Option<&SealedBatches>, durable: u64) -> Result<Self, TailError> {
        let disk = open_for_reading(directory)?;
        let numbers = segments(&disk)?;
        let Some(copy) = copy else {
            return Ok(Self { next: first(&disk, &numbers, 0)?, disk });
        };
        let other = TailError::OtherLog { copy: copy.last, log: durable };
        if copy.last > durable {
            return Err(other);
        }
        for &number in numbers.iter().rev() {
            let Some(header) = read_header(&disk, number)? else { continue };
            if header.first_lsn <= copy.last {
                let next = pass(&disk, begin(&header), copy)?.ok_or(other)?;
                return Ok(Self { next, disk });
            }
        }
        // What follows the copy has expired meanwhile.
        Ok(Self { next: first(&disk, &numbers, 0)?, disk })
    }

    /// Returns the LSN of the next batch.
    pub const fn next_lsn(&self) -> u64 {
        self.next.lsn
    }

    /// Reads the next batches up to the LSN `durable`, as many as there is room for; `None` if there is none. Batches that have expired are
    /// passed over.
    ///
    /// # Errors
    /// A durable batch is damaged or missing, or an error of the operating system.
    pub fn read(&mut self, durable: u64, room: TailRoom) -> Result<Option<SealedBatches>, LedgerError> {
        while self.next.lsn <= durable {
            let bytes = self.bytes(room.bytes.max(BATCH_CLEAR_BYTES))?;
            let is_gone = bytes.is_none();
            let Some((bytes, (marks, len))) =
                bytes.and_then(|bytes| Batch::lengths(&bytes).map(|lengths| (bytes, lengths)))
            else {
                self.next_segment(is_gone)?;
                continue;
            };
            if self.next.part > 0 || len > room.bytes || marks > room.marks {
                return self.part(len, room.part(marks, len)).map(Some);
            }
            return self.whole(bytes, durable, room.marks).map(Some);
        }
        Ok(None)
    }

    /// Returns the bytes from the next batch on; `None` if the segment has expired.
    fn bytes(&self, len: usize) -> Result<Option<Vec<u8>>, LedgerError> {
        let name = segment_name(self.next.segment);
        match self.disk.read_at(&name, self.next.at, len) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LedgerError::io("reading", &name)(error)),
        }
    }

    /// Takes whole batches of these bytes, with so many marks at most.
    fn whole(
        &mut self,
        mut bytes: Vec<u8>,
        durable: u64,
        marks_max: usize,
    ) -> Result<SealedBatches, LedgerError> {
        let mut read = SealedBatches { first: self.next.lsn, ..SealedBatches::default() };
        while self.next.lsn <= durable
            && let Ok(batch) = Batch::decode(&bytes[read.total..])
            && batch.header.lsn == self.next.lsn
            && read.marks.len() / MARK_BYTES + batch.marks.len() <= marks_max
        {
            read.marks.extend_from_slice(marks_of(&batch));
            read.add_day(batch.header.day);
            (read.last, read.total) = (batch.header.lsn, read.total + batch.len);
            self.next.lsn += 1;
        }
        if read.total == 0 {
            return Err(self.damaged());
        }
        self.next.at += read.total as u64;
        bytes.truncate(read.total);
        read.bytes = bytes;
        Ok(read)
    }

    /// Takes the next part of a batch of this length.
    fn part(&mut self, len: usize, bytes_max: usize) -> Result<SealedBatches, LedgerError> {
        let bytes = self.bytes(len)?.unwrap_or_default();
        let batch = Batch::decode(&bytes).map_err(|_| self.damaged())?;
        let (lsn, offset) = (self.next.lsn, self.next.part);
        if batch.header.lsn != lsn || batch.len <= offset {
            return Err(self.damaged());
        }
        let end = len.min(offset + bytes_max);
        // Each mark goes with one of the parts.
        let marks = marks_of(&batch);
        let upto = |end: usize| (marks.len() / MARK_BYTES * end / len) * MARK_BYTES;
        let read = SealedBatches {
            first: lsn,
            last: lsn,
            offset,
            total: len,
            bytes: bytes[offset..end].to_vec(),
            marks: marks[upto(offset)..upto(end)].to_vec(),
            days: vec![day_name(batch.header.day)],
        };
        self.next = self.next.behind(end, len);
        Ok(read)
    }

    /// Goes on with the next segment that there is. `is_gone`: the present one has expired, and others may have.
    fn next_segment(&mut self, is_gone: bool) -> Result<(), LedgerError> {
        let next = first(&self.disk, &segments(&self.disk)?, self.next.segment)?;
        if next.lsn != self.next.lsn && !(is_gone && next.lsn > self.next.lsn) {
            return Err(self.damaged());
        }
        self.next = next;
        Ok(())
    }

    fn damaged(&self) -> LedgerError {
        corrupt(self.next.segment, self.next.lsn - 1, "a batch that was durable is not valid")
    }
}

/// Returns the numbers of the segments that are part of the log.
fn segments(disk: &RealDisk) -> Result<Vec<u64>, LedgerError> {
    let names = disk.list().map_err(LedgerError::io("listing", "its segments"))?;
    Ok(remaining_segments(&names, &forgotten(disk)?))
}

/// Returns the place of the first batch of a segment.
fn begin(header: &SegmentHeader) -> Place {
    Place { segment: header.number, at: header.encoded_len() as u64, lsn: header.first_lsn, part: 0 }
}

/// Returns the place of the first batch in the segments behind that one.
fn first(disk: &RealDisk, numbers: &[u64], behind: u64) -> Result<Place, LedgerError> {
    for &number in numbers.iter().filter(|number| **number > behind) {
        if let Some(header) = read_header(disk, number)? {
            return Ok(begin(&header));
        }
    }
    Err(corrupt(behind + 1, 0, super::MISSING))
}

/// Passes the batches from `next` on up to the end of the copy; `None` if the log has others.
fn pass(disk: &RealDisk, mut next: Place, copy: &SealedBatches) -> Result<Option<Place>, LedgerError> {
    let mut pages = Pages::new(disk, next.segment);
    while let Ok(at) = usize::try_from(next.at)
        && let Some((_, len)) = Batch::lengths(pages.get(at, BATCH_CLEAR_BYTES)?)
    {
        if next.lsn < copy.last {
            next = next.behind(len, len);
            continue;
        }
        let bytes = pages.get(at, len)?;
        let end = copy.offset + copy.bytes.len();
        if copy.total > copy.bytes.len() {
            let is_same = len == copy.total && bytes.get(copy.offset..end) == Some(&copy.bytes[..]);
            return Ok(is_same.then(|| next.behind(end, len)));
        }
        let is_same = bytes.len() == len && copy.bytes.ends_with(bytes);
        return Ok(is_same.then(|| next.behind(len, len)));
    }
    Ok(None)
}

/// Returns a batch's marks as they lie on disk.
fn marks_of<'a>(batch: &'a Batch<'_>) -> &'a [u8] {
    &batch.associated[batch.associated.len() - batch.marks.len() * MARK_BYTES..]
}
