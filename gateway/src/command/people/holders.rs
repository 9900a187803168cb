//! `changtong holders`: people who already hold an electronic access code need not apply again.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::holders::{self, ImportReport};
use anyhow::{Context, bail};

use crate::command::desk::Desk;
use crate::command::desk::template;
use crate::operator::orders::{self, ImportHolders, Progress};
use crate::out::{self, note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Imports a CSV file of people, as a spreadsheet saves it; `--template` makes one and says what its columns hold. The QR text that a
    /// person has keeps working. A file that sets yellow or red takes two operators. An import that was cut goes on when it is started
    /// again with the same file; one that is over brings in whom it rejected, if the reason is gone. Who is there already is counted and
    /// not changed; a line that says something else than the record is named with the columns that differ, and not with what is on
    /// record. Exits with 1 when there are such lines, or rejected ones.
    Import {
        /// The file, on the gateway's machine, where the gateway's user may read it.
        file: PathBuf,
        /// Writes an empty table to the file, for a spreadsheet, and says what its columns hold.
        #[arg(long)]
        template: bool,
        /// Shows what an import would do, and changes nothing.
        #[arg(long)]
        dry_run: bool,
        /// The place where lines that are wrong are named at this desk, with the reason; beside the file if not given.
        #[arg(long)]
        rejects: Option<PathBuf>,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Import { file, template, dry_run, rejects, desk } = self;
        if template {
            return template::write(holders::FORM, &file, desk.json);
        }
        let csv = file.canonicalize().with_context(|| format!("reading {}", file.display()))?;
        let mut rejects = Rejects::new(rejects.unwrap_or_else(|| file.with_extension("rejects.csv")))?;
        let sha256 = holders::sha256(&csv)?;
        let order = ImportHolders { csv, sha256, dry_run };
        let mut tell = |done: &Progress| {
            if let Progress::Importing(report) = done {
                out::progress(format_args!(
                    "{:>3} %  {} people, {} lines rejected",
                    percent(report),
                    report.people,
                    report.rejected
                ));
            } else if let Progress::Rejects(text) = done {
                rejects.text.push_str(text);
            }
            true
        };
        let Some(report) = desk.call_telling(order, &mut tell)? else { return Ok(ExitCode::SUCCESS) };
        note!("");
        rejects.write()?;
        if desk.json {
            orders::show_json::<ImportHolders>(&report)?;
        } else {
            show(&report, &rejects.path, dry_run);
        }
        Ok(orders::exit_code::<ImportHolders>(&report))
    }
}

/// The lines that the gateway rejected, and the file that they go to at this desk.
struct Rejects {
    path: PathBuf,
    /// Line numbers and reasons; a file of the whole city that is wrong in every line is a hundred megabytes.
    text: String,
}

impl Rejects {
    /// Refuses to write over something else than rejects, before anything is ordered.
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        let holds = |text: &[u8]| text.is_empty() || text.starts_with(b"line,reason\n");
        match std::fs::read(&path) {
            Ok(text) if !holds(&text) => bail!("{} exists and is no reject file", path.display()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        }
        Ok(Self { path, text: String::new() })
    }

    fn write(&self) -> anyhow::Result<()> {
        if self.text.is_empty() {
            // What an earlier try rejected is mended.
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("removing {}", self.path.display()))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        std::fs::write(&self.path, &self.text).with_context(|| format!("writing {}", self.path.display()))
    }
}

fn percent(report: &ImportReport) -> u64 {
    report.bytes_done * 100 / report.bytes.max(1)
}

/// Prints what an import did, or would do.
fn show(report: &ImportReport, rejects: &Path, dry_run: bool) {
    let differing = match report.differing {
        0 => String::new(),
        differing => format!(", {differing} there with other values and not changed"),
    };
    say!(
        "{} people {}, {} already there and not changed{differing}, {} lines rejected",
        report.people,
        if dry_run { "would be imported" } else { "imported" },
        report.known,
        report.rejected
    );
    if report.differing > 0 {
        say!(
            "{} names the lines that say something else than the record, and what; an import changes nobody who is there",
            rejects.display()
        );
    }
    if report.rejected > 0 {
        say!(
            "the rejected lines are named in {}; correct them in a file of their own and import that",
            rejects.display()
        );
    }
}
