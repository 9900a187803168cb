//! `changtong audit`: that decisions are on record as they were made.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::audit::Receipt;
use actors::keys::Keys;
use anyhow::{Context, bail};

use crate::admin::{self, Act, Done};

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
            Self::Verify { data, keys, json } => {
                let keys = keys.unwrap_or_else(|| data.join("keys"));
                let done = admin::call(&data, &keys, &Act::VerifyDecisions, &mut |_| ())?;
                let Done::Audited(report) = done else { bail!("that is no answer to an audit") };
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
