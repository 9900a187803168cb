//! The order that adds an operator. A registry's first operator is added without a signature; the order for every other one is signed.

use actors::registrar::{Registrar, RegistryChange};
use anyhow::bail;
use registry::operator::{self, Operator, Role};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};

/// A new operator.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddOperator {
    pub(crate) name: String,
    pub(crate) authority: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) public_key: String,
}

impl AddOperator {
    fn operator(self) -> Operator {
        let Self { name, authority, roles, public_key } = self;
        Operator { name, authority, roles, public_key, revoked: false }
    }

    /// Adds the first operator of a registry without a signature: the right to open the operators' socket is enough.
    pub(in crate::operator::orders) fn first(self, context: &OperatorContext) -> anyhow::Result<Operator> {
        let operator = self.operator();
        context.write(AddFirst(operator.clone()))?;
        tracing::warn!(name = operator.name, "the first operator is added, unsigned");
        Ok(operator)
    }
}

impl Order for AddOperator {
    const NAME: &'static str = "add-operator";
    const REPLY: &'static str = "operator";
    const ROLE: Role = Role::Admin;
    type Reply = Operator;

    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| Ok(operator::to_add(registry, &self.roles)?))
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Operator> {
        given.change(self)
    }

    fn show(operator: &Operator) -> anyhow::Result<()> {
        super::show(operator);
        Ok(())
    }
}

/// The first operator of a registry.
struct AddFirst(Operator);

impl RegistryChange for AddFirst {
    type Reply = ();
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<()> {
        Ok(operator::add_first(registrar.registry(), &self.0)?)
    }
}

impl RegistryChange for Ordered<AddOperator> {
    type Reply = Operator;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Operator> {
        let (registry, operator) = (registrar.registry(), self.order.operator());
        // Another admin may have come since the signatures were counted.
        if operator::to_add(registry, &operator.roles)? > self.operators {
            bail!("there are two admins by now, and this takes both; order again");
        }
        operator::add(registry, &operator)?;
        Ok(operator)
    }
}
