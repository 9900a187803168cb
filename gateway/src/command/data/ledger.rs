//! `changtong ledger`: reads the punch log, whether a gateway runs on it or not.

use std::process::ExitCode;

use anyhow::{Context, bail};
use keys::Keys;
use ledger::VerifyReport;

use crate::across::Away;
use crate::across::punches::Share;
use crate::command::desk::Desk;
use crate::command::moment::moment;
use crate::config::Settings;
use crate::config::named::At;
use crate::host::vouching;
use crate::operator::orders::{ExportLedger, Progress, PunchFormat, exit_code};
use crate::operator::{self, Act, Done};
use crate::out::{self, note, say};

/// Of an export that stops before its end.
const CUT: &str = "the export is not whole, its end is missing: throw it away, and export to a file, which keeps the gateway \
                   waiting for nobody";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads everything and checks checksums, digests, seals, order and the deletion records' signatures, and that the log is the one
    /// that the registry beside it knows.
    Verify {
        #[command(flatten)]
        at: At,
        /// The logs of all gateways of the fleet, each by its own gateway. Exit code 1 if one is away or its log is damaged, which is named.
        #[arg(long)]
        fleet: bool,
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
        /// The way in which a punch is written; csv if not given, and jsonl for programs.
        #[arg(long, value_enum)]
        format: Option<PunchFormat>,
        /// Only punches that the gateway received from then on: 2020-02-20T08:00 of the city, or with an offset.
        #[arg(long, value_parser = moment)]
        from: Option<u64>,
        /// Only punches that it received until then.
        #[arg(long, value_parser = moment)]
        to: Option<u64>,
        /// The punches of all gateways of the fleet: each once, with the gateway whose log holds it. Exit code 1 if a gateway is away, which
        /// is named.
        #[arg(long)]
        fleet: bool,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { at, fleet: true, json } => verify_fleet(&at, json),
            Self::Verify { at, fleet: false, json } => verify(&at, json),
            Self::Export { case, desk, format, from, to, fleet } => {
                let format = PunchFormat::chosen(format, desk.json)?;
                export(ExportLedger { case, format, from_ms: from, to_ms: to, fleet }, &desk)
            }
        }
    }
}

fn verify(at: &At, json: bool) -> anyhow::Result<ExitCode> {
    let named = at.find()?;
    named.there()?;
    let (data, keys) = (&named.data, named.keys()?);
    let public_key = Keys::load(&keys)?.signing_public();
    let report = ledger::verify(&Settings::ledger_path(data), &Keys::days(&keys), &public_key)?;
    vouching::look(data, &keys)
        .context("every batch that is there is sound; but the log and the registry do not belong together")?;
    if json {
        say!("{}", serde_json::to_string(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    say!("The punch log is sound.");
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
        say!("  {name:<24}{number:>12}");
    }
    Ok(ExitCode::SUCCESS)
}

fn verify_fleet(at: &At, json: bool) -> anyhow::Result<ExitCode> {
    let Done::Logs(logs) = operator::call(&at.find()?, &Act::VerifyLogs, &mut |_| true)? else {
        bail!("that is no answer about logs")
    };
    let is_whole = logs.not_verified.is_empty();
    if json {
        say!("{}", serde_json::to_string(&logs)?);
        return Ok(ExitCode::from(u8::from(!is_whole)));
    }
    for (gateway, report) in &logs.sound {
        let VerifyReport { batches, last_lsn, punches, lost, .. } = report;
        say!("{gateway}: sound, {batches} batches up to LSN {last_lsn}, {punches} punches, {lost} lost");
    }
    for Away { gateway, why } in &logs.not_verified {
        say!("{gateway}: NOT VERIFIED: {why}");
    }
    Ok(ExitCode::from(u8::from(!is_whole)))
}

fn export(order: ExportLedger, desk: &Desk) -> anyhow::Result<ExitCode> {
    let (mut read, mut begun) = (true, false);
    let mut tell = |done: &Progress| {
        if let Progress::Exported(text) = done {
            begun = true;
            read = out::text(text);
        }
        read
    };
    let exported = desk.call_telling(order, &mut tell);
    if !read {
        return Ok(ExitCode::SUCCESS);
    }
    let whole = if begun { exported.context(CUT) } else { exported };
    let Some(exported) = whole? else { return Ok(ExitCode::SUCCESS) };
    note!("{} punches", exported.punches);
    let shares = exported.fleet.as_ref();
    for Share { gateway, punches, repeated } in shares.iter().flat_map(|shares| &shares.gateways) {
        note!("  {gateway}: {punches}, and {repeated} that are in another log, too");
    }
    for away in shares.iter().flat_map(|shares| &shares.away) {
        note!("{}", away.line("Punches"));
    }
    Ok(exit_code::<ExportLedger>(&exported))
}
