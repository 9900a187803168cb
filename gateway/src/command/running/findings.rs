//! The view of findings, each with the section of the runbooks that says more of it. Who looks at what is elsewhere.

use serde::Serialize;

use crate::finding::{Finding, State};
use crate::generate;
use crate::out::say;

/// A check with the section that says more of it.
#[derive(Serialize)]
pub(crate) struct WithRunbook<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    runbook: String,
}

/// Each with its runbook, for programs.
pub(crate) fn with_runbooks(findings: &[Finding]) -> Vec<WithRunbook<'_>> {
    findings.iter().map(|finding| WithRunbook { finding, runbook: runbook_of(finding.id) }).collect()
}

/// The section of that id: an alert's in the file of its subject, every other in that of the checks.
fn runbook_of(id: &str) -> String {
    let file = generate::known().iter().find(|alert| alert.id == id).map_or("checks", |alert| alert.runbook);
    format!("dashboards/runbooks/{file}.md#{id}")
}

/// Prints them for people: what failed first, then warnings, then what is well.
pub(crate) fn show(findings: &[Finding]) {
    let width = findings.iter().map(|finding| finding.id.len()).max().unwrap_or(0) + 2;
    for (state, word) in [(State::Fail, "FAIL"), (State::Warn, "warn"), (State::Ok, "ok")] {
        for Finding { id, what, action, .. } in findings.iter().filter(|finding| finding.state == state) {
            say!("  {word:<6}{id:<width$}{what}");
            if !action.is_empty() {
                say!("  {:<6}{:<width$}{action}", "", "");
                say!("  {:<6}{:<width$}{}", "", "", runbook_of(id));
            }
        }
    }
}
