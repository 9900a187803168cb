//! `changtong check-config`: everything that `serve` would refuse, with its line; with `--online` what the machine and the network
//! say as well.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::config::{self, Fault, Refused};
use crate::finding::{self, Finding, State};
use crate::{cli, probes};

#[derive(clap::Args)]
pub(crate) struct CheckConfig {
    /// The configuration file.
    file: PathBuf,
    /// Also asks carriers and the message service, tries the ports, and times syncs in the data directory.
    #[arg(long)]
    online: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    faults: Vec<Fault>,
    probes: Vec<Finding>,
}

impl CheckConfig {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (faults, probes) = match config::load(&self.file) {
            Ok(config) => {
                let online = if self.online { probes::all(&config.settings) } else { Vec::new() };
                (Vec::new(), probes::operators(&config.settings).into_iter().chain(online).collect())
            }
            Err(Refused { faults, .. }) => (faults, Vec::new()),
        };
        let good = faults.is_empty() && finding::worst(&probes) < State::Fail;
        let report = Report { file: self.file, faults, probes };
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            show(&report);
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(cli::EXIT_USAGE) })
    }
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn show(Report { file, faults, probes }: &Report) {
    for Fault { line, what } in faults {
        println!("{}:{line}: {what}", file.display());
    }
    match faults.len() {
        0 => println!("{}: a gateway would start with it.", file.display()),
        1 => println!("1 fault."),
        many => println!("{many} faults."),
    }
    finding::show(probes);
}
