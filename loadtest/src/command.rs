//! The commands of the load test, each with its exit code.

use bench::{floor, peers, sums};
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
    /// Run a scenario, compare the punch log with the acknowledgements, and write a report. Exit codes: 0 everything holds, 99 a
    /// threshold is broken, 98 the run is invalid, 97 a punch is lost, doubled or wrong, 2 wrong usage
    Run(run::Options),
    /// Raise the rate until a threshold of the scenario breaks, and report the highest rate that holds
    FindLimit(limit::Options),
    /// Run a drill: one fault with its expected result
    Drill {
        /// Name of the drill (see `loadtest list`)
        name: String,
        /// The city, the seed and the output directory
        #[command(flatten)]
        place: run::Place,
    },
    /// Write the visits of a run as CSV, without running it; the same scenario and seed give the same bytes
    Plan {
        /// Name of a scenario, or path of a file
        scenario: String,
        /// Seed: it decides which person comes where and when
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Show the scenarios and drills that come with the program
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Act as one device of any gateway: fetch its certificate with a token, punch once, show the verdict
    Device(first_punch::Options),
    /// Let devices of the running development city punch for a while, then check that nothing was lost or doubled
    Quick(quick::Options),
    /// Run raw QUIC and the running development city under the same load, in turns, and print the ratios; or two gateway programs
    Floor(floor::Options),
    /// Compute cores, memory and disk of a city or a province from measured costs
    Sums(sums::Options),
    /// Compare two runs, with confidence intervals: exit code 99 if the second is worse, 98 if they cannot be compared
    Compare(compare::Options),
    /// Print the JSON schema of a run's report
    Schema,
    /// Run the running development city, raw QUIC, Redis, NATS and PostgreSQL under the same load, in turns, and compare
    Peers(peers::Options),
    /// Load a citizen's pages and a static file of the running development city, in turns, and print the ratios
    Pages(pages::Options),
}

impl Command {
    /// Runs the command and returns the exit code.
    ///
    /// # Errors
    /// The command cannot be run as given.
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
                let report = floor::run(&options, &out::beside)?;
                print::floor(&options, &report);
                return Ok(judged(report.outcome(&options)).code());
            }
            Self::Sums(options) => {
                print::sums(&options);
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

/// Returns the exit of a comparison with a goal.
const fn judged(outcome: floor::Outcome) -> Exit {
    match outcome {
        floor::Outcome::Reached => Exit::Pass,
        floor::Outcome::Missed => Exit::Threshold,
        floor::Outcome::Unknown => Exit::Invalid,
    }
}

/// Prints the result of a run and returns the exit code.
fn finished(finished: &Finished) -> u8 {
    report::scenario::print(&finished.report, &finished.files);
    finished.report.verdict.code
}
