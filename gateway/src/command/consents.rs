//! `changtong consents`: that carriers were asked with consent only.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::registry::CONSENT_DAYS;
use anyhow::bail;

use crate::admin::{self, Act, Done};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads every consent again, and names the first that is not as it has to be. Shows nobody.
    Verify {
        /// The gateway's data.
        #[arg(long, default_value = "./changtong-data")]
        data: PathBuf,
        /// The gateway's keys; of a development city, those in its data. Needed only when no gateway runs.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Verify { data, keys, json } = self;
        let keys = keys.unwrap_or_else(|| data.join("keys"));
        let done = admin::call(&data, &keys, &Act::VerifyConsents, &mut |_| true)?;
        let Done::Consents(report) = done else { bail!("that is no answer to this") };
        if json {
            println!("{}", serde_json::to_string(&report)?);
            return Ok(ExitCode::SUCCESS);
        }
        println!(
            "{} consents, {} of them used, each for one query; {} taken back.",
            report.consents, report.used, report.withdrawn
        );
        if report.forgotten > 0 {
            println!(
                "  {} forgotten after {CONSENT_DAYS} days; they are counted here as they were",
                report.forgotten
            );
        }
        println!(
            "  {} answered, {} without an answer, {} open or cut",
            report.answered, report.unavailable, report.open
        );
        for (carrier, attempts) in &report.attempts {
            println!("  {carrier:<20}asked {attempts} times for them");
        }
        Ok(ExitCode::SUCCESS)
    }
}
