//! An export of a lost gateway's second copy: its sealed batches in their order, opened with day keys that were given. The rows are those
//! of an export of the log itself.

use std::io::Write;
use std::ops::RangeInclusive;

use serde::Serialize;

use super::LedgerError;
use super::deletions::Forgotten;
use super::format::Batch;
use super::read::{ExportFormat, PunchRows, export_batch};
use super::recover::entries;
use super::seal::DayKeys;
use super::tail::SealedBatches;

/// The result of an export of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    /// The number of batches read.
    pub batches: u64,
    /// The LSN of the first batch.
    pub first_lsn: u64,
    /// The LSN of the last batch.
    pub last_lsn: u64,
    /// The number of punches written.
    pub punches: u64,
    /// The number of batches whose day has no key: forgotten days.
    pub without_key: u64,
    /// The number of batches between the first and the last that the copy lacks: days that were forgotten before they were copied.
    pub missing: u64,
}

/// An export of a copy, as far as it has come.
pub struct CopyExport<'a> {
    keys: DayKeys,
    rows: PunchRows<'a>,
    received_ms: RangeInclusive<u64>,
    /// The parts of a batch that is not whole yet.
    part: Vec<u8>,
    report: CopyReport,
}

impl<'a> CopyExport<'a> {
    /// Begins an export with these day keys, by the names of their days.
    pub fn new<'k>(
        keys: impl IntoIterator<Item = (&'k str, &'k [u8; 32])>,
        (format, received_ms): (ExportFormat, RangeInclusive<u64>),
        out: &'a mut dyn Write,
    ) -> Self {
        let (keys, rows) = (DayKeys::given(keys), PunchRows::new(format, out));
        Self { keys, rows, received_ms, part: Vec::new(), report: CopyReport::default() }
    }

    /// Takes the next batches of the copy, in their order.
    ///
    /// # Errors
    /// They are damaged or out of order, a key does not open its day, or an error of the output.
    pub fn take(&mut self, read: &SealedBatches) -> Result<(), LedgerError> {
        if read.offset != self.part.len() {
            // The beginning of the oldest batch may have expired.
            let is_rest = self.report.batches == 0 && self.part.is_empty();
            return if is_rest { Ok(()) } else { Err(damaged(read.first)) };
        }
        self.part.extend_from_slice(&read.bytes);
        if self.part.len() < read.total {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.part);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let batch = Batch::decode(rest).map_err(|_| damaged(read.first))?;
            self.batch(&batch)?;
            rest = &rest[batch.len..];
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<(), LedgerError> {
        let (lsn, report) = (batch.header.lsn, &mut self.report);
        if report.batches == 0 {
            report.first_lsn = lsn;
        } else if lsn <= report.last_lsn {
            return Err(damaged(lsn));
        } else {
            report.missing += lsn - report.last_lsn - 1;
        }
        report.batches += 1;
        report.last_lsn = lsn;
        match entries(&mut self.keys, batch, &Forgotten::EVERY_DAY)? {
            None => report.without_key += 1,
            Some(entries) => {
                report.punches += export_batch(lsn, &entries, &self.received_ms, &mut self.rows)?;
            }
        }
        Ok(())
    }

    /// Ends the export.
    ///
    /// # Errors
    /// An error of the output.
    pub fn finish(self) -> Result<CopyReport, LedgerError> {
        self.rows.finish().map_err(LedgerError::io("exporting to", "the output"))?;
        Ok(self.report)
    }
}

fn damaged(lsn: u64) -> LedgerError {
    LedgerError::Corrupt {
        name: "the copy".to_owned(),
        what: "a batch is not valid or out of order",
        lsn: lsn.saturating_sub(1),
        is_newest: false,
    }
}
