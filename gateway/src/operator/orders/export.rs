//! The order for an export: everybody's passages, on record before the first of them is told. The gateway reads its punch log and
//! tells what it reads: operators cannot open the log, nor its keys.

use std::io::{self, Write};
use std::ops::RangeInclusive;

use anyhow::bail;
use ledger::{self, ExportFormat};
use registry::operator::Signed;
use serde::{Deserialize, Serialize};

use super::{Ordered, people};
use super::{Progress, Tell};
use crate::operator::OperatorContext;

/// Of an export this much is told at once.
const PART_BYTES: usize = 32 * 1024;

/// The form in which a punch is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PunchFormat {
    Csv,
    Jsonl,
}

/// Tells every punch that was received in that time, in the order of the log.
pub(super) fn run(
    admin: &OperatorContext,
    (format, case): (PunchFormat, &str),
    received_ms: &RangeInclusive<u64>,
    by: &Signed,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Ordered> {
    if received_ms.is_empty() {
        bail!("the time ends after it begins");
    }
    people::export(admin, case, by)?;
    let format = match format {
        PunchFormat::Csv => ExportFormat::Csv,
        PunchFormat::Jsonl => ExportFormat::JsonLines,
    };
    let mut out = Told { tell, part: Vec::with_capacity(PART_BYTES) };
    let punches = ledger::export(&admin.log.0, &admin.log.1, (format, received_ms), &mut out)?;
    Ok(Ordered::Exported { punches })
}

/// Tells what is written, in parts.
struct Told<'a, 'b> {
    tell: &'a mut Tell<'b>,
    part: Vec<u8>,
}

impl Write for Told<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A line's bytes are ASCII, or, in JSON, whole characters at each write.
        let text = String::from_utf8(std::mem::take(&mut self.part)).map_err(io::Error::other)?;
        match text.is_empty() || (self.tell)(&Progress::Exported(text)) {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody listens any more")),
        }
    }
}
