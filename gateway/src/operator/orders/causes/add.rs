//! The order that sets a cause by hand.

use actors::registrar::{Registrar, RegistryChange};
use anyhow::bail;
use policy::{CauseKind, Policy};
use protocol::Colour;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{CauseChanged, colour, kind_of, show};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell, codes::code_of};

/// A cause by hand, until the end of a day.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddCause {
    pub(crate) code: u64,
    pub(crate) kind: String,
    /// The last day on which it counts.
    pub(crate) until: jiff::civil::Date,
}

impl Order for AddCause {
    const NAME: &'static str = "add-cause";
    const REPLY: &'static str = "cause";
    const ROLE: Role = Role::Health;
    type Reply = CauseChanged;

    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        Ok(by_policy(&*context.policy()?, kind_of(&self.kind)?))
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<CauseChanged> {
        let (code, cause) = (code_of(self.code)?, given.change(self)?);
        Ok(CauseChanged { cause, code: code.get(), colour: colour(given.context, code) })
    }

    fn show(changed: &CauseChanged) -> anyhow::Result<()> {
        show(changed);
        Ok(())
    }
}

impl RegistryChange for Ordered<AddCause> {
    type Reply = i64;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<i64> {
        let Self { order, by, operators, now_s } = self;
        let kind = kind_of(&order.kind)?;
        // Another policy may have come into effect since the signatures were counted.
        if by_policy(&*registrar.policy()?, kind) > operators {
            bail!("the policy has changed meanwhile; order again");
        }
        Ok(registrar.add_cause(code_of(order.code)?, kind, &by, order.until, now_s)?)
    }
}

/// Returns the number of operators who must sign a cause by hand: one operator alone cannot turn a person red.
fn by_policy(policy: &Policy, kind: CauseKind) -> usize {
    if policy.rule(kind).is_some_and(|rule| rule.colour == Colour::Red) { 2 } else { 1 }
}
