//! `changtong generate`: dashboards and rules are written from the names in `protocol`, so that a metric that is renamed breaks the
//! build and not a panel or an alert. They are checked in; a test says if they differ. What Grafana and Prometheus do with them is
//! elsewhere. Completions and manual pages come from the command line and are made when they are needed.

pub(crate) mod alerts;
mod bounds;
mod dashboard;
mod dashboards;
mod help;
mod layout;
pub(crate) mod objectives;
mod panel;
mod provisioning;
mod query;
mod rules;
mod runbook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::out;

#[derive(clap::Subcommand)]
pub(crate) enum Generate {
    /// Writes the recording rules and the alerts.
    Rules {
        /// The directory to write to.
        #[arg(long, default_value = "dashboards/rules")]
        out: PathBuf,
        /// The beginning of links to runbooks: where you publish dashboards/runbooks.
        #[arg(long, default_value = runbook::BASE)]
        runbooks: String,
    },
    /// Writes Grafana's dashboards and how Grafana finds them.
    Dashboards {
        /// The directory to write to.
        #[arg(long, default_value = "dashboards/grafana")]
        out: PathBuf,
        /// The beginning of links to runbooks: where you publish dashboards/runbooks.
        #[arg(long, default_value = runbook::BASE)]
        runbooks: String,
    },
    /// Writes the table of bounds: what one citizen, one phone, one address may have of what all share.
    Bounds {
        /// The file to write.
        #[arg(long, default_value = "gateway/BOUNDS.md")]
        out: PathBuf,
    },
    /// Prints what a shell completes; say where your shell looks for it, or source it.
    Completions {
        /// Which shell.
        #[arg(long)]
        shell: help::Shell,
    },
    /// Writes a manual page for each command.
    Man {
        /// The directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

impl Generate {
    /// Writes or prints it; `command` is the command line that completions and pages describe.
    pub(crate) fn run(self, command: clap::Command) -> anyhow::Result<ExitCode> {
        match self {
            Self::Rules { out, runbooks } => write(&out.join(rules::FILE), &rules::text(&runbooks))?,
            Self::Dashboards { out, runbooks } => {
                for (path, text) in dashboards(&runbooks) {
                    write(&out.join(path), &text)?;
                }
            }
            Self::Bounds { out } => write(&out, &bounds::text())?,
            Self::Completions { shell } => {
                out::text(&String::from_utf8(help::completions(shell, command))?);
            }
            Self::Man { out } => {
                for (name, text) in help::pages(command)? {
                    write(&out.join(name), &text)?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An alert, for those who show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its section in the runbooks.
    pub(crate) id: &'static str,
    /// `page`, `ticket` or `heartbeat`.
    pub(crate) severity: &'static str,
    /// The runbook's file name without its ending.
    pub(crate) runbook: &'static str,
}

/// Every alert; one with several windows or severities is there for each, the most severe first.
pub(crate) fn known() -> Vec<Known> {
    let groups = std::iter::once(objectives::group()).chain(alerts::groups());
    let known = |runbook, alert: &rules::Alert| Known { id: alert.id, severity: alert.severity(), runbook };
    groups
        .flat_map(|group| group.alerts.iter().map(|alert| known(group.runbook, alert)).collect::<Vec<_>>())
        .collect()
}

/// Every file of Grafana's, by its path below the directory.
fn dashboards(runbooks: &str) -> Vec<(String, String)> {
    let all = dashboards::all();
    let dashboards = all.iter().map(|one| (format!("dashboards/{}.json", one.name), one.text(runbooks)));
    dashboards.chain(provisioning::files()).collect()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let about = || format!("writing {}", path.display());
    path.parent().map_or(Ok(()), std::fs::create_dir_all).with_context(about)?;
    std::fs::write(path, text).with_context(about)
}

#[cfg(test)]
mod tests;
