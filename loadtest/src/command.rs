//! The commands of the load test, each with its exit code. What they do stands elsewhere.

use bench::{floor, peers};
use clap::Parser;

use crate::outcome::Exit;
use crate::run::Finished;
use crate::run::limit;
use crate::scenario::plan::Plan;
use crate::{compare, out, pages, quick, report, run, scenario};

mod first_punch;
pub mod print;

/// Simulated checkpoint devices for Changtong Gateway.
#[derive(Parser)]
#[command(version, about)]
pub enum Command {
    /// Run a scenario, prove what came of it, and write a report; exit code 0 holds, 99 a threshold broke, 98 the run is
    /// invalid, 97 a promise was broken, 2 asked wrongly
    Run(run::Options),
    /// Raise the rate until a threshold of the scenario breaks, and report the knee
    FindLimit(limit::Options),
    /// Run one fault with its expected result
    Drill {
        /// Which (`loadtest list`)
        name: String,
        /// The place and the way
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
    /// Show the scenarios and drills that come with the program
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Be one device of any gateway: fetch its certificate with a token, punch once, show the verdict
    Device(first_punch::Options),
    /// Let devices of the running development city punch for a while, then prove that nothing was lost or doubled
    Quick(quick::Options),
    /// Run raw QUIC and the running development city under the same load, in turns, and print the ratios
    Floor(floor::Options),
    /// Say whether one run is better or worse than another, with its range of chance: exit code 99 if worse, 98 if they say nothing
    Compare(compare::Options),
    /// Print the JSON schema of a run's report
    Schema,
    /// Run the running development city, raw QUIC, Redis, NATS and PostgreSQL under the same load, in turns, and compare
    Peers(peers::Options),
    /// Load a citizen's pages and a static file of the running development city, in turns, and print the ratios
    Pages(pages::Options),
}

impl Command {
    /// Carries it out: the exit code.
    ///
    /// # Errors
    /// It cannot be done as it was asked.
    pub fn run(self) -> anyhow::Result<u8> {
        let held = match self {
            Self::Run(options) => return Ok(finished(&run::run(&options)?)),
            Self::Drill { name, place } => return Ok(finished(&run::drill(&name, &place)?)),
            Self::FindLimit(options) => {
                let (limit, folder) = limit::find(&options, print::limit::step)?;
                print::limit::print(&limit, &folder);
                return Ok(limit.exit().code());
            }
            Self::Compare(options) => {
                let comparison = compare::run(&options)?;
                print::compare::print(&comparison, options.json);
                return Ok(comparison.code);
            }
            Self::Plan { scenario, seed } => {
                print::plan::print(Plan::new(&scenario::load(&scenario)?, seed))?;
                true
            }
            Self::List { json } => {
                print::plan::list(scenario::SHIPPED, json)?;
                true
            }
            Self::Device(options) => {
                print::device(&options, &first_punch::run(&options)?);
                true
            }
            Self::Schema => {
                print::schema();
                true
            }
            Self::Quick(options) => {
                let outcome = quick::run(&options)?;
                print::quick(&options, &outcome);
                outcome.is_good()
            }
            Self::Floor(options) => {
                let rounds = floor::run(&options, &out::beside)?;
                print::floor(&options, &rounds);
                true
            }
            Self::Peers(options) => {
                print::peers(&options, &peers::run(&options, &out::beside)?);
                true
            }
            Self::Pages(options) => {
                let rounds = pages::run(&options)?;
                print::pages(&options, &rounds);
                rounds.iter().all(pages::Round::is_good)
            }
        };
        Ok(if held { Exit::Pass } else { Exit::Correctness }.code())
    }
}

/// Shows what came out of a run: the exit code.
fn finished(finished: &Finished) -> u8 {
    report::scenario::print(&finished.report, &finished.files);
    finished.report.verdict.code
}
