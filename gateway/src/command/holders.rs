//! `changtong holders`: people who already hold an electronic access code need not apply again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::holders::{self, ImportReport};
use anyhow::Context;

use super::desk::{Desk, show_json};
use crate::admin::Done;
use crate::orders::{Ordered, OrderedAct};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Imports a CSV file with the header name,document_kind,document,phone,district,colour,basis,until,qr_text. The QR text that a
    /// person has keeps working. A file that sets yellow or red takes two operators. An import that was cut goes on when it is started again with the same file.
    Import {
        /// The file, on the gateway's machine.
        file: PathBuf,
        /// Where lines that are wrong are named, with the reason; beside the file if not given.
        #[arg(long)]
        rejects: Option<PathBuf>,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Import { file, rejects, desk } = self;
        let csv = file.canonicalize().with_context(|| format!("reading {}", file.display()))?;
        let rejects = rejects.unwrap_or_else(|| file.with_extension("rejects.csv"));
        let rejects = std::path::absolute(&rejects)?;
        let sha256 = holders::sha256(&csv)?;
        let act = OrderedAct::ImportHolders { csv, sha256, rejects: rejects.clone() };
        let mut tell = |done: &Done| {
            if let Done::Importing(report) = done {
                eprint!(
                    "\r{:>3} %  {} people, {} lines rejected",
                    percent(report),
                    report.people,
                    report.rejected
                );
            }
            true
        };
        let ordered = desk.call_telling(&act, &mut tell)?;
        eprintln!();
        show(&ordered, &rejects, desk.json)
    }
}

fn percent(report: &ImportReport) -> u64 {
    report.bytes_done * 100 / report.bytes.max(1)
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn show(ordered: &Ordered, rejects: &Path, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        show_json(ordered)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Ordered::Imported(report) = ordered else { anyhow::bail!("that is no answer to an import") };
    println!("{} people imported, {} lines rejected", report.people, report.rejected);
    if report.rejected > 0 {
        println!(
            "the rejected lines are named in {}; correct them in a file of their own and import that",
            rejects.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
