//! The output of findings, each with its section of the runbooks.

use alerts::{RUNBOOKS, link};
use serde::Serialize;

use crate::finding::{Finding, State};
use crate::out::say;

/// A finding with its section of the runbooks.
#[derive(Serialize)]
pub(crate) struct WithRunbook<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    runbook: String,
}

/// Returns findings with their runbooks, for programs.
pub(crate) fn with_runbooks(findings: &[Finding]) -> Vec<WithRunbook<'_>> {
    findings.iter().map(|finding| WithRunbook { finding, runbook: link(RUNBOOKS, finding.id) }).collect()
}

/// Prints findings for people: failures first, then warnings, then checks that passed.
pub(crate) fn show(findings: &[Finding]) {
    let width = findings.iter().map(|finding| finding.id.len()).max().unwrap_or(0) + 2;
    for (state, word) in [(State::Fail, "FAIL"), (State::Warn, "warn"), (State::Ok, "ok")] {
        for Finding { id, what, action, .. } in findings.iter().filter(|finding| finding.state == state) {
            say!("  {word:<6}{id:<width$}{what}");
            if !action.is_empty() {
                say!("  {:<6}{:<width$}{action}", "", "");
                say!("  {:<6}{:<width$}{}", "", "", link(RUNBOOKS, id));
            }
        }
    }
}
