//! `changtong check-config`: everything that `serve` would refuse, with its line; with `--online` what the machine and the network
//! say as well.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::check;
use crate::command::running::findings;
use crate::config::named;
use crate::config::{Fault, Refused};
use crate::diagnosis::probes;
use crate::ending::EXIT_USAGE;
use crate::finding::{self, Finding, State};
use crate::out::{note, say};

#[derive(clap::Args)]
pub(crate) struct CheckConfig {
    /// The configuration file; the same as --config.
    file: Option<PathBuf>,
    /// The configuration file; without either the one that CHANGTONG_CONFIG in the environment names.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Also asks carriers and the message service, tries the ports, and times syncs in the data directory.
    #[arg(long)]
    online: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// The output for programs.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    faults: Vec<Fault>,
    probes: Vec<Finding>,
}

impl CheckConfig {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = named::config_file(self.file.or(self.config).as_deref())?;
        let (faults, probes) = match check::load(&file) {
            Ok(config) => {
                let online = if self.online { probes::all(&config.settings) } else { Vec::new() };
                (Vec::new(), probes::operators(&config.settings).into_iter().chain(online).collect())
            }
            Err(Refused { faults, .. }) => (faults, Vec::new()),
        };
        let good = faults.is_empty() && finding::worst(&probes) < State::Fail;
        let report = Report { file, faults, probes };
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        } else {
            show(&report);
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) })
    }
}

fn show(Report { file, faults, probes }: &Report) {
    for Fault { line, what } in faults {
        say!("{}:{line}: {what}", file.display());
    }
    match faults.len() {
        0 => {
            say!("{}: a gateway would start with it.", file.display());
            note!("next: changtong serve, and beside it changtong status --wait 60");
        }
        1 => say!("1 fault."),
        many => say!("{many} faults."),
    }
    findings::show(probes);
}
