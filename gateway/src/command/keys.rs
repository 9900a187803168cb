//! `changtong keys`: the gateway's secrets, each in a file that only its owner may read.

use std::path::PathBuf;
use std::process::ExitCode;

use actors::keys::Keys;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Makes a directory with fresh keys.
    Init {
        /// The directory; it must not be there yet.
        #[arg(long)]
        keys: PathBuf,
    },
    /// Adds a token key under which new tokens are issued; the old ones stay good. The gateway takes it at its next start.
    Rotate {
        /// The directory of the keys.
        #[arg(long)]
        keys: PathBuf,
    },
    /// Lists the keys, never their content.
    Status {
        /// The directory of the keys.
        #[arg(long)]
        keys: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    #[allow(clippy::print_stdout, reason = "this is what the command is for")]
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init { keys } => {
                Keys::init(&keys)?;
                println!(
                    "Keys are in {}. Keep a copy in a safe; without them the data cannot be read.",
                    keys.display()
                );
            }
            Self::Rotate { keys } => {
                let id = Keys::rotate_token(&keys)?;
                println!("Token key {id} is made; restart the gateway to issue tokens under it.");
            }
            Self::Status { keys, json } => {
                let status = Keys::status(&keys)?;
                if json {
                    println!("{}", serde_json::to_string(&status)?);
                } else {
                    for key in status {
                        let made = key
                            .made_s
                            .and_then(|seconds| jiff::Timestamp::from_second(seconds.try_into().ok()?).ok());
                        let made = made.map_or("-".to_owned(), |made| made.strftime("%Y-%m-%d").to_string());
                        let state = key.problem.as_deref().unwrap_or("good");
                        println!("  {:<20}{made:<12}{:<40}{state}", key.file, key.purpose);
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
