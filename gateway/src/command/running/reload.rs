//! `changtong reload`: has the running gateway read its files again, and prints the result. What is read, and how, is in
//! `reload`.

use std::process::ExitCode;

use anyhow::bail;

use crate::command::desk::Desk;
use crate::operator::{self, orders};

#[derive(clap::Args)]
pub(crate) struct Reload {
    /// The other gateways of the fleet, too, each its own files. Exit code 1 if one is away or refuses its files, which is named.
    #[arg(long)]
    fleet: bool,
    #[command(flatten)]
    desk: Desk,
}

impl Reload {
    /// Exit code 2 when it is refused: then nothing has changed.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // What is wrong in the file the gateway finds, and counts; all that is needed here is where the gateway is.
        let named = self.desk.at.find()?;
        named.there()?;
        if !operator::runs(&named) {
            bail!("no gateway runs on {}: it reads its files when it starts", named.display());
        }
        self.desk.give(orders::Reload { file: named.config, fleet: self.fleet })
    }
}
