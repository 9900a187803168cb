//! The order that has the running gateway read its files again. What is read, and how, is in `reload`.

use std::path::PathBuf;

use anyhow::Context;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;
use crate::reload::Reloaded;

/// A reload of the gateway's files: the configuration that is named, if one is, has to be its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reload {
    pub(crate) file: Option<PathBuf>,
}

impl Order for Reload {
    const NAME: &'static str = "reload";
    const REPLY: &'static str = "reloaded";
    const ROLE: Role = Role::Admin;
    type Reply = Reloaded;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Reloaded> {
        let running = given.context.running.as_ref();
        let running = running.context("no gateway runs; it reads everything when it starts")?;
        running.reload.again(self.file.as_deref())
    }

    fn show(Reloaded { changed, same, restart, notes }: &Reloaded) -> anyhow::Result<()> {
        let lists =
            [("Changed", changed), ("As before", same), ("Waits for a restart", restart), ("Note", notes)];
        for (what, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            say!("{what}:");
            for line in lines {
                say!("  {line}");
            }
        }
        Ok(())
    }
}
