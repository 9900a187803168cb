//! A message of the copy: the sealed batches as its payload, and in its headers, in clear, which batches they are and which marks they
//! move. Pure.

use async_nats::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use ledger::SealedBatches;

/// The header with the version, the first and the last LSN, the offset and the total length.
const BATCHES: &str = "Changtong-Batches";
/// The header with the marks: 20 bytes each, in base64 without padding.
const MARKS: &str = "Changtong-Marks";
/// The length of a mark.
const MARK_BYTES: usize = 20;
/// The most marks in a message: JetStream takes headers of 64 KiB, and each mark is 27 bytes in base64.
pub(super) const MARKS_MAX: usize = 2_048;
/// The version of the format.
const VERSION: u64 = 1;

/// Returns the headers of a message.
pub(super) fn headers(batches: &SealedBatches) -> HeaderMap {
    let SealedBatches { first, last, offset, total, marks, .. } = batches;
    let mut headers = HeaderMap::new();
    headers.insert(BATCHES, format!("{VERSION} {first} {last} {offset} {total}"));
    headers.insert(MARKS, BASE64_STANDARD_NO_PAD.encode(marks));
    headers
}

/// Returns the id by which the stream takes the message once: the gateway, and what it holds of which batches.
pub(super) fn id(name: &str, batches: &SealedBatches) -> String {
    let SealedBatches { first, last, offset, .. } = batches;
    format!("{name}-{first}-{last}-{offset}")
}

/// Reads a message; `None` if it is none of this format.
pub(super) fn read(headers: &HeaderMap, payload: &Bytes) -> Option<SealedBatches> {
    let mut words = headers.get(BATCHES)?.as_str().split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let (version, first, last, offset, total) = (number()?, number()?, number()?, number()?, number()?);
    let (offset, total) = (usize::try_from(offset).ok()?, usize::try_from(total).ok()?);
    let marks = BASE64_STANDARD_NO_PAD.decode(headers.get(MARKS)?.as_str()).ok()?;
    let is_sound = version == VERSION
        && (1..=last).contains(&first)
        && !payload.is_empty()
        && offset.checked_add(payload.len())? <= total;
    is_sound.then(|| SealedBatches {
        first,
        last,
        offset,
        total,
        bytes: payload.to_vec(),
        marks,
        days: Vec::new(),
    })
}

/// Returns the marks that a message moves: device, epoch, sequence. Those of another format are none.
pub(super) fn marks(headers: &HeaderMap) -> Vec<(u64, u32, u64)> {
    let text = headers.get(MARKS).map(|value| value.as_str()).unwrap_or_default();
    let bytes = BASE64_STANDARD_NO_PAD.decode(text).unwrap_or_default();
    let mark = |bytes: &[u8]| {
        let (device, rest) = bytes.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let sequence = rest.first_chunk::<8>()?;
        Some((u64::from_le_bytes(*device), u32::from_le_bytes(*epoch), u64::from_le_bytes(*sequence)))
    };
    bytes.chunks_exact(MARK_BYTES).filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_the_most_marks_are_not_larger_than_jetstream_takes() {
        let batches = SealedBatches {
            first: u64::MAX,
            last: u64::MAX,
            offset: usize::MAX,
            total: usize::MAX,
            marks: vec![255; MARKS_MAX * MARK_BYTES],
            ..SealedBatches::default()
        };
        let headers = headers(&batches);
        let length = |name| headers.get(name).expect("a header").as_str().len() + str::len(name);
        let bytes = length(BATCHES) + length(MARKS);
        assert!(bytes < 60_000, "{bytes}: others are added, such as the message's id");
    }

    #[test]
    fn a_message_is_read_as_it_was_written_and_anything_else_is_none() {
        let batches = SealedBatches {
            first: 7,
            last: 7,
            offset: 3,
            total: 9,
            bytes: b"sealed".to_vec(),
            marks: vec![7; 40],
            days: Vec::new(),
        };
        let (written, payload) = (headers(&batches), Bytes::from_static(b"sealed"));
        assert_eq!(read(&written, &payload), Some(batches.clone()));
        assert_eq!(id("north", &batches), "north-7-7-3");
        assert_eq!(read(&written, &Bytes::new()), None);
        assert_eq!(read(&HeaderMap::new(), &payload), None);
        for other in
            ["2 7 7 3 9", "1 7 6 3 9", "1 0 6 3 9", "1 7 7 4 9", "1 7 7 3", "1 7 7 18446744073709551615 9"]
        {
            let mut changed = written.clone();
            changed.insert(BATCHES, other);
            assert_eq!(read(&changed, &payload), None, "{other}");
        }
    }
}
