//! The checks of the running process: that it answers, that it is ready, and the alerts of its metrics, asked over the operators' socket.

use protocol::metric;

use crate::alarm;
use crate::config::Settings;
use crate::config::named::Named;
use crate::finding::Finding;
use crate::history::History;
use crate::operator::{self, Act, Done};

/// The lines of a socket unit for more fronts.
const FRONTS_ACTION: &str = "`systemctl edit changtong.socket`: write [Socket], ReusePort=yes, and for each front that is to be added the \
     line ListenDatagram= of the unit again, with the same address; then `systemctl restart changtong.socket changtong.service`";

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
    findings.extend([codes(&stage, &metrics), fronts(&metrics)]);
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

/// Checks that the fronts are as many as the setting asks for. They are fewer only if fewer sockets were handed over: the gateway's
/// package hands over one, whatever the machine.
fn fronts(metrics: &History) -> Finding {
    const ID: &str = "fronts-few";
    let (fronts, wanted) = (metrics.sum(metric::FRONTS), metrics.sum(metric::FRONTS_WANTED));
    if fronts >= wanted {
        return Finding::ok(ID, format!("fronts that serve devices: {fronts}"));
    }
    let more = wanted - fronts;
    let what = format!(
        "fronts that serve devices: {fronts}, of {wanted} for which this machine has cores: the service manager hands over {fronts}"
    );
    Finding::warn(ID, format!("{what}, {more} more are to be added"), FRONTS_ACTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn fewer_fronts_than_the_machine_has_cores_for_are_told_with_the_lines_to_add() {
        let found = |text| fronts(&History::of(text));
        for text in ["", "changtong_fronts 1\n", "changtong_fronts 3\nchangtong_fronts_wanted 3\n"] {
            assert_eq!(found(text).state, State::Ok, "{text}");
        }
        let few = found("changtong_fronts 1\nchangtong_fronts_wanted 15\n");
        assert_eq!(few.state, State::Warn);
        assert!(few.what.contains("hands over 1, 14 more are to be added"), "{}", few.what);
        for line in ["[Socket]", "ReusePort=yes", "ListenDatagram=", "systemctl restart changtong.socket"] {
            assert!(few.action.contains(line), "{}", few.action);
        }
        assert_eq!(
            found("changtong_fronts 4\nchangtong_fronts_wanted 3\n").state,
            State::Ok,
            "more are no fault"
        );
    }

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
