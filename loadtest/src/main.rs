//! The command line of the load test.

use std::process::ExitCode;

use clap::Parser;
use loadtest::outcome::Exit;
use loadtest::plan::Plan;
use loadtest::{floor, limit, pages, quick, report, run, scenario};

/// What is asked cannot be done: nothing is said about the gateway.
const USAGE: u8 = 2;

/// Simulated checkpoint devices for Changtong Gateway.
#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Run a scenario, prove what came of it, and write a report; exit code 0 holds, 99 a threshold broke, 98 the run is
    /// invalid, 97 a promise was broken, 2 asked wrongly
    Run(run::Options),
    /// Raise the rate until a threshold of the scenario breaks, and report the knee
    FindLimit(limit::Options),
    /// Run one fault with its expected result
    Drill {
        /// Which (`loadtest list`)
        name: String,
        /// Where and how
        #[command(flatten)]
        place: run::Place,
    },
    /// Write what a run would offer as CSV, without running it: the same scenario and seed give the same bytes
    Plan {
        /// A scenario's name, or a file's path
        scenario: String,
        /// Chooses who comes where and when
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Show the scenarios that come with the program
    List,
    /// Let devices of the running development city punch for a while, then prove that nothing was lost or doubled
    Quick(quick::Options),
    /// Run raw QUIC and the running development city under the same load, in turns, and print the ratios
    Floor(floor::Options),
    /// Load a citizen's pages and a static file of the running development city, in turns, and print the ratios
    Pages(pages::Options),
}

fn main() -> ExitCode {
    match carry_out(Command::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

/// How it ends: 0, or what kind of failure it was.
fn carry_out(command: Command) -> anyhow::Result<u8> {
    let held = match command {
        Command::Run(options) => {
            let finished = run::run(&options)?;
            println!("{:?}", finished.report.verdict);
            return Ok(finished.report.verdict.code);
        }
        Command::FindLimit(options) => {
            let (limit, folder) = limit::find(&options, report::limit_step)?;
            report::limit(&limit, &folder);
            return Ok(limit.exit().code());
        }
        Command::Drill { name, place } => {
            let finished = run::drill(&name, &place)?;
            println!("{:?}", finished.report.verdict);
            return Ok(finished.report.verdict.code);
        }
        Command::Plan { scenario, seed } => {
            report::plan(Plan::new(&scenario::load(&scenario)?, seed))?;
            true
        }
        Command::List => {
            report::list(scenario::SHIPPED);
            true
        }
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
    };
    Ok(if held { 0 } else { Exit::Correctness.code() })
}
