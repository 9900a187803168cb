//! The result of a check of a gateway: an id that stays the same in every release, a state, and the action. A check of the same state as an
//! alert has that alert's id.

use std::process::ExitCode;

use serde::Serialize;

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Ok,
    /// It works now and may stop working.
    Warn,
    /// It does not work.
    Fail,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Small letters and hyphens; the same in every release.
    pub(crate) id: &'static str,
    pub(crate) state: State,
    /// The state in one sentence.
    pub(crate) what: String,
    /// The action; empty if there is nothing to do.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) action: &'static str,
}

impl Finding {
    /// Creates the finding of a check that passed.
    pub(crate) fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Self { id, state: State::Ok, what: what.into(), action: "" }
    }

    /// Creates a warning.
    pub(crate) fn warn(id: &'static str, what: impl Into<String>, action: &'static str) -> Self {
        Self { id, state: State::Warn, what: what.into(), action }
    }

    /// Creates a failure.
    pub(crate) fn fail(id: &'static str, what: impl Into<String>, action: &'static str) -> Self {
        Self { id, state: State::Fail, what: what.into(), action }
    }
}

/// Returns the worst state among findings.
pub(crate) fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}

/// Returns 0 if all checks passed, 1 for warnings, 2 for failures.
pub(crate) fn exit_code(findings: &[Finding]) -> ExitCode {
    ExitCode::from(worst(findings) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_the_whole() {
        let (ok, warn, fail) =
            (Finding::ok("a", "well"), Finding::warn("b", "soon", "do"), Finding::fail("c", "not", "do"));
        for (findings, expected) in [
            (vec![], State::Ok),
            (vec![ok.clone(), ok.clone()], State::Ok),
            (vec![warn.clone(), ok.clone()], State::Warn),
            (vec![fail, warn, ok], State::Fail),
        ] {
            assert_eq!(worst(&findings), expected);
        }
        assert_eq!([State::Ok as u8, State::Warn as u8, State::Fail as u8], [0, 1, 2]);
    }
}
