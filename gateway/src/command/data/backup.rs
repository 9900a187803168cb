//! `changtong backup` and `changtong restore`: a copy of the punch log and the registry while the gateway runs, and how it comes
//! back. Keys are no part of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::backup::{self, Restored};
use anyhow::Context;
use keys::Keys;
use runtime::clock;

use crate::command::desk::Desk;
use crate::config::RETENTION_DAYS;
use crate::config::named::At;
use crate::host::owner;
use crate::operator::orders;
use crate::out::say;

#[derive(clap::Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Backup {
    #[command(subcommand)]
    command: Option<Command>,
    /// A directory of the gateway's machine that is not there yet. A gateway under systemd has a /tmp of its own; its package makes
    /// /var/backups/changtong for backups.
    #[arg(long, required = true)]
    out: Option<PathBuf>,
    /// The case that the backup is for; everybody is in it, so everybody sees it among who looked.
    #[arg(long, required = true)]
    case: Option<String>,
    #[command(flatten)]
    desk: Desk,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Reads a backup where it lies, as a restore would, and writes nothing: every digest, the whole punch log, every decision and order.
    Verify {
        /// The backup.
        #[arg(long)]
        from: PathBuf,
    },
}

impl Backup {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(Command::Verify { from }) = self.command {
            return verify(&from, &self.desk);
        }
        let (out, case) = (self.out.unwrap_or_default(), self.case.unwrap_or_default());
        let out = std::path::absolute(&out).with_context(|| format!("{} is no path", out.display()))?;
        self.desk.give(orders::Backup { out, case })
    }
}

fn verify(from: &Path, Desk { at, json, .. }: &Desk) -> anyhow::Result<ExitCode> {
    let directory = at.keys()?;
    let keys = Keys::load(&directory)?;
    let read = backup::verify(from, (&keys, &directory), RETENTION_DAYS, clock::now_ms())?;
    if *json {
        say!("{}", serde_json::to_string(&read)?);
        return Ok(ExitCode::SUCCESS);
    }
    say!("{} is as it was made on {}, and opens with these keys.", from.display(), orders::time(read.made_s));
    show_restored(&read);
    Ok(ExitCode::SUCCESS)
}

fn show_restored(Restored { files, ledger, audit, forgotten, .. }: &Restored) {
    for (name, number) in [
        ("files, digests checked", *files as u64),
        ("last LSN", ledger.last_lsn),
        ("punches", ledger.punches),
        ("forgotten batches", ledger.forgotten_batches),
        ("decisions", audit.decisions),
    ] {
        say!("  {name:<24}{number:>12}");
    }
    if !forgotten.is_empty() {
        say!("Forgotten since the backup was made: {}.", forgotten.join(", "));
    }
}

#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// Its data are the new directory, which is not there yet, or empty.
    #[command(flatten)]
    at: At,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (data, directory) = (self.at.find()?.data, self.at.keys()?);
        // What is not there yet becomes root's, and is given to the gateway's user as a whole.
        owner::refuse_root(&data)?;
        let keys = Keys::load(&directory)?;
        let (now_ms, keys) = (clock::now_ms(), (&keys, directory.as_path()));
        let restored = backup::restore(&self.from, &data, keys, RETENTION_DAYS, now_ms)?;
        if self.json {
            say!("{}", serde_json::to_string(&restored)?);
            return Ok(ExitCode::SUCCESS);
        }
        say!("{} is restored; the punch log is sound, decisions are as they were made.", data.display());
        show_restored(&restored);
        say!(
            "The registry is as of then: decisions since are missing, to be made anew. Who withdrew since is taken out again, as far as"
        );
        say!(
            "these keys' directory has it on record; if it came from the safe, take out whoever withdrew after that copy."
        );
        say!(
            "Devices send what they were not acknowledged; what came after the backup and was acknowledged is lost,"
        );
        say!("and each device that says so at its next hello is counted.");
        Ok(ExitCode::SUCCESS)
    }
}
