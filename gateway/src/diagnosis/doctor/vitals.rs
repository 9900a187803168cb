//! The checks of the running process: that it answers, that it is ready, and the alerts of its metrics, asked over the operators' socket.

use protocol::metric;

use crate::alarm;
use crate::config::Settings;
use crate::config::named::Named;
use crate::finding::Finding;
use crate::history::History;
use crate::operator::{self, Act, Done};

/// Checks the process; one finding when none runs.
pub(super) fn examine(settings: &Settings, now_s: u64) -> Vec<Finding> {
    if !settings.data.is_dir() {
        let what = format!("there is no directory {}", settings.data.display());
        return vec![Finding::fail("gone", what, "check that its disk is mounted")];
    }
    let running = operator::ask_running(&Named::of(settings), &Act::Vitals);
    let (stage, metrics) = match running {
        Ok(Some(Done::Vitals { stage, metrics })) => (stage, metrics),
        Ok(None) => {
            return vec![Finding::warn(
                "gone",
                "no gateway runs on this data",
                "start it, unless it was meant to stop",
            )];
        }
        Ok(Some(_)) => return vec![unanswered("its answer does not fit the question")],
        Err(error) => return vec![unanswered(&format!("{error:#}"))],
    };
    let mut findings = vec![Finding::ok("gone", "a gateway runs on this data"), ready(&stage)];
    let metrics = History::of(&metrics);
    findings.extend(alarm::findings(&metrics, now_s));
    findings.push(codes(&stage, &metrics));
    findings
}

fn unanswered(why: &str) -> Finding {
    let action = "read the log; if it is blocked, the watchdog ends it";
    Finding::fail("gone", format!("a gateway runs and does not answer: {why}"), action)
}

fn ready(stage: &str) -> Finding {
    match stage {
        "ready" => Finding::ok("not-ready", "it is ready"),
        _ => Finding::fail(
            "not-ready",
            format!("it is not ready: {stage}"),
            "wait while it loads or drains; otherwise read the log",
        ),
    }
}

fn codes(stage: &str, metrics: &History) -> Finding {
    let codes = metrics.sum(metric::CODES);
    match stage {
        "loading codes" => Finding::warn(
            "codes-loading",
            format!("{codes} codes are loaded so far"),
            "wait; colours are unknown until all are",
        ),
        _ => Finding::ok("codes-loading", format!("{codes} codes are in memory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn stages_and_codes_are_told() {
        let metrics = "changtong_codes{colour=\"red\"} 3\nchangtong_codes{colour=\"green\"} 4\n";
        assert!(codes("ready", &History::of(metrics)).what.starts_with("7 codes"));
        for (stage, state) in
            [("ready", State::Ok), ("loading codes", State::Fail), ("draining", State::Fail)]
        {
            assert_eq!(ready(stage).state, state, "{stage}");
        }
    }
}
