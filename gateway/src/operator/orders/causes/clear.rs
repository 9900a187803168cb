//! The order that clears a cause.

use actors::registrar::Registrar;
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{CauseChanged, colour, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};

/// The end of a cause of the operators' own authority.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClearCause {
    pub(crate) cause: i64,
}

impl Order for ClearCause {
    const NAME: &'static str = "clear-cause";
    const REPLY: &'static str = "cause";
    const ROLE: Role = Role::Health;
    type Reply = CauseChanged;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, Given { context, by, .. }: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<CauseChanged> {
        let (Self { cause }, policy, now_s) = (self, context.policy()?, clock::now_ms() / 1000);
        let code = context.write(|registry| {
            Ok(Registrar::new(registry, &context.codes, policy).clear_cause(cause, by, now_s)?)
        })?;
        Ok(CauseChanged { cause, code: code.get(), colour: colour(context, code) })
    }

    fn show(changed: &CauseChanged) -> anyhow::Result<()> {
        show(changed);
        Ok(())
    }
}
