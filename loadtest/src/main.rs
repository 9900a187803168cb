//! The command line of the load test.

use std::process::ExitCode;

use clap::Parser;
use loadtest::{quick, report};

/// Simulated checkpoint devices for Changtong Gateway.
#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Let devices of the running development city punch for a while, then prove that nothing was lost or doubled
    Quick(quick::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let good = match Command::parse() {
        Command::Quick(options) => {
            let outcome = quick::run(&options)?;
            report::quick(&options, &outcome);
            outcome.is_good()
        }
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
