//! Causes by hand from a table: all of them or none, twice the same is once, and a dry run that says what each line would come to.

use std::collections::HashSet;

use actors::clock;
use actors::lookups::{Asked, Lookup, Whom};
use actors::operators::Signed;
use actors::registrar::Registrar;
use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::office::Whose;
use super::{Ordered, kind_of, policy};
use crate::alarms;
use crate::process::Admin;

/// Causes of one order: a tracing team finds some tens of contacts in an hour, and an order is a line of bounded length.
const CAUSES_MAX: usize = 200;

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
    pub(crate) code: u64,
    pub(crate) before: String,
    pub(crate) gives: String,
    /// The authority has set it before, until the same day: nothing is changed.
    pub(crate) is_there: bool,
}

/// Sets all of them, or says what is wrong with each line.
pub(super) fn add(
    admin: &Admin,
    causes: &[NewCause],
    (case, dry_run): (&str, bool),
    by: &Signed,
) -> anyhow::Result<Ordered> {
    if causes.len() > CAUSES_MAX {
        bail!("a table has {CAUSES_MAX} causes at most; cut it in two");
    }
    let (policy, now_s) = (policy(admin)?, clock::now_ms() / 1000);
    admin.write(|registry| {
        let (mut wrong, mut found) = (Vec::new(), Vec::new());
        for cause in causes {
            match cause.whose.code(registry) {
                Ok(code) => {
                    // One that finds nobody counts, too: nobody tries documents.
                    Asked { lookup: Lookup::Find, by, case, now_s }
                        .record(registry, Whom::Codes(code.as_slice()))?;
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
            lines.push(CauseSet { line: cause.line, code: code.get(), before, gives, is_there });
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
