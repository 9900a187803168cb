//! The order for an export: everybody's passages, on record before the first of them is told. The gateway reads its punch log and
//! tells what it reads: operators cannot open the log, nor its keys.

use std::io::{self, Write};

use anyhow::bail;
use ledger::{self, ExportFormat};
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::across::punches::{self, Shares};
use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Progress, Tell};

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
    /// The logs of all gateways of the fleet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fleet: bool,
}

/// The form in which a punch is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PunchFormat {
    Csv,
    Jsonl,
}

impl PunchFormat {
    /// Returns the form that was asked for by `--format` and `--json`; CSV if none was.
    pub(crate) fn chosen(format: Option<Self>, json: bool) -> anyhow::Result<Self> {
        match (format, json) {
            (Some(Self::Csv), true) => bail!("--json and --format csv are two formats; leave one out"),
            (Some(format), _) => Ok(format),
            (None, true) => Ok(Self::Jsonl),
            (None, false) => Ok(Self::Csv),
        }
    }
}

/// The number of punches that were told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) punches: u64,
    /// Of an export of all gateways, what each of them had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<Shares>,
}

impl Order for ExportLedger {
    const NAME: &'static str = "export-ledger";
    const REPLY: &'static str = "exported";
    const ROLE: Role = Role::Records;
    type Reply = Exported;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn at(&self) -> At {
        if self.fleet { At::Leader } else { At::Here }
    }

    fn is_whole(Exported { fleet, .. }: &Exported) -> bool {
        fleet.as_ref().is_none_or(|fleet| fleet.away.is_empty())
    }

    fn perform(self, given: Given<'_>, tell: &mut Tell<'_>) -> anyhow::Result<Exported> {
        let received_ms = self.from_ms.unwrap_or(0)..=self.to_ms.unwrap_or(u64::MAX);
        if received_ms.is_empty() {
            bail!("the time ends after it begins");
        }
        let others = if self.fleet { given.context.others()? } else { None };
        if self.fleet && others.is_none() {
            bail!("this gateway is in no fleet: leave --fleet out");
        }
        given.record(Lookup::Export, &self.case, Subjects::Everybody)?;
        let format = match self.format {
            PunchFormat::Csv => ExportFormat::Csv,
            PunchFormat::Jsonl => ExportFormat::JsonLines,
        };
        let log = &given.context.log;
        let mut out = Told { tell, part: Vec::with_capacity(PART_BYTES) };
        let Some(others) = others else {
            let punches = ledger::export(&log.0, &log.1, (format, &received_ms), &mut out)?;
            return Ok(Exported { punches, fleet: None });
        };
        let own = |out: &mut dyn Write| {
            Ok(ledger::export(&log.0, &log.1, (ExportFormat::JsonLines, &received_ms), out).map(drop)?)
        };
        let shares = punches::export(&others, (format, &received_ms), own, &mut out)?;
        let punches = shares.gateways.iter().map(|share| share.punches).sum();
        Ok(Exported { punches, fleet: Some(shares) })
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
