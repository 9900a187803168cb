//! `changtong ledger`: reads the punch log, whether a gateway runs on it or not.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::keys::Keys;
use actors::ledger;
use anyhow::{Context, bail};

use super::desk::Desk;
use crate::admin::Done;
use crate::orders::{Ordered, OrderedAct, PunchFormat};
use crate::process::Settings;
use crate::vouching;

/// Of an export that stops before its end.
const CUT: &str = "the export is not whole, its end is missing: throw it away, and export to a file, which keeps the gateway \
                   waiting for nobody";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads everything and checks checksums, digests, seals, order and the deletion records' signatures, and that the log is the one
    /// that the registry beside it knows.
    Verify {
        #[command(flatten)]
        place: Place,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Writes every punch to the output. It shows everybody's passages: an operator signs, and it is recorded as an access.
    Export {
        /// The case that the export is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
        /// How a punch is written.
        #[arg(long, value_enum, default_value_t = PunchFormat::Csv)]
        format: PunchFormat,
    },
}

#[derive(clap::Args)]
pub(crate) struct Place {
    /// The gateway's data.
    #[arg(long, default_value = "./changtong-data")]
    data: PathBuf,
    /// The gateway's keys; of a development city, those in its data.
    #[arg(long)]
    keys: Option<PathBuf>,
}

impl Place {
    fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    fn day_keys(&self) -> PathBuf {
        Keys::days(&self.keys())
    }

    fn ledger(&self) -> PathBuf {
        Settings::ledger_path(Path::new(&self.data))
    }
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { place, json } => verify(&place, json),
            Self::Export { case, desk, format } => export(case, &desk, format),
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn verify(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let public_key = Keys::load(&place.keys())?.signing_public();
    let report = ledger::verify(&place.ledger(), &place.day_keys(), &public_key)?;
    vouching::look(&place.data, &place.keys())
        .context("every batch that is there is sound; but the log and the registry do not belong together")?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("The punch log is sound.");
    for (name, number) in [
        ("segments", report.segments),
        ("batches", report.batches),
        ("last LSN", report.last_lsn),
        ("punches", report.punches),
        ("lost punches on record", report.lost),
        ("forgotten batches", report.forgotten_batches),
        ("batches in doubt", report.doubted_batches),
        ("deletion records", report.deletions),
    ] {
        println!("  {name:<24}{number:>12}");
    }
    Ok(ExitCode::SUCCESS)
}

fn export(case: String, desk: &Desk, format: PunchFormat) -> anyhow::Result<ExitCode> {
    let (mut out, mut failed, mut begun) = (std::io::stdout().lock(), None, false);
    let mut tell = |done: &Done| {
        if let Done::Exported(text) = done {
            begun = true;
            failed = out.write_all(text.as_bytes()).err();
        }
        failed.is_none()
    };
    let ordered = desk.call_telling(&OrderedAct::ExportLedger { case, format }, &mut tell);
    match failed {
        // Whoever read it has seen enough, such as `head`.
        Some(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        Some(error) => return Err(error).context("writing punches"),
        None => {}
    }
    let whole = if begun { ordered.context(CUT) } else { ordered };
    let Some(ordered) = whole? else { return Ok(ExitCode::SUCCESS) };
    let Ordered::Exported { punches } = ordered else { bail!("that is no answer to an export") };
    eprintln!("{punches} punches");
    Ok(ExitCode::SUCCESS)
}
