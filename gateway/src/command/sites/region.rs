//! `changtong region`: the region table, whose numbers other commands take.

use std::process::ExitCode;

use anyhow::bail;

use crate::config::named::At;
use crate::operator::{self, Act, Done};
use crate::out::say;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Lists all regions: number, division code, name. Shows no person.
    List {
        #[command(flatten)]
        at: At,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::List { at, json } = self;
        let done = operator::call(&at.find()?, &Act::Regions, &mut |_| true)?;
        let Done::Regions(regions) = done else { bail!("that is no answer to this") };
        if json {
            say!("{}", serde_json::to_string(&regions)?);
            return Ok(ExitCode::SUCCESS);
        }
        for region in regions {
            let code = region.code.as_deref().unwrap_or("-");
            say!("  region {:<4}{code:<8}{}, {}", region.region, region.name, region.name_en);
        }
        Ok(ExitCode::SUCCESS)
    }
}
