//! `changtong reload`: has the running gateway read its files again, and tells what came of it. What is read, and how, is in
//! `reload`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::desk::{Desk, show_json};
use crate::orders::{Ordered, OrderedAct};
use crate::reload::Reloaded;
use crate::{admin, config};

#[derive(clap::Args)]
pub(crate) struct Reload {
    /// The configuration that the gateway runs with, which also says where its data is; without it, the gateway on `--data` reloads.
    #[arg(long, conflicts_with = "data")]
    config: Option<PathBuf>,
    #[command(flatten)]
    desk: Desk,
}

impl Reload {
    /// Exit code 2 when it is refused: then nothing has changed.
    pub(crate) fn run(mut self) -> anyhow::Result<ExitCode> {
        let mut file = None;
        if let Some(path) = &self.config {
            let path = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
            // What is wrong in it the gateway finds, and counts; all that is needed here is where the gateway is.
            self.desk.data = match config::data_of(&path) {
                Some(data) => data,
                None => match config::read_file(&path) {
                    Ok(config) => config.settings.data,
                    Err(refused) => bail!("{refused}\nit does not say where the gateway is; give --data"),
                },
            };
            file = Some(path);
        }
        if !admin::runs(&self.desk.data) {
            bail!("no gateway runs on {}: it reads its files when it starts", self.desk.data.display());
        }
        let Some(ordered) = self.desk.call(&OrderedAct::Reload { file })? else {
            return Ok(ExitCode::SUCCESS);
        };
        if self.desk.json {
            show_json(&ordered)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Ordered::Reloaded(told) = &ordered else { bail!("that is no answer to a reload") };
        show(told);
        Ok(ExitCode::SUCCESS)
    }
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub(super) fn show(Reloaded { changed, same, restart, notes }: &Reloaded) {
    let lists =
        [("Changed", changed), ("As before", same), ("Waits for a restart", restart), ("Note", notes)];
    for (what, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        println!("{what}:");
        for line in lines {
            println!("  {line}");
        }
    }
}
