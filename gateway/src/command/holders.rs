//! `changtong holders`: people who already hold an electronic access code need not apply again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::holders::ImportReport;
use anyhow::Context;

use crate::admin::{self, Act, Done};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Imports a CSV file with the header name,document_kind,document,phone,district,colour,basis,until,qr_text. The QR text that a
    /// person has keeps working. An import that was cut goes on when it is started again with the same file.
    Import {
        /// The file, on the gateway's machine.
        file: PathBuf,
        /// Where lines that are wrong are named, with the reason; beside the file if not given.
        #[arg(long)]
        rejects: Option<PathBuf>,
        /// The gateway's data.
        #[arg(long, default_value = "./changtong-data")]
        data: PathBuf,
        /// The gateway's keys; of a development city, those in its data. Needed only when no gateway runs.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Import { file, rejects, data, keys, json } = self;
        let csv = file.canonicalize().with_context(|| format!("reading {}", file.display()))?;
        let rejects = rejects.unwrap_or_else(|| file.with_extension("rejects.csv"));
        let rejects = std::path::absolute(&rejects)?;
        let keys = keys.unwrap_or_else(|| data.join("keys"));
        let act = Act::ImportHolders { csv, rejects: rejects.clone() };
        let mut tell = |done: &Done| {
            if let Done::Importing(report) = done {
                eprint!(
                    "\r{:>3} %  {} people, {} lines rejected",
                    percent(report),
                    report.people,
                    report.rejected
                );
            }
        };
        let done = admin::call(&data, &keys, &act, &mut tell)?;
        eprintln!();
        show(&done, &rejects, json)
    }
}

fn percent(report: &ImportReport) -> u64 {
    report.bytes_done * 100 / report.bytes.max(1)
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn show(done: &Done, rejects: &Path, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(done)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Done::Imported(report) = done else { anyhow::bail!("that is no answer to an import") };
    println!("{} people imported, {} lines rejected", report.people, report.rejected);
    if report.rejected > 0 {
        println!(
            "the rejected lines are named in {}; correct them in a file of their own and import that",
            rejects.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
