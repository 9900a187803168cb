//! Causes by hand from a table: all of them or none, twice the same is once, and a dry run that says what each line would come to.

use std::collections::HashSet;

use actors::registrar::Registrar;
use anyhow::bail;
use protocol::CodeId;
use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::operator::Signed;
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::office::Whose;
use super::{Ordered, kind_of, limits, policy};
use crate::operator::OperatorContext;
use crate::operator::alarms;

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

/// The outcome of a line, or would.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CauseSet {
    pub(crate) line: u64,
    /// `None` in a dry run for whoever was found by a document: nothing is done yet that needs the number, and to find codes takes
    /// another role.
    pub(crate) code: Option<u64>,
    /// The code as it is shown: its number, or the last four digits of that.
    pub(crate) shown: String,
    pub(crate) before: String,
    pub(crate) gives: String,
    /// The authority has set it before, until the same day: nothing is changed.
    pub(crate) is_there: bool,
}

/// Sets all of them, or says what is wrong with each line.
pub(super) fn add(
    admin: &OperatorContext,
    causes: &[NewCause],
    (case, dry_run): (&str, bool),
    by: &Signed,
) -> anyhow::Result<Ordered> {
    if let Some(why) = limits::too_long(causes.len()) {
        bail!("{why}");
    }
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    admin.write(|registry| {
        let (mut wrong, mut found) = (Vec::new(), Vec::new());
        for cause in causes {
            match cause.whose.code(registry) {
                Ok(code) => {
                    // One that finds nobody counts, too: nobody tries documents.
                    LookupRequest { lookup: Lookup::Find, by, case, now_s }
                        .record(registry, Subjects::Codes(code.as_slice()))?;
                    match code {
                        Some(code) => found.push((cause, code)),
                        None => wrong.push((cause.line, "nobody is registered so".to_owned())),
                    }
                }
                Err(error) => wrong.push((cause.line, format!("{error:#}"))),
            }
        }
        alarms::tell(registry, now_s)?;
        let mut registrar = Registrar::new(registry, &admin.codes, policy);
        let (mut lines, mut new, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (cause, code) in found {
            let planned = kind_of(&cause.kind)
                .and_then(|kind| Ok(registrar.plan_cause(code, kind, by, cause.until, now_s)?));
            let planned = match planned {
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
            registrar.add_causes(&new, by)?;
            alarms::tell(registry, now_s)?;
        }
        Ok(Ordered::Causes { causes: lines, dry_run })
    })
}

/// A code's number without all but its last four digits: enough to tell the lines of a table apart.
fn masked(code: CodeId) -> String {
    let number = code.get().to_string();
    let tail = number.len().saturating_sub(4);
    format!("{}{}", "*".repeat(tail), &number[tail..])
}
