//! The command line of the load test.

use std::process::ExitCode;

use clap::Parser;
use loadtest::{floor, pages, peers, quick, report};

/// Simulated checkpoint devices for Changtong Gateway.
#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Let devices of the running development city punch for a while, then prove that nothing was lost or doubled
    Quick(quick::Options),
    /// Run raw QUIC and the running development city under the same load, in turns, and print the ratios
    Floor(floor::Options),
    /// Load a citizen's pages and a static file of the running development city, in turns, and print the ratios
    Pages(pages::Options),
    /// Run the running development city, raw QUIC, Redis, NATS and PostgreSQL under the same load, in turns, and compare
    Peers(peers::Options),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it must be.
fn run(command: Command) -> anyhow::Result<bool> {
    Ok(match command {
        Command::Quick(options) => {
            let outcome = quick::run(&options)?;
            report::quick(&options, &outcome);
            outcome.is_good()
        }
        Command::Floor(options) => {
            let rounds = floor::run(&options)?;
            report::floor(&options, &rounds);
            true
        }
        Command::Pages(options) => {
            let rounds = pages::run(&options)?;
            report::pages(&options, &rounds);
            rounds.iter().all(pages::Round::is_good)
        }
        Command::Peers(options) => {
            let outcome = peers::run(&options)?;
            report::peers(&options, &outcome);
            true
        }
    })
}
