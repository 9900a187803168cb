//! `changtong appeal`: what citizens appeal against, and the answers of the authority that set the cause.

use std::process::ExitCode;

use anyhow::bail;

use super::desk::{Desk, show_json};
use crate::operator::orders::{self, Ordered, OrderedAct};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// The open appeals that went to the operator's authority, the most urgent first. Recorded as an access.
    List {
        #[command(flatten)]
        desk: Desk,
    },
    /// Answers one; the operator's name stands under it. Granting clears the cause, and no other.
    Answer {
        /// Its number.
        appeal: i64,
        /// The cause is cleared.
        #[arg(long, required_unless_present = "refuse")]
        grant: bool,
        /// The cause stays.
        #[arg(long, conflicts_with = "grant")]
        refuse: bool,
        /// The answer to the citizen.
        #[arg(long)]
        text: String,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (desk, act) = match self {
            Self::List { desk } => (desk, OrderedAct::ListAppeals),
            Self::Answer { appeal, grant, refuse: _, text, desk } => {
                (desk, OrderedAct::AnswerAppeal { appeal, granted: grant, text })
            }
        };
        let Some(ordered) = desk.call(&act)? else { return Ok(ExitCode::SUCCESS) };
        if desk.json {
            show_json(&ordered)?
        } else {
            show(&ordered)?
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) fn show(ordered: &Ordered) -> anyhow::Result<()> {
    if let Ordered::Answered { appeal, code, colour } = ordered {
        say!("Appeal {appeal} is answered: code {code} is now {colour}.");
        return Ok(());
    }
    let Ordered::Appeals(appeals) = ordered else { bail!("that is no answer to an appeal command") };
    say!("{} open", appeals.len());
    for line in appeals {
        let (made, due) = (orders::day(line.made_s), orders::day(line.due_s));
        say!("  appeal {:<6}decision {:<6}made {made}, due {due}", line.appeal, line.decision);
        line.text.lines().for_each(|text| say!("    {text}"));
    }
    Ok(())
}
