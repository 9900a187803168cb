//! `changtong appeal`: what citizens appeal against, and the answers of the authority that set the cause.

use std::process::ExitCode;

use crate::command::desk::Desk;
use crate::operator::orders::{AnswerAppeal, ListAppeals};

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
        match self {
            Self::List { desk } => desk.give(ListAppeals {}),
            Self::Answer { appeal, grant, refuse: _, text, desk } => {
                desk.give(AnswerAppeal { appeal, granted: grant, text })
            }
        }
    }
}
