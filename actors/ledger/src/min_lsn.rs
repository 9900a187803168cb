//! A lower bound of the log's last LSN, in the file `floor` beside the segments. Without it a log whose newest segment is missing, or
//! cut between two batches, would look complete. Never ahead of what is durable.

use std::io;

use super::LedgerError;
use super::disk::{Disk, replace};
use super::scan::corrupt;

const NAME: &str = "floor";

/// The end of the log at the time of writing the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MinLsn {
    /// The newest segment.
    pub(super) segment: u64,
    /// The last LSN.
    pub(super) lsn: u64,
}

impl MinLsn {
    /// Reads the bound; zero if none was written yet.
    pub(super) fn read(disk: &impl Disk) -> Result<Self, LedgerError> {
        let text = match disk.read(NAME) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LedgerError::io("reading", NAME)(error)),
        };
        let damaged = LedgerError::Corrupt {
            name: NAME.to_owned(),
            what: "its content is not valid",
            lsn: 0,
            is_newest: true,
        };
        str::from_utf8(&text).ok().and_then(Self::parse).ok_or(damaged)
    }

    /// Replaces the file.
    pub(super) fn write(self, disk: &impl Disk) -> io::Result<()> {
        replace(disk, NAME, self.text().as_bytes())
    }

    /// Refuses a log that ends before the bound.
    pub(super) fn check(self, segment: u64, lsn: u64) -> Result<(), LedgerError> {
        if segment < self.segment || lsn < self.lsn {
            return Err(corrupt(segment, lsn, "batches that were durable are missing at its end"));
        }
        Ok(())
    }

    fn text(self) -> String {
        let fields = format!("segment {} lsn {}", self.segment, self.lsn);
        format!("{fields} crc32c {:08x}\n", crc32c::crc32c(fields.as_bytes()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut number = |name| (words.next()? == name).then(|| words.next()?.parse().ok()).flatten();
        let min_lsn = Self { segment: number("segment")?, lsn: number("lsn")? };
        (min_lsn.text() == text).then_some(min_lsn)
    }
}
