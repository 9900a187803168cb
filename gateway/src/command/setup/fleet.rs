//! `changtong fleet`: where this gateway stands among several of one city, and the key that they share.

use std::process::ExitCode;

use anyhow::bail;
use fleet::Standing;
use keys::Keys;

use crate::config::named::At;
use crate::operator::{self, Act, Done};
use crate::out::{note, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows who leads the fleet, and how far this gateway follows: 0 it leads or follows, 1 it does neither, 2 it does not run.
    Status {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Makes the key by which the gateways of a fleet seal their changes: fleet.key beside the other keys. The first gateway makes it; the
    /// others get a copy of the whole key directory but `days`.
    Key {
        #[command(flatten)]
        at: At,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { at, json } => {
                let named = at.find()?;
                let Some(Done::Fleet(standing)) = operator::ask_running(&named, &Act::Fleet)? else {
                    note!("no gateway runs on {}", named.display());
                    return Ok(ExitCode::from(2));
                };
                if json {
                    say!("{}", serde_json::to_string(&standing)?);
                } else {
                    show(&standing);
                }
                Ok(ExitCode::from(u8::from(standing.is_adrift())))
            }
            Self::Key { at } => {
                let keys = at.keys()?;
                if !keys.is_dir() {
                    bail!("{} is no directory: `changtong keys init` makes it", keys.display());
                }
                Keys::make_fleet(&keys)?;
                say!("fleet.key is in {}. Keep a copy in a safe.", keys.display());
                note!(
                    "next: copy the keys to the other gateways, then write [fleet] into each configuration"
                );
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn show(standing: &Standing) {
    let Standing { name, leads, leader, position, end, connected, trouble } = standing;
    let leader = match leader {
        _ if *leads => "this gateway leads".to_owned(),
        Some(leader) => format!("{}, at {}", leader.name, leader.address),
        None => "none".to_owned(),
    };
    let broker = if *connected { "answers" } else { "does not answer" };
    for (what, value) in [
        ("name", name.clone()),
        ("leader", leader),
        ("has", format!("{position} of {end} messages")),
        ("broker", broker.to_owned()),
        ("wrong now", trouble.clone().unwrap_or_else(|| "nothing".to_owned())),
    ] {
        say!("  {what:<10}{value}");
    }
}
