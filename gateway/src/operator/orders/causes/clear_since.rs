//! The order that clears what an authority set in a stretch of time.

use actors::registrar::{CLEARED_MAX, Registrar};
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::alarms;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The end of every cause by hand that the operators' own authority set in that time. Shows nobody; every person sees it as a decision.
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

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Cleared> {
        let (policy, now_s) = (context.policy()?, clock::now_ms() / 1000);
        let causes = context.write(|registry| {
            let mut registrar = Registrar::new(registry, &context.codes, policy);
            let cleared = registrar.clear_causes(self.set, by, now_s)?;
            alarms::tell(registry, now_s)?;
            Ok(cleared)
        })?;
        Ok(Cleared { causes, more: causes == CLEARED_MAX })
    }

    fn show(Cleared { causes, more }: &Cleared) -> anyhow::Result<()> {
        let more = if *more { " There are more: order again." } else { "" };
        say!("{causes} causes are cleared.{more}");
        Ok(())
    }
}
