//! The order that clears what an authority set in a stretch of time.

use actors::registrar::{CLEARED_MAX, Registrar, RegistryChange};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
use crate::out::say;

/// The end of every cause by hand that the operators' own authority set in that time. Shows no person; each sees it as a decision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClearCauses {
    /// The first and the last moment, seconds since 1970 UTC.
    pub(crate) set: (u64, u64),
}

/// The number of causes that are cleared.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cleared {
    causes: usize,
    /// As many as one order clears: there are more.
    more: bool,
}

impl Order for ClearCauses {
    const NAME: &'static str = "clear-causes";
    const REPLY: &'static str = "cleared";
    const ROLE: Role = Role::Health;
    type Reply = Cleared;

    /// Many at once: never one alone.
    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(2)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Cleared> {
        given.context.running()?;
        let causes = given.change(self)?;
        Ok(Cleared { causes, more: causes == CLEARED_MAX })
    }

    fn show(Cleared { causes, more }: &Cleared) -> anyhow::Result<()> {
        let more = if *more { " There are more: order again." } else { "" };
        say!("{causes} causes are cleared.{more}");
        Ok(())
    }
}

impl RegistryChange for Ordered<ClearCauses> {
    type Reply = usize;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<usize> {
        Ok(registrar.clear_causes(self.order.set, &self.by, self.now_s)?)
    }
}
