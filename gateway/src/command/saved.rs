//! `changtong order`: an order that was saved with `--save` goes from desk to desk as a file, until as many have signed it as it
//! takes, and is given from any of them. Whoever signs sees what they sign; the file itself is worth nothing without signatures.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use registry::operator::{ORDER_S_MAX, OperatorKey, Order, Signature};
use serde::{Deserialize, Serialize};

use super::desk::{Desk, show_json};
use super::{appeal, backup, clock, device, order, place, punches, reload, staff};
use crate::operator::orders::Progress;
use crate::operator::orders::{self, Ordered};
use crate::out::{self, note, say};

/// More than the admin socket takes in one line.
const FILE_BYTES_MAX: u64 = 256 * 1024;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows what a saved order says, and who has signed it.
    Show {
        /// The file.
        file: PathBuf,
    },
    /// Shows a saved order and adds signatures to it. Needs no gateway: do it at your own desk.
    Sign {
        /// The file.
        file: PathBuf,
        /// Your key file.
        #[arg(long, required = true)]
        sign: Vec<PathBuf>,
    },
    /// Gives a saved order to its gateway, which carries it out.
    Send {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        desk: Desk,
    },
}

/// An order and the signatures under it, as they stand in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) order: Order,
    pub(crate) signatures: Vec<Signature>,
}

impl Saved {
    pub(crate) const fn new(order: Order) -> Self {
        Self { order, signatures: Vec::new() }
    }

    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let doing = || format!("reading {}", file.display());
        if std::fs::metadata(file).with_context(doing)?.len() > FILE_BYTES_MAX {
            bail!("{} is no saved order: it is too long", file.display());
        }
        let text = std::fs::read_to_string(file).with_context(doing)?;
        serde_json::from_str(&text).with_context(|| format!("{} is no saved order", file.display()))
    }

    /// Adds a signature with the key of that file.
    pub(crate) fn sign(&mut self, key: &Path) -> anyhow::Result<()> {
        let signature = OperatorKey::load(key)?.sign(&self.order);
        self.signatures.retain(|other| other.operator != signature.operator);
        self.signatures.push(signature);
        Ok(())
    }

    /// Writes it to a file that is not there yet, for its owner alone: it may name people.
    pub(crate) fn write_new(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let mut opened = opened.with_context(|| format!("making {}", file.display()))?;
        let written = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
        written.with_context(|| format!("writing {}", file.display()))
    }

    /// Writes it instead of what the file holds, whole or not at all.
    fn write_again(&self, file: &Path) -> anyhow::Result<()> {
        let mut fresh = file.as_os_str().to_owned();
        fresh.push(".signing");
        let fresh = PathBuf::from(fresh);
        self.write_new(&fresh)?;
        std::fs::rename(&fresh, file).with_context(|| format!("writing {}", file.display()))
    }
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Show { file } => show_saved(&Saved::read(&file)?)?,
            Self::Sign { file, sign } => {
                let mut saved = Saved::read(&file)?;
                for key in &sign {
                    saved.sign(key)?;
                }
                saved.write_again(&file)?;
                show_saved(&saved)?;
            }
            Self::Send { file, desk } => {
                let ordered = desk.send(Saved::read(&file)?, &mut told)?;
                if desk.json {
                    show_json(&ordered)?;
                } else {
                    show(&ordered)?;
                }
                if let Ordered::Imported(report) = &ordered
                    && report.rejected + report.differing > 0
                {
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints what comes before the end: verdicts as for programs and an export's punches; beside it, an import's rejects.
fn told(done: &Progress) -> bool {
    if let Progress::Tapped(tapped) = done {
        for line in &tapped.lines {
            say!("{}", serde_json::to_string(line).expect("texts and numbers"));
        }
    } else if let Progress::Exported(text) = done {
        return out::text(text);
    } else if let Progress::Rejects(text) = done {
        note!("{}", text.trim_end());
    }
    true
}

fn show_saved(Saved { order, signatures }: &Saved) -> anyhow::Result<()> {
    let act: serde_json::Value = serde_json::from_str(&order.act).context("it holds no act")?;
    say!("{}", serde_json::to_string_pretty(&act)?);
    say!("for gateway {}", order.gateway);
    say!("given {}, good until {}", orders::time(order.at_s), orders::time(order.at_s + ORDER_S_MAX));
    let names: Vec<&str> = signatures.iter().map(|signature| signature.operator.as_str()).collect();
    say!("signed by {}", if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") });
    Ok(())
}

/// Shows what became of it, as the command does that orders it.
fn show(ordered: &Ordered) -> anyhow::Result<()> {
    match ordered {
        Ordered::Operator(_)
        | Ordered::Operators(_)
        | Ordered::Cause { .. }
        | Ordered::Causes { .. }
        | Ordered::Found(_)
        | Ordered::Moved { .. }
        | Ordered::Seen { .. }
        | Ordered::Cleared { .. }
        | Ordered::Why(_)
        | Ordered::Policy { .. }
        | Ordered::Accesses(_)
        | Ordered::Contact(_) => order::show(ordered, false).map(drop),
        Ordered::Devices(_) | Ordered::Token { .. } | Ordered::Enrolled { .. } | Ordered::Revoked { .. } => {
            device::show(ordered, false)
        }
        Ordered::Places(_) | Ordered::Units(_) => place::show(ordered),
        Ordered::Invitation(_) | Ordered::Shifts(_) => staff::show(ordered),
        Ordered::Appeals(_) | Ordered::Answered { .. } => appeal::show(ordered),
        Ordered::Backup { .. } => backup::show(ordered),
        Ordered::Passages(report) => {
            punches::show(report);
            Ok(())
        }
        Ordered::Reloaded(reloaded) => {
            reload::show(reloaded);
            Ok(())
        }
        Ordered::Believed { .. } => clock::show_believed(ordered, false),
        Ordered::Imported(_) | Ordered::Tapped { .. } | Ordered::Exported { .. } | Ordered::Stores { .. } => {
            show_json(ordered)
        }
    }
}
