//! The order that finds the code of a document's holder.

use anyhow::Context;
use registry::lookups;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{FindCodes, NOBODY, Whose};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell};
use crate::out::say;

/// A search for a code.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindCode {
    pub(crate) whose: Whose,
    pub(crate) case: String,
}

/// The code of a document's holder.
#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    code: u64,
    /// The first character and a star.
    name: String,
    colour: String,
}

impl Order for FindCode {
    const NAME: &'static str = "find-code";
    const REPLY: &'static str = "found";
    const ROLE: Role = Role::Records;
    type Reply = Found;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Found> {
        let Self { whose, case } = self;
        let found = given.change(FindCodes { whose: vec![whose], case })?;
        let code = found.into_iter().next().context(NOBODY)?.map_err(anyhow::Error::msg)?;
        given.context.read(|registry| {
            let person = registry.person(code)?.context(NOBODY)?;
            let colour = registry.code(code)?.map_or("unknown", |entry| entry.colour().name()).to_owned();
            Ok(Found { code: code.get(), name: lookups::masked(&person.name), colour })
        })
    }

    fn show(Found { code, name, colour }: &Found) -> anyhow::Result<()> {
        say!("code {code}: {name}, {colour}");
        Ok(())
    }
}
