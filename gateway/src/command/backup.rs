//! `changtong backup` and `changtong restore`: a copy of the punch log and the registry while the gateway runs, and how it comes
//! back. Keys are no part of it.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::backup;
use actors::clock;
use actors::keys::Keys;
use anyhow::{Context, bail};

use super::desk::{Desk, show_json};
use crate::config::RETENTION_DAYS;
use crate::orders::{Ordered, OrderedAct};
use crate::owner;

#[derive(clap::Args)]
pub(crate) struct Backup {
    /// A directory of the gateway's machine that is not there yet. A gateway under systemd has a /tmp of its own; its package makes
    /// /var/backups/changtong for backups.
    #[arg(long)]
    out: PathBuf,
    /// The case that the backup is for; everybody is in it, so everybody sees it among who looked.
    #[arg(long)]
    case: String,
    #[command(flatten)]
    desk: Desk,
}

impl Backup {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let out =
            std::path::absolute(&self.out).with_context(|| format!("{} is no path", self.out.display()))?;
        let ordered = self.desk.call(&OrderedAct::Backup { out, case: self.case })?;
        let Some(ordered) = ordered else { return Ok(ExitCode::SUCCESS) };
        if self.desk.json {
            show_json(&ordered)?;
        } else {
            show(&ordered)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn show(ordered: &Ordered) -> anyhow::Result<()> {
    let Ordered::Backup { out, lsn, decisions, files, bytes } = ordered else {
        bail!("that is no answer to a backup")
    };
    println!(
        "{} holds {files} files, {bytes} bytes: punches up to LSN {lsn}, {decisions} decisions.",
        out.display()
    );
    println!(
        "It opens with this gateway's keys alone, which are not in it: keep them in a safe, apart from it."
    );
    Ok(())
}

#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// The new data directory; it is not there yet, or empty.
    #[arg(long)]
    data: PathBuf,
    /// The gateway's keys.
    #[arg(long)]
    keys: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Restore {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // What is not there yet becomes root's, and is given to the gateway's user as a whole.
        owner::refuse_root(&self.data)?;
        let keys = Keys::load(&self.keys)?;
        let (now_ms, keys) = (clock::now_ms(), (&keys, self.keys.as_path()));
        let restored = backup::restore(&self.from, &self.data, keys, RETENTION_DAYS, now_ms)?;
        if self.json {
            println!("{}", serde_json::to_string(&restored)?);
            return Ok(ExitCode::SUCCESS);
        }
        let (ledger, audit) = (&restored.ledger, &restored.audit);
        println!(
            "{} is restored; the punch log is sound, decisions are as they were made.",
            self.data.display()
        );
        for (name, number) in [
            ("files, digests checked", restored.files as u64),
            ("last LSN", ledger.last_lsn),
            ("punches", ledger.punches),
            ("forgotten batches", ledger.forgotten_batches),
            ("decisions", audit.decisions),
        ] {
            println!("  {name:<24}{number:>12}");
        }
        if !restored.forgotten.is_empty() {
            println!("Forgotten since the backup was made: {}.", restored.forgotten.join(", "));
        }
        println!(
            "The registry is as of then: decisions since are missing, to be made anew. Who withdrew since is taken out again, as far as"
        );
        println!(
            "these keys' directory has it on record; if it came from the safe, take out whoever withdrew after that copy."
        );
        println!(
            "Devices send what they were not acknowledged; what came after the backup and was acknowledged is lost,"
        );
        println!("and each device that says so at its next hello is counted.");
        Ok(ExitCode::SUCCESS)
    }
}
