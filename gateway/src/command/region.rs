//! `changtong region`: the region table, whose numbers other commands take.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::admin::{self, Act, Done};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Lists all regions: number, division code, name. Shows nobody.
    List {
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
        let Self::List { data, keys, json } = self;
        let keys = keys.unwrap_or_else(|| data.join("keys"));
        let done = admin::call(&data, &keys, &Act::Regions, &mut |_| true)?;
        let Done::Regions(regions) = done else { bail!("that is no answer to this") };
        if json {
            println!("{}", serde_json::to_string(&regions)?);
            return Ok(ExitCode::SUCCESS);
        }
        for region in regions {
            let code = region.code.as_deref().unwrap_or("-");
            println!("  region {:<4}{code:<8}{}, {}", region.region, region.name, region.name_en);
        }
        Ok(ExitCode::SUCCESS)
    }
}
