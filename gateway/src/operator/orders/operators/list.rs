//! The order that lists the operators.

use registry::operator::{Operator, Role};
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// The list of all operators.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListOperators {}

impl Order for ListOperators {
    const NAME: &'static str = "list-operators";
    const REPLY: &'static str = "operators";
    const ROLE: Role = Role::Admin;
    type Reply = Vec<Operator>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<Operator>> {
        given.context.read(|registry| Ok(registry.operators()?))
    }

    fn show(operators: &Vec<Operator>) -> anyhow::Result<()> {
        for operator in operators {
            let roles: Vec<&str> = operator.roles.iter().map(|role| role.name()).collect();
            let state = if operator.revoked { "revoked" } else { "in office" };
            say!("  {:<34}{:<34}{:<22}{state}", operator.name, operator.authority, roles.join(","));
        }
        Ok(())
    }
}
