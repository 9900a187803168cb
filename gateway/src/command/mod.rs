//! What operators do beside running the gateway.

mod device;
mod keys;
mod ledger;

use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Enrols, renews, revokes and lists devices.
    Device(device::Device),
    /// Checks or exports the punch log.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Makes, rotates and lists secret keys.
    #[command(subcommand)]
    Keys(keys::Command),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Device(device) => device.run(),
            Self::Ledger(command) => command.run(),
            Self::Keys(command) => command.run(),
        }
    }
}
