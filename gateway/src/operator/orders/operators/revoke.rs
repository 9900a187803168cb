//! The order that makes an operator's signature worthless.

use actors::registrar::{Registrar, RegistryChange};
use anyhow::Context;
use registry::operator::{self, Operator, Role};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};

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
        given.change(self)
    }

    fn show(operator: &Operator) -> anyhow::Result<()> {
        super::show(operator);
        Ok(())
    }
}

impl RegistryChange for Ordered<RevokeOperator> {
    type Reply = Operator;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Operator> {
        let (registry, name) = (registrar.registry(), &self.order.name);
        operator::revoke(registry, name)?;
        registry.operator(name)?.with_context(|| format!("there is no operator {name}"))
    }
}
