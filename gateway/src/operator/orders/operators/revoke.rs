//! The order that makes an operator's signature worthless.

use anyhow::Context;
use registry::operator::{self, Operator, Role};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};

/// The revocation of an operator.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeOperator {
    pub(crate) name: String,
}

impl Order for RevokeOperator {
    const NAME: &'static str = "revoke-operator";
    const REPLY: &'static str = "operator";
    const ROLE: Role = Role::Admin;
    type Reply = Operator;

    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| Ok(operator::to_revoke(registry, &self.name)?))
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Operator> {
        let Self { name } = self;
        given.context.write(|registry| {
            operator::revoke(registry, &name)?;
            registry.operator(&name)?.with_context(|| format!("there is no operator {name}"))
        })
    }

    fn show(operator: &Operator) -> anyhow::Result<()> {
        super::show(operator);
        Ok(())
    }
}
