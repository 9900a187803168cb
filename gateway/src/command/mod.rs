//! What operators do beside running the gateway.

use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {}
    }
}
