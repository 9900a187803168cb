//! Reads a segment's bytes: which batches are sound, where they end, and whether what follows is nothing, a torn tail, or
//! damage. Pure.

use super::format::{Batch, Invalid, SegmentHeader};
use super::{LedgerError, segment_name};

/// The bytes that follow the last sound batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros, or the end of the file.
    Clean,
    /// Something, and nothing sound after it: what a power cut leaves of the last batch.
    Torn,
    /// Something, and a sound batch after it: no power cut does that.
    Damaged,
}

/// A segment's content.
pub(super) struct Segment<'a> {
    /// The whole file, with what follows the last batch.
    pub(super) bytes: &'a [u8],
    pub(super) header: SegmentHeader,
    pub(super) batches: Vec<Batch<'a>>,
    /// The place where the last sound batch ends.
    pub(super) end: usize,
    pub(super) tail: Tail,
}

impl<'a> Segment<'a> {
    /// Reads a segment that is expected to have this number.
    pub(super) fn read(number: u64, bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let (header, header_end) = SegmentHeader::decode(bytes)
            .map_err(|invalid| refuse(invalid, number, 0, "its header does not read"))?;
        if header.number != number {
            return Err(corrupt(number, header.first_lsn.saturating_sub(1), "it is another segment"));
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

    /// The last sound batch's LSN; that of the segment before, if there is none.
    pub(super) fn last_lsn(&self) -> u64 {
        self.header.first_lsn - 1 + self.batches.len() as u64
    }

    /// Refuses a segment that does not end where it should: at nothing, or, if it is the last, at a torn batch.
    pub(super) fn check_tail(&self, is_last: bool) -> Result<(), LedgerError> {
        match self.tail {
            Tail::Clean => Ok(()),
            Tail::Torn if is_last => Ok(()),
            Tail::Torn => Err(corrupt(self.header.number, self.last_lsn(), "it is cut short")),
            Tail::Damaged => Err(corrupt(self.header.number, self.last_lsn(), "a batch does not read")),
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
