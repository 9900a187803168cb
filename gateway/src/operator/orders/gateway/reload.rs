//! The order that has the running gateway, or all gateways of its fleet, read their files again. What is read, and how, is in `reload`.

use std::path::PathBuf;

use anyhow::Context;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::across::{Away, Reloads};
use crate::operator::OperatorContext;
use crate::operator::orders::{At, Given, Order, Tell};
use crate::out::say;
use crate::reload::Reloaded;

/// A reload of the gateway's files: the configuration that is named, if one is, has to be its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reload {
    pub(crate) file: Option<PathBuf>,
    /// The other gateways of the fleet, too.
    #[serde(default)]
    pub(crate) fleet: bool,
}

/// The outcome here, and in a fleet at the others.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReloadedAll {
    #[serde(flatten)]
    pub(crate) here: Reloaded,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<Reloads>,
}

impl Order for Reload {
    const NAME: &'static str = "reload";
    const REPLY: &'static str = "reloaded";
    const ROLE: Role = Role::Admin;
    type Reply = ReloadedAll;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn at(&self) -> At {
        At::Here
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<ReloadedAll> {
        let running = given.context.running.as_ref();
        let running = running.context("no gateway runs; it reads everything when it starts")?;
        let others = match self.fleet {
            true => Some(given.context.others()?.context("this gateway is in no fleet: leave --fleet out")?),
            false => None,
        };
        let here = running.reload.again(self.file.as_deref())?;
        let fleet = others.map(|others| others.reload()).transpose()?;
        Ok(ReloadedAll { here, fleet })
    }

    fn is_whole(ReloadedAll { fleet, .. }: &ReloadedAll) -> bool {
        fleet.as_ref().is_none_or(|fleet| fleet.not_done.is_empty())
    }

    fn show(ReloadedAll { here, fleet }: &ReloadedAll) -> anyhow::Result<()> {
        list(here);
        let Some(Reloads { done, not_done }) = fleet else { return Ok(()) };
        for (gateway, reloaded) in done {
            say!("At {gateway}:");
            list(reloaded);
        }
        for Away { gateway, why } in not_done {
            say!("At {gateway}: NOT CONFIRMED: {why}");
        }
        Ok(())
    }
}

fn list(Reloaded { changed, same, restart, notes }: &Reloaded) {
    let lists =
        [("Changed", changed), ("As before", same), ("Waits for a restart", restart), ("Note", notes)];
    for (what, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        say!("{what}:");
        for line in lines {
            say!("  {line}");
        }
    }
}
