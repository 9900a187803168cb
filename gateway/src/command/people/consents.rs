//! `changtong consents`: that carriers were asked with consent only.

use std::process::ExitCode;

use anyhow::bail;
use registry::CONSENT_DAYS;

use crate::config::named::At;
use crate::operator::{self, Act, Done};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads every consent again, and names the first that is not as it has to be. Shows no person.
    Verify {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Verify { at, json } = self;
        let done = operator::call(&at.find()?, &Act::VerifyConsents, &mut |_| true)?;
        let Done::Consents(report) = done else { bail!("that is no answer to this") };
        if json {
            say!("{}", serde_json::to_string(&report)?);
            return Ok(ExitCode::SUCCESS);
        }
        say!(
            "{} consents, {} of them used, each for one query; {} taken back.",
            report.consents,
            report.used,
            report.withdrawn
        );
        if report.forgotten > 0 {
            say!(
                "  {} forgotten after {CONSENT_DAYS} days; they are counted here as they were",
                report.forgotten
            );
        }
        say!(
            "  {} answered, {} without an answer, {} open or cut",
            report.answered,
            report.unavailable,
            report.open
        );
        for (carrier, attempts) in &report.attempts {
            say!("  {carrier:<20}asked {attempts} times for them");
        }
        Ok(ExitCode::SUCCESS)
    }
}
