//! The order that lists who looked at a code.

use registry::AccessRow;
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::{code_of, known};
use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell, time};
use crate::out::say;

/// The list of accesses to a code, this one included.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accesses {
    pub(crate) code: u64,
    pub(crate) case: String,
}

/// An access.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessLine {
    /// Seconds since 1970 UTC; of a look at a checkpoint the begin of its day, which alone is kept.
    at_s: u64,
    operators: String,
    lookup: String,
    case: String,
}

impl Order for Accesses {
    const NAME: &'static str = "accesses";
    const REPLY: &'static str = "accesses";
    const ROLE: Role = Role::Records;
    type Reply = Vec<AccessLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<AccessLine>> {
        let code = code_of(self.code)?;
        given.context.read(|registry| known(registry, code))?;
        given.record(Lookup::Accesses, &self.case, Subjects::Codes(vec![code]))?;
        let accesses = given.context.read(|registry| Ok(registry.accesses(code)?))?;
        Ok(accesses.into_iter().map(Into::into).collect())
    }

    fn show(lines: &Vec<AccessLine>) -> anyhow::Result<()> {
        for line in lines {
            let at = time(line.at_s);
            // Of a look at a checkpoint the day alone is kept.
            let day = at.split(' ').next().filter(|_| line.lookup == Lookup::Document.name());
            let on = day.unwrap_or(&at);
            say!("  {on:<16}  {:<12}{:<34}case {}", line.lookup, line.operators, line.case);
        }
        Ok(())
    }
}

impl From<AccessRow> for AccessLine {
    fn from(row: AccessRow) -> Self {
        Self { at_s: row.at_s, operators: row.operators, lookup: row.act, case: row.case }
    }
}
