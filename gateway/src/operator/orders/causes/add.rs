//! The order that sets a cause by hand.

use actors::registrar::Registrar;
use anyhow::bail;
use policy::{CauseKind, Policy};
use protocol::Colour;
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::{CauseChanged, colour, kind_of, show};
use crate::operator::OperatorContext;
use crate::operator::alarms;
use crate::operator::orders::{Given, Order, Tell, codes::code_of};

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
        let Given { context, by, operators } = given;
        let (code, kind, until) = (code_of(self.code)?, kind_of(&self.kind)?, self.until);
        let (policy, now_s) = (context.policy()?, clock::now_ms() / 1000);
        // Another policy may have come into effect since the signatures were counted.
        if by_policy(&policy, kind) > operators {
            bail!("the policy has changed meanwhile; order again");
        }
        let cause = context.write(|registry| {
            let mut registrar = Registrar::new(registry, &context.codes, policy);
            let cause = registrar.add_cause(code, kind, by, until, now_s)?;
            alarms::tell(registry, now_s)?;
            Ok(cause)
        })?;
        Ok(CauseChanged { cause, code: code.get(), colour: colour(context, code) })
    }

    fn show(changed: &CauseChanged) -> anyhow::Result<()> {
        show(changed);
        Ok(())
    }
}

/// Counts the operators that a cause by hand takes: nobody turns somebody red alone.
fn by_policy(policy: &Policy, kind: CauseKind) -> usize {
    if policy.rule(kind).is_some_and(|rule| rule.colour == Colour::Red) { 2 } else { 1 }
}
