//! `changtong generate`: files that are written from the names in `protocol`, so that a metric that is renamed breaks the build and
//! not an alert. They are checked in; a test says if they differ. What Prometheus does with them is elsewhere.

mod alerts;
mod objectives;
mod rules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

#[derive(clap::Subcommand)]
pub(crate) enum Generate {
    /// Writes the recording rules and the alerts.
    Rules {
        /// The directory to write to.
        #[arg(long, default_value = "dashboards/rules")]
        out: PathBuf,
        /// What links to runbooks begin with: where you publish dashboards/runbooks.
        #[arg(long, default_value = rules::RUNBOOKS)]
        runbooks: String,
    },
}

impl Generate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Rules { out, runbooks } => write(&out.join(rules::FILE), &rules::text(&runbooks))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let about = || format!("writing {}", path.display());
    path.parent().map_or(Ok(()), std::fs::create_dir_all).with_context(about)?;
    std::fs::write(path, text).with_context(about)
}
