//! `changtong stores`: whether the punch log and the registry belong together, and the order to take them as they are when they do
//! not.

use std::process::ExitCode;

use crate::command::desk::Desk;
use crate::host::vouching;
use crate::operator::orders::{self, AcceptStores};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Reports whether they belong together, and what differs.
    Check {
        #[command(flatten)]
        desk: Desk,
    },
    /// Takes both as they are, after one was restored or lost for good: what the other knew of it is gone then, without another
    /// word. On a stopped gateway; two admins sign, where there are two, and it stays on record.
    Accept {
        /// The case that it is for.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        desk: Desk,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { desk } => {
                let named = desk.at.find()?;
                named.there()?;
                vouching::look(&named.data, &named.keys()?)?;
                if desk.json {
                    say!("{}", serde_json::json!({ "belong_together": true }));
                } else {
                    say!("The punch log and the registry belong together.");
                }
            }
            Self::Accept { case, desk } => {
                let Some(stores) = desk.call(AcceptStores { case })? else { return Ok(ExitCode::SUCCESS) };
                if desk.json {
                    orders::show_json::<AcceptStores>(&stores)?;
                    return Ok(ExitCode::SUCCESS);
                }
                match stores.accepted {
                    None => {
                        say!("The punch log and the registry belong together; nothing had to be accepted.")
                    }
                    Some(difference) => {
                        say!("Accepted, and on record: {difference}");
                        say!(
                            "The next start takes both as they are; devices that know more say so, and it is counted."
                        );
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
