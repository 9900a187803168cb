//! The order for an export: everybody's passages, on record before the first of them is told. The gateway reads its punch log and
//! tells what it reads: operators cannot open the log, nor its keys.

use std::io::{self, Write};

use anyhow::bail;
use ledger::{self, ExportFormat};
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Progress, Tell};

/// Of an export this much is told at once.
const PART_BYTES: usize = 32 * 1024;

/// An export of every punch that was received in that time, milliseconds since 1970 UTC, in the order of the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportLedger {
    pub(crate) case: String,
    pub(crate) format: PunchFormat,
    #[serde(default)]
    pub(crate) from_ms: Option<u64>,
    #[serde(default)]
    pub(crate) to_ms: Option<u64>,
}

/// The form in which a punch is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PunchFormat {
    Csv,
    Jsonl,
}

/// The number of punches that were told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) punches: u64,
}

impl Order for ExportLedger {
    const NAME: &'static str = "export-ledger";
    const REPLY: &'static str = "exported";
    const ROLE: Role = Role::Records;
    type Reply = Exported;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<Exported> {
        let received_ms = self.from_ms.unwrap_or(0)..=self.to_ms.unwrap_or(u64::MAX);
        if received_ms.is_empty() {
            bail!("the time ends after it begins");
        }
        given.record(Lookup::Export, &self.case, Subjects::Everybody)?;
        let format = match self.format {
            PunchFormat::Csv => ExportFormat::Csv,
            PunchFormat::Jsonl => ExportFormat::JsonLines,
        };
        let log = &given.context.log;
        let mut out = Told { tell, part: Vec::with_capacity(PART_BYTES) };
        let punches = ledger::export(&log.0, &log.1, (format, &received_ms), &mut out)?;
        Ok(Exported { punches })
    }
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
