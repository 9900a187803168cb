//! The order that puts a policy into effect, without a restart.

use actors::registrar::{Registrar, RegistryChange, ReviseCodes};
use anyhow::{Context, bail};
use policy::{Policy, PolicyDiff};
use protocol::Colour;
use registry::operator::Role;
use runtime::clock;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Ordered, Tell};
use crate::out::say;
use crate::policies;

/// A policy to put into effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivatePolicy {
    /// The name in errors.
    pub(crate) file: String,
    pub(crate) text: String,
}

/// The policy in effect, and the codes that change by it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Activated {
    version: String,
    diff: PolicyDiff,
}

impl Order for ActivatePolicy {
    const NAME: &'static str = "activate-policy";
    const REPLY: &'static str = "policy";
    const ROLE: Role = Role::Health;
    type Reply = Activated;

    fn operators(&self, context: &OperatorContext) -> anyhow::Result<usize> {
        context.read(|registry| {
            let new = policies::ordered(&self.file, &self.text, registry)?;
            Ok(new.operators_needed(&*context.policy()?))
        })
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Activated> {
        let (Self { file, text }, Given { context, .. }) = (self, given);
        let new = context.read(|registry| policies::ordered(&file, &text, registry))?;
        let (version, diff) = (new.version().to_owned(), policies::diff(&new, &context.reader()?)?);
        given.change(NewPolicy { policy: new, text })?;
        follow(context)?;
        Ok(Activated { version, diff })
    }

    fn show(Activated { version, diff }: &Activated) -> anyhow::Result<()> {
        say!("Policy {version} is in effect.");
        show_diff(diff);
        Ok(())
    }
}

/// A policy to put into effect, unless it takes more operators than signed. In the running gateway it is in effect when this is durable;
/// codes follow with [`follow`].
struct NewPolicy {
    policy: Policy,
    text: String,
}

impl RegistryChange for Ordered<NewPolicy> {
    type Reply = ();
    type Error = anyhow::Error;

    /// It is compared again: meanwhile another policy may be in effect.
    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<()> {
        let Self { order: NewPolicy { policy, text }, by, operators, now_s } = self;
        if policy.operators_needed(&*registrar.policy()?) > operators {
            bail!("another policy is in effect by now, and this takes more operators; order again");
        }
        Ok(registrar.activate(policy, &text, &by.operators, now_s)?)
    }
}

/// Revises all codes by the policy in effect, part after part without a pause, and waits for the last. Other acts of the registrar have
/// their turn between two parts.
fn follow(context: &OperatorContext) -> anyhow::Result<()> {
    let part = || context.write(ReviseCodes { now_s: clock::now_s() });
    while part().context("the policy is in effect, the codes follow within minutes")? {}
    Ok(())
}

/// Prints the number of codes that change, and the changes.
pub(crate) fn show_diff(diff: &PolicyDiff) {
    say!("  {:<32}{:>10}", "codes with open causes", diff.codes);
    for (from, row) in Colour::ALL.iter().zip(&diff.recoloured) {
        for (to, &codes) in Colour::ALL.iter().zip(row).filter(|(_, codes)| **codes > 0) {
            say!("  {:<32}{codes:>10}", format!("{from} to {to}"));
        }
    }
    say!("  {:<32}{:>10}", "same colour, another end", diff.moved);
    say!("  {:<32}{:>10}", "in all", diff.changed());
}
