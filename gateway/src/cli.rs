//! The command line: what there is to say, and who does it. Nothing is done here.

use std::process::ExitCode;

use crate::command;

/// Something that was given is wrong: a flag, a file, a key. The same as clap's own.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Changtong Gateway: checkpoint devices stream punches over QUIC, each gets a durable verdict.
#[derive(clap::Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Operator(command::Command),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(Command::Operator(command)) => command.run(),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
