//! The order that clears a cause.

use actors::registrar::{Registrar, RegistryChange};
use protocol::CodeId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{CauseChanged, colour, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};

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

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<CauseChanged> {
        let cause = self.cause;
        let code = given.change(self)?;
        Ok(CauseChanged { cause, code: code.get(), colour: colour(given.context, code) })
    }

    fn show(changed: &CauseChanged) -> anyhow::Result<()> {
        show(changed);
        Ok(())
    }
}

impl RegistryChange for Ordered<ClearCause> {
    type Reply = CodeId;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<CodeId> {
        Ok(registrar.clear_cause(self.order.cause, &self.by, self.now_s)?)
    }
}
