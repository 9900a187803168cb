//! The fuzz target of the segment reader: any bytes are decoded or refused, and decoded values encode to the same values.

use protocol::{DeviceId, Direction, Epoch, PlaceId, RegionId, Sequence, Verdict};

use super::format::{Batch, BatchHeader, Entry, Mark, SegmentHeader, assemble_batch, batch_associated};
use super::scan::Segment;
use super::{Record, Run, ScanKind};

/// Reads the bytes as a segment, as a header and a batch with corrected checksums, and as a plain body.
pub fn segment(bytes: &[u8]) {
    read(bytes);
    let mut sound = bytes.to_vec();
    if let Some(end) = SegmentHeader::len_of(bytes).filter(|&end| end <= bytes.len() && end >= 4) {
        let crc = crc32c::crc32c(&bytes[..end - 4]);
        sound[end - 4..end].copy_from_slice(&crc.to_le_bytes());
        if let Ok((header, _)) = SegmentHeader::decode(&sound) {
            // Reserved bytes are not kept.
            let again = SegmentHeader::decode(&header.encode()).map(|(header, _)| header);
            assert_eq!(again.as_ref(), Ok(&header));
        }
        let batch = end..sound.len();
        fix_batch_checksum(&mut sound[batch]);
        read(&sound);
    }
    if let Ok(entries) = Entry::decode_all(bytes) {
        let mut again = Vec::new();
        entries.iter().for_each(|entry| entry.encode(&mut again));
        assert_eq!(Entry::decode_all(&again).as_ref(), Ok(&entries));
    }
}

fn read(bytes: &[u8]) {
    let Ok(segment) = Segment::read(1, bytes) else { return };
    let _ = (segment.check_tail(true), segment.check_tail(false));
    assert!(segment.end <= bytes.len() && segment.last_lsn() + 1 >= segment.header.first_lsn);
}

/// Corrects the checksum of the batch at the start, if its lengths fit.
fn fix_batch_checksum(bytes: &mut [u8]) {
    let number =
        |at: usize| bytes.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().unwrap_or_default()));
    let (Some(marks), Some(body)) = (number(36), number(40)) else { return };
    let (fixed, rest) = (56, 60);
    let end = rest + marks as usize * 20 + body as usize;
    if end > bytes.len() {
        return;
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..fixed]), &bytes[rest..end]);
    bytes[fixed..rest].copy_from_slice(&crc.to_le_bytes());
}

/// Returns the seeds: a segment of two batches, an empty segment, and a plain body.
pub fn seeds() -> Vec<Vec<u8>> {
    let mark = Mark { device: DeviceId(17), epoch: Epoch(1), recorded: Sequence(2) };
    let header = SegmentHeader {
        number: 1,
        hour: 439_000,
        first_lsn: 1,
        created_ms: 1_580_000_000_000,
        is_undated: true,
        previous_end: 0,
        previous_digest: [0; 32],
        marks: vec![mark],
    };
    let mut body = Vec::new();
    entries().iter().for_each(|entry| entry.encode(&mut body));
    let mut whole = header.encode();
    for lsn in 1..=2 {
        let (durable_up_to, is_doubted) = (lsn - 1, lsn == 2);
        let header =
            BatchHeader { lsn, durable_up_to, written_ms: 7, is_doubted, day: 18_300, nonce: [1; 12] };
        let sealed = [&body[..], &[0; 16]].concat();
        let associated = batch_associated(&header, &[mark], body.len());
        assemble_batch(&associated, &sealed, &mut whole);
    }
    assert_eq!(Segment::read(1, &whole).map(|segment| segment.batches.len()).ok(), Some(2));
    assert!(Batch::find(&whole, 0).is_some());
    vec![whole, header.encode(), body]
}

fn entries() -> [Entry; 3] {
    let record = Record {
        code: None,
        kind: ScanKind::Nothing,
        direction: Direction::In,
        place: PlaceId(57),
        device_time_ms: 1_580_000_000_000,
        offline: false,
        verdict: Verdict::ask_staff(protocol::Reason::NothingShown),
        digest: crate::record::PunchDigest::from_number(9),
    };
    let run = Entry::Run(Run {
        device: DeviceId(17),
        epoch: Epoch(1),
        region: RegionId(1),
        first: Sequence(1),
        received_ms: 1_580_000_000_100,
        window_punches: 64,
        punches: vec![record; 2],
    });
    let lost = Entry::Lost {
        device: DeviceId(18),
        epoch: Epoch(1),
        from: Sequence(1),
        to: Sequence(4),
        noticed_ms: 1_580_000_000_200,
    };
    [Entry::Clock { wall_ms: 7 }, run, lost]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of cases, which a long run sets at build time.
    fn cases() -> usize {
        option_env!("CHANGTONG_FUZZ_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(20_000)
    }

    fn changed(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = seeds[random.usize(..seeds.len())].clone();
        for _ in 0..random.usize(1..6) {
            let (len, byte) = (bytes.len(), random.u8(..));
            let at = random.usize(..=len);
            match random.u8(..6) {
                0 if at < len => bytes[at] ^= 1 << random.u8(..8),
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..random.usize(at..=len))),
                4 => {
                    let part = bytes[at..random.usize(at..=len)].to_vec();
                    bytes.splice(at..at, part);
                }
                // Extreme lengths and times.
                _ => {
                    let extreme =
                        [[0; 8], [0xff; 8], u64::MAX.rotate_right(1).to_le_bytes()][random.usize(..3)];
                    bytes.iter_mut().skip(at).zip(extreme).for_each(|(byte, new)| *byte = new);
                }
            }
        }
        bytes
    }

    #[test]
    fn no_bytes_make_the_reader_of_segments_panic() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let seeds = seeds();
        seeds.iter().for_each(|bytes| segment(bytes));
        for case in 0..cases() {
            let bytes = changed(&seeds, &mut random);
            let read = std::panic::catch_unwind(|| segment(&bytes));
            assert!(read.is_ok(), "case {case} of seed {seed}: {}", hex::encode(&bytes));
        }
    }
}
