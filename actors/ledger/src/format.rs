//! The format of a segment: a header with all devices' marks, then batches. A batch is a header in the clear, the marks that it moves,
//! and a body sealed with the day's key; one CRC-32C covers all three. Little-endian. Pure.

mod records;

use protocol::{DeviceId, Epoch, RegionId, Sequence};
use records::{record, write_record};

use super::Run;

/// The newest supported version.
pub(super) const VERSION: u16 = 3;
/// The version of segments begun on a known day …
const VERSION_PLAIN: u16 = 1;
/// … and on an unknown day. Uses flags; a body may begin with the wall clock's time.
const VERSION_DOUBTED: u16 = 2;
/// The version of batches with digests in their records. Uses flags.
const VERSION_DIGESTS: u16 = 3;
/// The flag of a segment begun on an unknown day, and of a batch written while the clock was not believed.
const DOUBTED: u16 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"CTLEDGER";
const BATCH_MAGIC: [u8; 4] = *b"CTb1";
const SEGMENT_FIXED_BYTES: usize = 92;
const BATCH_FIXED_BYTES: usize = 56;
const CRC_BYTES: usize = 4;
pub(super) const MARK_BYTES: usize = 20;
/// The length of a batch before its marks.
pub(super) const BATCH_CLEAR_BYTES: usize = BATCH_FIXED_BYTES + CRC_BYTES;
pub(super) const NONCE_BYTES: usize = 12;
/// The length that sealing adds to a body.
pub(super) const TAG_BYTES: usize = 16;
/// The length of a record …
pub(super) const RECORD_BYTES: usize = RECORD_BYTES_V1 + 4;
/// … and of one without a digest.
const RECORD_BYTES_V1: usize = 27;
/// The length of a run without its records.
pub(super) const RUN_BYTES: usize = 39;
/// The length of a clock entry.
const CLOCK_BYTES: usize = 9;
pub(super) const DIGEST_BYTES: usize = 32;
/// The highest valid LSN. Higher ones are damage; sums of valid ones do not overflow.
const LSN_MAX: u64 = u64::MAX / 2;

/// The high-water mark of one device: its epoch and its highest recorded sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) device: DeviceId,
    pub(super) epoch: Epoch,
    pub(super) recorded: Sequence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    /// Hours since 1970 in UTC+8.
    pub(super) hour: u32,
    pub(super) first_lsn: u64,
    pub(super) created_ms: u64,
    /// True if the day of `created_ms` is unknown.
    pub(super) is_undated: bool,
    /// The end of the segment before, and the SHA-256 of its bytes up to there; zero in the first segment.
    pub(super) previous_end: u64,
    pub(super) previous_digest: [u8; DIGEST_BYTES],
    pub(super) marks: Vec<Mark>,
}

/// The reason why bytes do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The bytes are damaged or something else.
    Bytes,
    /// The bytes are sound and of a newer version.
    Newer,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Invalid::Bytes)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Invalid> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Invalid> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Invalid> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Invalid> {
        self.take().map(u64::from_le_bytes)
    }

    fn mark(&mut self) -> Result<Mark, Invalid> {
        Ok(Mark { device: DeviceId(self.u64()?), epoch: Epoch(self.u32()?), recorded: Sequence(self.u64()?) })
    }
}

/// Decodes consecutive marks.
pub(super) fn read_marks(bytes: &[u8]) -> impl Iterator<Item = Mark> {
    bytes.chunks_exact(MARK_BYTES).filter_map(|bytes| Cursor(bytes).mark().ok())
}

fn write_mark(mark: &Mark, out: &mut Vec<u8>) {
    out.extend_from_slice(&mark.device.0.to_le_bytes());
    out.extend_from_slice(&mark.epoch.0.to_le_bytes());
    out.extend_from_slice(&mark.recorded.0.to_le_bytes());
}

impl SegmentHeader {
    /// The length of the part that is needed to know the header's length.
    pub(super) const FIXED_BYTES: usize = SEGMENT_FIXED_BYTES;

    /// Returns the length of the header at the start of these bytes, from its fields, without checks.
    pub(super) fn len_of(bytes: &[u8]) -> Option<usize> {
        let marks = u32::from_le_bytes(bytes.get(12..16)?.first_chunk().copied()?) as usize;
        (bytes.len() >= SEGMENT_FIXED_BYTES).then_some(SEGMENT_FIXED_BYTES + marks * MARK_BYTES + CRC_BYTES)
    }

    /// Returns the length on disk.
    pub(super) fn encoded_len(&self) -> usize {
        SEGMENT_FIXED_BYTES + self.marks.len() * MARK_BYTES + CRC_BYTES
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&SEGMENT_MAGIC);
        let version = if self.is_undated { VERSION_DOUBTED } else { VERSION_PLAIN };
        write_version(version, self.is_undated, &mut out);
        out.extend_from_slice(&(self.marks.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.hour.to_le_bytes());
        out.extend_from_slice(&self.first_lsn.to_le_bytes());
        out.extend_from_slice(&self.created_ms.to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(&self.previous_digest);
        out.extend_from_slice(&[0; 8]);
        self.marks.iter().for_each(|mark| write_mark(mark, &mut out));
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Decodes the header at the start of a segment, and returns its length too.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), Invalid> {
        let mut cursor = Cursor(bytes);
        if cursor.take()? != SEGMENT_MAGIC {
            return Err(Invalid::Bytes);
        }
        let (version, flags) = (cursor.u16()?, cursor.u16()?);
        let marks = cursor.u32()? as usize;
        let crc_at = SEGMENT_FIXED_BYTES + marks * MARK_BYTES;
        check_crc(bytes, &[(0, crc_at)], crc_at)?;
        if !(VERSION_PLAIN..=VERSION).contains(&version) {
            return Err(Invalid::Newer);
        }
        let mut header = Self {
            number: cursor.u64()?,
            hour: cursor.u32()?,
            first_lsn: cursor.u64()?,
            created_ms: cursor.u64()?,
            is_undated: flags & DOUBTED != 0,
            previous_end: cursor.u64()?,
            previous_digest: cursor.take()?,
            marks: Vec::with_capacity(marks),
        };
        cursor.u64()?;
        if !(1..=LSN_MAX).contains(&header.first_lsn) {
            return Err(Invalid::Bytes);
        }
        for _ in 0..marks {
            header.marks.push(cursor.mark()?);
        }
        Ok((header, crc_at + CRC_BYTES))
    }
}

fn write_version(version: u16, is_doubted: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&(if is_doubted { DOUBTED } else { 0 }).to_le_bytes());
}

fn check_crc(bytes: &[u8], parts: &[(usize, usize)], crc_at: usize) -> Result<(), Invalid> {
    let stored: [u8; CRC_BYTES] =
        bytes.get(crc_at..).and_then(|rest| rest.first_chunk().copied()).ok_or(Invalid::Bytes)?;
    let mut crc = 0;
    for &(from, to) in parts {
        crc = crc32c::crc32c_append(crc, bytes.get(from..to).ok_or(Invalid::Bytes)?);
    }
    if crc == u32::from_le_bytes(stored) { Ok(()) } else { Err(Invalid::Bytes) }
}

/// A batch's fields in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) lsn: u64,
    /// The last durable LSN at the time of writing.
    pub(super) durable_up_to: u64,
    pub(super) written_ms: u64,
    /// True if the clock was not believed at the time of writing; the body then begins with the wall clock's time.
    pub(super) is_doubted: bool,
    /// The day whose key seals the body: days since 1970 in UTC+8, or an undated day.
    pub(super) day: u32,
    pub(super) nonce: [u8; NONCE_BYTES],
}

/// A sound batch in a segment's bytes.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) header: BatchHeader,
    pub(super) marks: Vec<Mark>,
    /// The clear part, which the seal authenticates.
    pub(super) associated: Vec<u8>,
    /// The sealed body.
    pub(super) body: &'a [u8],
    /// The length of the batch.
    pub(super) len: usize,
}

/// Returns the maximum length of a batch with so many marks and a plain body of that length.
pub(super) const fn batch_bytes(marks: usize, plain: usize) -> usize {
    BATCH_FIXED_BYTES + CRC_BYTES + marks * MARK_BYTES + CLOCK_BYTES + plain + TAG_BYTES
}

/// Encodes the clear part of a batch, which the seal authenticates: fixed fields and marks.
pub(super) fn batch_associated(header: &BatchHeader, marks: &[Mark], plain: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(BATCH_FIXED_BYTES + marks.len() * MARK_BYTES);
    out.extend_from_slice(&BATCH_MAGIC);
    write_version(VERSION_DIGESTS, header.is_doubted, &mut out);
    out.extend_from_slice(&header.lsn.to_le_bytes());
    out.extend_from_slice(&header.durable_up_to.to_le_bytes());
    out.extend_from_slice(&header.written_ms.to_le_bytes());
    out.extend_from_slice(&header.day.to_le_bytes());
    out.extend_from_slice(&(marks.len() as u32).to_le_bytes());
    out.extend_from_slice(&((plain + TAG_BYTES) as u32).to_le_bytes());
    out.extend_from_slice(&header.nonce);
    marks.iter().for_each(|mark| write_mark(mark, &mut out));
    out
}

/// Appends a batch made of its clear part and its sealed body.
pub(super) fn assemble_batch(associated: &[u8], sealed: &[u8], out: &mut Vec<u8>) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(associated), sealed);
    let (fixed, marks) = associated.split_at(BATCH_FIXED_BYTES);
    out.extend_from_slice(fixed);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(marks);
    out.extend_from_slice(sealed);
}

impl<'a> Batch<'a> {
    /// Decodes the batch at the start of `bytes`.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut cursor = Cursor(bytes);
        if cursor.take()? != BATCH_MAGIC {
            return Err(Invalid::Bytes);
        }
        let (version, flags) = (cursor.u16()?, cursor.u16()?);
        let (lsn, durable_up_to, written_ms) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let day = cursor.u32()?;
        let (marks, body) = (cursor.u32()? as usize, cursor.u32()? as usize);
        let (is_doubted, nonce) = (flags & DOUBTED != 0, cursor.take()?);
        let header = BatchHeader { lsn, durable_up_to, written_ms, is_doubted, day, nonce };
        let marks_at = BATCH_FIXED_BYTES + CRC_BYTES;
        let body_at = marks_at + marks * MARK_BYTES;
        let len = body_at + body;
        check_crc(bytes, &[(0, BATCH_FIXED_BYTES), (marks_at, len)], BATCH_FIXED_BYTES)?;
        if !(VERSION_PLAIN..=VERSION).contains(&version) {
            return Err(Invalid::Newer);
        }
        cursor.u32()?;
        let marks = (0..marks).map(|_| cursor.mark()).collect::<Result<_, _>>()?;
        let associated = [&bytes[..BATCH_FIXED_BYTES], &bytes[marks_at..body_at]].concat();
        Ok(Self { header, marks, associated, body: &bytes[body_at..len], len })
    }

    /// Returns the number of marks and the length of the batch that begins with these [`BATCH_CLEAR_BYTES`], without checks; `None` if
    /// no batch begins here.
    pub(super) fn lengths(clear: &[u8]) -> Option<(usize, usize)> {
        let clear: &[u8; BATCH_CLEAR_BYTES] = clear.first_chunk()?;
        if !clear.starts_with(&BATCH_MAGIC) {
            return None;
        }
        let length = |at: usize| clear[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let (marks, body) = (length(36)?, length(40)?);
        Some((marks, BATCH_CLEAR_BYTES + marks * MARK_BYTES + body))
    }

    /// Returns the next offset from `from` on at which a batch may begin.
    pub(super) fn find(bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        rest.windows(BATCH_MAGIC.len()).position(|window| window == BATCH_MAGIC).map(|at| from + at)
    }
}

/// One entry of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Consecutive punches of one device.
    Run(Run),
    /// Punches that were acknowledged to the device and are missing in the log.
    Lost { device: DeviceId, epoch: Epoch, from: Sequence, to: Sequence, noticed_ms: u64 },
    /// The wall clock's time at the writing of the batch, which was not believed.
    Clock { wall_ms: u64 },
}

const RUN_V1: u8 = 1;
const LOST: u8 = 2;
const CLOCK: u8 = 3;
const RUN: u8 = 4;

impl Entry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Run(run) => {
                out.push(RUN);
                out.extend_from_slice(&run.device.0.to_le_bytes());
                out.extend_from_slice(&run.epoch.0.to_le_bytes());
                out.extend_from_slice(&run.region.0.to_le_bytes());
                out.extend_from_slice(&run.first.0.to_le_bytes());
                out.extend_from_slice(&run.received_ms.to_le_bytes());
                out.extend_from_slice(&run.window_punches.to_le_bytes());
                out.extend_from_slice(&(run.punches.len() as u32).to_le_bytes());
                run.punches.iter().for_each(|record| write_record(record, out));
            }
            Self::Lost { device, epoch, from, to, noticed_ms } => {
                out.push(LOST);
                out.extend_from_slice(&device.0.to_le_bytes());
                out.extend_from_slice(&epoch.0.to_le_bytes());
                out.extend_from_slice(&from.0.to_le_bytes());
                out.extend_from_slice(&to.0.to_le_bytes());
                out.extend_from_slice(&noticed_ms.to_le_bytes());
            }
            Self::Clock { wall_ms } => {
                out.push(CLOCK);
                out.extend_from_slice(&wall_ms.to_le_bytes());
            }
        }
    }

    /// Decodes all entries of a plain body.
    pub(super) fn decode_all(plain: &[u8]) -> Result<Vec<Self>, Invalid> {
        let mut cursor = Cursor(plain);
        let mut entries = Vec::new();
        while !cursor.0.is_empty() {
            entries.push(Self::decode(&mut cursor)?);
        }
        Ok(entries)
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Invalid> {
        let kind = cursor.u8()?;
        if kind == CLOCK {
            return Ok(Self::Clock { wall_ms: cursor.u64()? });
        }
        let (device, epoch) = (DeviceId(cursor.u64()?), Epoch(cursor.u32()?));
        match kind {
            RUN | RUN_V1 => {
                let (region, first) = (RegionId(cursor.u16()?), Sequence(cursor.u64()?));
                let (received_ms, window_punches) = (cursor.u64()?, cursor.u32()?);
                let count = cursor.u32()? as usize;
                let record_bytes = if kind == RUN { RECORD_BYTES } else { RECORD_BYTES_V1 };
                if cursor.0.len() / record_bytes < count {
                    return Err(Invalid::Bytes);
                }
                let punches = (0..count).map(|_| record(cursor, kind == RUN)).collect::<Result<_, _>>()?;
                Ok(Self::Run(Run { device, epoch, region, first, received_ms, window_punches, punches }))
            }
            LOST => Ok(Self::Lost {
                device,
                epoch,
                from: Sequence(cursor.u64()?),
                to: Sequence(cursor.u64()?),
                noticed_ms: cursor.u64()?,
            }),
            _ => Err(Invalid::Bytes),
        }
    }
}
