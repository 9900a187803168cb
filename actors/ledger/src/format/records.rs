//! The bytes of one punch in a body, with its digest, or without it in logs of earlier releases.

use protocol::{CodeId, Direction, PlaceId, Verdict};

use super::{Cursor, Invalid, RECORD_BYTES};
use crate::record::PunchDigest;
use crate::{Record, ScanKind};

/// Appends a record.
pub(super) fn write_record(record: &Record, out: &mut Vec<u8>) {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&record.code.map_or(0, CodeId::get).to_le_bytes());
    bytes[8] = record.kind.number();
    bytes[9] = record.direction.number();
    bytes[10..14].copy_from_slice(&record.place.0.to_le_bytes());
    bytes[14..22].copy_from_slice(&record.device_time_ms.to_le_bytes());
    bytes[22] = u8::from(record.offline);
    bytes[23..27].copy_from_slice(&record.verdict.to_bytes());
    bytes[27..].copy_from_slice(&record.digest.map_or(0, PunchDigest::number).to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// Decodes the record at the cursor.
pub(super) fn record(cursor: &mut Cursor<'_>, has_digest: bool) -> Result<Record, Invalid> {
    Ok(Record {
        code: CodeId::from_u64(cursor.u64()?),
        kind: ScanKind::from_number(cursor.u8()?).ok_or(Invalid::Bytes)?,
        direction: Direction::from_number(cursor.u8()?).ok_or(Invalid::Bytes)?,
        place: PlaceId(cursor.u32()?),
        device_time_ms: cursor.u64()?,
        offline: cursor.u8()? != 0,
        verdict: Verdict::from_bytes(cursor.take()?).ok_or(Invalid::Bytes)?,
        digest: if has_digest { PunchDigest::from_number(cursor.u32()?) } else { None },
    })
}
