//! `changtong order`: an order that was saved with `--save` is passed from desk to desk as a file until it has the signatures that it
//! needs, and is given from any desk. Each operator sees the order before signing; the file has no effect without signatures.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use registry::operator::ORDER_S_MAX;

use super::Desk;
use super::saved::Saved;
use crate::operator::orders::{self, Progress};
use crate::out::{self, note, say};

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
                let saved = Saved::read(&file)?;
                if desk.json && saved.is_csv() {
                    bail!(
                        "{} is an export that was saved as CSV, which --json cannot print: leave --json out, or save another one with \
                         `changtong ledger export --json --save FILE`",
                        file.display()
                    );
                }
                let act = saved.order.act.clone();
                return orders::print_answer(&act, desk.send(saved, &mut told)?, desk.json);
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
