//! `dashboards`: writes the Prometheus rules, the Grafana dashboards and the table of bounds from the definitions in `protocol`, `alerts` and
//! `actors`. The files are checked in; tests compare them with what would be written.

mod bounds;
mod grafana;
mod rules;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

/// Writes what Prometheus and Grafana read, and the table of bounds, from the definitions in the program.
#[derive(clap::Parser)]
#[command(name = "dashboards", version, about)]
enum Cli {
    /// Writes the recording rules and the alerts.
    Rules {
        /// The directory to write to.
        #[arg(long, default_value = "dashboards/rules")]
        out: PathBuf,
        /// The beginning of links to runbooks: the address at which you publish dashboards/runbooks.
        #[arg(long, default_value = alerts::RUNBOOKS)]
        runbooks: String,
    },
    /// Writes Grafana's dashboards and provisioning.
    Grafana {
        /// The directory to write to.
        #[arg(long, default_value = "dashboards/grafana")]
        out: PathBuf,
        /// The beginning of links to runbooks: the address at which you publish dashboards/runbooks.
        #[arg(long, default_value = alerts::RUNBOOKS)]
        runbooks: String,
    },
    /// Writes the table of bounds: the limits for one citizen, one phone, one address on what all share.
    Bounds {
        /// The file to write.
        #[arg(long, default_value = "gateway/BOUNDS.md")]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Rules { out, runbooks } => write(&out.join(rules::FILE), &rules::text(&runbooks)),
        Cli::Grafana { out, runbooks } => {
            grafana::files(&runbooks).iter().try_for_each(|(path, text)| write(&out.join(path), text))
        }
        Cli::Bounds { out } => write(&out, &bounds::text()),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let about = || format!("writing {}", path.display());
    path.parent().map_or(Ok(()), std::fs::create_dir_all).with_context(about)?;
    std::fs::write(path, text).with_context(about)
}
