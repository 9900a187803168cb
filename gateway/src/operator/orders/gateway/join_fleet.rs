//! The order that has this gateway join its fleet anew, by the newest snapshot: for one that has changes which no other gateway has. A copy of
//! its registry is kept beside the data, and the order stands in the rows of the registry that are this gateway's alone.

use std::path::PathBuf;

use anyhow::{Context, bail};
use fleet::Joined;
use registry::operator::{self, Role};
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The wish to join anew.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinFleet {
    /// The name in the fleet of the gateway that is to do it.
    pub(crate) gateway: String,
    pub(crate) case: String,
}

/// A gateway that has joined anew.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rejoined {
    /// The copy of the registry that was here.
    pub(crate) kept: PathBuf,
    #[serde(flatten)]
    pub(crate) joined: Joined,
}

impl Order for JoinFleet {
    const NAME: &'static str = "join-fleet";
    const REPLY: &'static str = "joined";
    const ROLE: Role = Role::Admin;
    type Reply = Rejoined;

    /// Two, as soon as there have been two.
    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| Ok(operator::to_add(registry, &[Role::Admin])?))
    }

    fn is_local() -> bool {
        true
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Rejoined> {
        let part = part(&given, &self.gateway, &self.case)?;
        let (ledger, _) = &given.context.log;
        let data = ledger.parent().context("the punch log is in the data directory")?;
        let kept = data.join(format!("registry-before-{}.db", clock::now_s()));
        Ok(Rejoined { joined: part.join(kept.clone())?, kept })
    }

    fn show(reply: &Rejoined) -> anyhow::Result<()> {
        let Rejoined { kept, joined: Joined { position, people, bytes, seconds } } = reply;
        say!(
            "joined at position {position}: {people} people, {bytes} bytes, {seconds:.1} s; the stream brings the rest"
        );
        say!(
            "What was here is kept in {}: read its last orders, then delete it. Nothing deletes people from it.",
            kept.display()
        );
        Ok(())
    }
}

/// Returns the way to the fleet's thread, if the order is for this gateway.
pub(super) fn part(given: &Given<'_>, gateway: &str, case: &str) -> anyhow::Result<fleet::Orders> {
    let context = given.context;
    let peers = context.running()?.peers.as_ref();
    let peers = peers.context("this gateway is in no fleet: its configuration has no [fleet]")?;
    let own = peers.standing().name;
    if own != gateway {
        bail!("this gateway is {own}, and the order is for {gateway}: order it there");
    }
    if !context.follows()? {
        bail!("this gateway leads the fleet: there is nothing to mend here");
    }
    if case.trim().is_empty() {
        bail!("the order names no case");
    }
    Ok(peers.orders())
}
