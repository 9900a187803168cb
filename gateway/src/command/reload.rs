//! `changtong reload`: has the running gateway read its files again, and tells what came of it. What is read, and how, is in
//! `reload`.

use std::process::ExitCode;

use anyhow::bail;

use super::desk::{Desk, show_json};
use crate::operator;
use crate::operator::orders::{Ordered, OrderedAct};
use crate::out::say;
use crate::reload::Reloaded;

#[derive(clap::Args)]
pub(crate) struct Reload {
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
        let Some(ordered) = self.desk.call(&OrderedAct::Reload { file: named.config })? else {
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

pub(super) fn show(Reloaded { changed, same, restart, notes }: &Reloaded) {
    let lists =
        [("Changed", changed), ("As before", same), ("Waits for a restart", restart), ("Note", notes)];
    for (what, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        say!("{what}:");
        for line in lines {
            say!("  {line}");
        }
    }
}
