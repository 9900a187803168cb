//! The scan of a segment's bytes: the sound batches, their end, and what follows them: nothing, a torn tail, or damage. Pure.

use super::format::{Batch, Invalid, SegmentHeader};
use super::{LedgerError, segment_name};

/// The bytes after the last sound batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros, or the end of the file.
    Clean,
    /// Other bytes without a sound batch: the rest of a batch that a power cut has torn.
    Torn,
    /// Other bytes and a later sound batch, which no power cut can cause.
    Damaged,
}

/// A segment's content.
pub(super) struct Segment<'a> {
    /// The whole file.
    pub(super) bytes: &'a [u8],
    pub(super) header: SegmentHeader,
    pub(super) batches: Vec<Batch<'a>>,
    /// The end of the last sound batch.
    pub(super) end: usize,
    pub(super) tail: Tail,
}

impl<'a> Segment<'a> {
    /// Scans a segment that must have this number.
    pub(super) fn read(number: u64, bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let (header, header_end) = SegmentHeader::decode(bytes)
            .map_err(|invalid| refuse(invalid, number, 0, "its header is not valid"))?;
        if header.number != number {
            return Err(corrupt(
                number,
                header.first_lsn.saturating_sub(1),
                "it has the number of another segment",
            ));
        }
        let mut segment = Self { bytes, header, batches: Vec::new(), end: header_end, tail: Tail::Clean };
        loop {
            match Batch::decode(&bytes[segment.end..]) {
                Ok(batch) if batch.header.lsn == segment.last_lsn() + 1 => {
                    segment.end += batch.len;
                    segment.batches.push(batch);
                }
                Ok(_) => {
                    let what = "a batch is missing or out of order";
                    return Err(corrupt(number, segment.last_lsn(), what));
                }
                Err(Invalid::Newer) => return Err(LedgerError::Newer { name: segment_name(number) }),
                Err(Invalid::Bytes) => {
                    segment.tail = tail(bytes, segment.end);
                    return Ok(segment);
                }
            }
        }
    }

    /// Returns the LSN of the last sound batch, or of the segment before if there is none.
    pub(super) fn last_lsn(&self) -> u64 {
        self.header.first_lsn - 1 + self.batches.len() as u64
    }

    /// Refuses a tail that is not clean; of the last segment it may be torn.
    pub(super) fn check_tail(&self, is_last: bool) -> Result<(), LedgerError> {
        match self.tail {
            Tail::Clean => Ok(()),
            Tail::Torn if is_last => Ok(()),
            Tail::Torn => Err(corrupt(self.header.number, self.last_lsn(), "it is truncated")),
            Tail::Damaged => Err(corrupt(self.header.number, self.last_lsn(), "a batch is not valid")),
        }
    }
}

fn tail(bytes: &[u8], end: usize) -> Tail {
    if bytes[end..].iter().all(|&byte| byte == 0) {
        return Tail::Clean;
    }
    let mut from = end + 1;
    while let Some(at) = Batch::find(bytes, from) {
        if Batch::decode(&bytes[at..]).is_ok() {
            return Tail::Damaged;
        }
        from = at + 1;
    }
    Tail::Torn
}

pub(super) fn corrupt(number: u64, lsn: u64, what: &'static str) -> LedgerError {
    LedgerError::Corrupt { name: segment_name(number), what, lsn, is_newest: false }
}

fn refuse(invalid: Invalid, number: u64, lsn: u64, what: &'static str) -> LedgerError {
    match invalid {
        Invalid::Bytes => corrupt(number, lsn, what),
        Invalid::Newer => LedgerError::Newer { name: segment_name(number) },
    }
}
