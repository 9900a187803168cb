//! Reading of segment headers without the rest of the segment.

use super::LedgerError;
use super::disk::Disk;
use super::format::SegmentHeader;
use super::scan::corrupt;
use super::segment_name;

/// Reads a segment's header, with at most two short reads; `None` if the segment does not exist.
///
/// # Errors
/// A damaged header, or an error of the operating system.
pub(super) fn read_header(disk: &impl Disk, number: u64) -> Result<Option<SegmentHeader>, LedgerError> {
    let name = segment_name(number);
    let mut want = SegmentHeader::FIXED_BYTES;
    loop {
        let bytes = match disk.read_start(&name, want) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::io("reading", &name)(error)),
        };
        if let Ok((header, _)) = SegmentHeader::decode(&bytes) {
            return Ok(Some(header));
        }
        match SegmentHeader::len_of(&bytes).filter(|&len| len > want) {
            Some(len) => want = len,
            None => return Err(corrupt(number, 0, "its header is not valid")),
        }
    }
}
