//! The order that sets the causes of a table: all of them or none, twice the same is once, and a dry run that says what each line would
//! come to.

use std::collections::HashSet;

use actors::registrar::{Registrar, RegistryChange};
use anyhow::bail;
use protocol::CodeId;
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use super::kind_of;
use crate::operator::OperatorContext;
use crate::operator::orders::{
    Given, Order, Ordered, Tell,
    codes::{FindCodes, Whose},
    limits,
};
use crate::out::say;

/// The causes of a table: all are set, or an error names each line that is wrong.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddCauses {
    pub(crate) causes: Vec<NewCause>,
    /// Those found by their documents see it.
    pub(crate) case: String,
    /// Everything is read and nothing set.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A cause as it is ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCause {
    /// Its line in a table, for errors.
    pub(crate) line: u64,
    pub(crate) whose: Whose,
    pub(crate) kind: String,
    /// The last day on which it counts.
    pub(crate) until: jiff::civil::Date,
}

/// The causes of a table.
#[derive(Serialize, Deserialize)]
pub(crate) struct CausesSet {
    causes: Vec<CauseSet>,
    dry_run: bool,
}

/// The outcome of a line, or what it would be.
#[derive(Serialize, Deserialize)]
pub(crate) struct CauseSet {
    line: u64,
    /// `None` in a dry run for a person found by a document: nothing is done yet that needs the number, and to find codes takes
    /// another role.
    code: Option<u64>,
    /// The code as it is shown: its number, or the last four digits of that.
    shown: String,
    before: String,
    gives: String,
    /// The authority has set it before, until the same day: nothing is changed.
    is_there: bool,
}

impl Order for AddCauses {
    const NAME: &'static str = "add-causes";
    const REPLY: &'static str = "causes";
    const ROLE: Role = Role::Health;
    type Reply = CausesSet;

    fn name(&self) -> &'static str {
        if self.dry_run { "plan-causes" } else { Self::NAME }
    }

    /// Many at once: never one alone.
    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(if self.dry_run { 1 } else { 2 })
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<CausesSet> {
        let Self { causes, case, dry_run } = self;
        if let Some(why) = limits::too_long(causes.len()) {
            bail!("{why}");
        }
        given.context.running()?;
        let whose = causes.iter().map(|cause| cause.whose.clone()).collect();
        let codes = given.change(FindCodes { whose, case })?;
        given.change(Table { causes: causes.into_iter().zip(codes).collect(), dry_run })
    }

    fn show(CausesSet { causes, dry_run }: &CausesSet) -> anyhow::Result<()> {
        for CauseSet { line, shown, before, gives, is_there, .. } in causes {
            let what =
                if *is_there { "there already".to_owned() } else { format!("{before}, gives {gives}") };
            say!("  line {line}: code {shown}, {what}");
        }
        let known = causes.iter().filter(|cause| cause.is_there).count();
        let done = if *dry_run { "would be set" } else { "are set" };
        say!("{} causes {done}, {known} there already and not changed", causes.len() - known);
        Ok(())
    }
}

/// The causes of a table, each with the code that was found for it, or the reason why none was.
struct Table {
    causes: Vec<(NewCause, Result<CodeId, String>)>,
    dry_run: bool,
}

/// Sets all of them, or none if a line is wrong; in a dry run, none.
impl RegistryChange for Ordered<Table> {
    type Reply = CausesSet;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<CausesSet> {
        let Self { order: Table { causes, dry_run }, by, now_s, .. } = self;
        let (mut wrong, mut lines, mut new, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
        for (cause, code) in causes {
            let planned = code.map_err(anyhow::Error::msg).and_then(|code| {
                let kind = kind_of(&cause.kind)?;
                Ok((code, registrar.plan_cause(code, kind, &by, cause.until, now_s)?))
            });
            let (code, planned) = match planned {
                Ok(planned) => planned,
                Err(error) => {
                    wrong.push((cause.line, format!("{error:#}")));
                    continue;
                }
            };
            let is_there = planned.is_there || !seen.insert((code, cause.kind.clone(), cause.until));
            if !is_there {
                new.push((code, planned.cause));
            }
            let (before, gives) = (planned.before.name().to_owned(), planned.cause.colour.name().to_owned());
            let is_found = matches!(cause.whose, Whose::Document { .. });
            let known = Some(code.get()).filter(|_| !dry_run || !is_found);
            let shown = known.map_or_else(|| masked(code), |code| code.to_string());
            lines.push(CauseSet { line: cause.line, code: known, shown, before, gives, is_there });
        }
        if !wrong.is_empty() {
            wrong.sort_unstable();
            let lines: Vec<_> = wrong.into_iter().map(|(line, why)| format!("line {line}: {why}")).collect();
            bail!("no cause is set:\n{}", lines.join("\n"));
        }
        if !dry_run {
            registrar.add_causes(&new, &by)?;
        }
        Ok(CausesSet { causes: lines, dry_run })
    }
}

/// A code's number without all but its last four digits: enough to tell the lines of a table apart.
fn masked(code: CodeId) -> String {
    let number = code.get().to_string();
    let tail = number.len().saturating_sub(4);
    format!("{}{}", "*".repeat(tail), &number[tail..])
}
