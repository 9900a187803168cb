//! `changtong audit`: that decisions are on record as they were made.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::audit::Receipt;
use actors::keys::Keys;
use actors::registry::{AuditReport, KeptRegistry};
use actors::sunset::{Record, SunsetError};
use anyhow::{Context, bail};

use crate::admin::{self, Act, Done};
use crate::process::Settings;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reads every decision and checkpoint again, and names the first that is not as it was signed.
    Verify {
        /// The gateway's data.
        #[arg(long, default_value = "./changtong-data")]
        data: PathBuf,
        /// The gateway's keys; of a development city, those in its data. Needed only when no gateway runs.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// What `audit key` printed: decisions are checked with it alone, also when the keys are gone or the gateway is ended.
        #[arg(long)]
        public_key: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Prints the public key with which receipts are checked.
    Key {
        /// The directory of the keys.
        #[arg(long)]
        keys: PathBuf,
    },
    /// Checks a citizen's receipt, offline.
    Check {
        /// The receipt's file.
        receipt: PathBuf,
        /// What `audit key` prints.
        #[arg(long)]
        public_key: String,
    },
}

impl Command {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { data, keys, public_key, json } => {
                let report = match public_key_of(&data, public_key)? {
                    Some(key) => verify_with(&data, &key)?,
                    None => {
                        let keys = keys.unwrap_or_else(|| data.join("keys"));
                        let done = admin::call(&data, &keys, &Act::VerifyDecisions, &mut |_| true)?;
                        let Done::Audited(report) = done else { bail!("that is no answer to an audit") };
                        report
                    }
                };
                if json {
                    println!("{}", serde_json::to_string(&report)?);
                } else {
                    println!(
                        "{} decisions are as they were made; {} checkpoints, the last over {} of them.",
                        report.decisions, report.checkpoints, report.covered
                    );
                }
            }
            Self::Key { keys } => println!("{}", hex::encode(Keys::load(&keys)?.signing_public())),
            Self::Check { receipt, public_key } => {
                let key = hex::decode(public_key.trim()).context("a public key is 64 hexadecimal digits")?;
                let text = std::fs::read_to_string(&receipt)
                    .with_context(|| format!("reading {}", receipt.display()))?;
                let receipt: Receipt = serde_json::from_str(&text).context("that is no receipt")?;
                receipt.check(&key)?;
                println!("The receipt is good: {}", receipt.decision);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The key that was given; where the measure has ended, the one of its record.
fn public_key_of(data: &Path, given: Option<String>) -> anyhow::Result<Option<String>> {
    match (given, Record::read(data)) {
        (Some(key), _) => Ok(Some(key)),
        (None, Ok(record)) => Ok(Some(record.public_key)),
        (None, Err(SunsetError::NoRecord { .. })) => Ok(None),
        (None, Err(error)) => Err(error.into()),
    }
}

/// Beside a gateway, or where none runs any more: reads the registry itself, without a key.
fn verify_with(data: &Path, public_key: &str) -> anyhow::Result<AuditReport> {
    let key = hex::decode(public_key.trim()).context("a public key is 64 hexadecimal digits")?;
    Ok(KeptRegistry::open(&Settings::registry_path(data))?.verify_decisions(&key)?.0)
}
