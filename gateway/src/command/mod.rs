//! What operators do beside running the gateway.

mod device;
mod holders;
mod keys;
mod ledger;
mod policy;

use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Enrols, renews, revokes and lists devices.
    Device(device::Device),
    /// Checks or exports the punch log.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Brings in people who already hold a code.
    #[command(subcommand)]
    Holders(holders::Command),
    /// Makes, rotates and lists secret keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Checks the dated rules: where a stay counts, and what each cause gives.
    #[command(subcommand)]
    Policy(policy::Command),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Device(device) => device.run(),
            Self::Ledger(command) => command.run(),
            Self::Holders(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::Policy(command) => command.run(),
        }
    }
}
