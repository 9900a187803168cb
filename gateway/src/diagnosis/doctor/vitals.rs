//! The running process's word of itself: whether it is ready, what is parked, which breakers are open, what was lost. Asked over
//! the admin socket, of the metrics as they stand; the overview page asks the same of them.

use protocol::metric;

use crate::alarm::{ALARMS, breakers, reload, series};
use crate::config::Settings;
use crate::config::named::Named;
use crate::finding::Finding;
use crate::operator::{self, Act, Done};

/// Says how the process is; one finding when none runs.
pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    if !settings.data.is_dir() {
        let what = format!("there is no directory {}", settings.data.display());
        return vec![Finding::fail("gone", what, "see that its disk is mounted")];
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
        Ok(Some(_)) => return vec![unanswered("it answers what was not asked")],
        Err(error) => return vec![unanswered(&format!("{error:#}"))],
    };
    let mut findings = vec![Finding::ok("gone", "a gateway runs on this data"), ready(&stage)];
    findings.extend(ALARMS.iter().map(|alarm| alarm.look(&metrics)));
    findings.push(breakers(&metrics));
    findings.push(reload(&metrics));
    findings.push(codes(&stage, &metrics));
    findings
}

fn unanswered(why: &str) -> Finding {
    let action = "see the log; it may be blocked, and the watchdog ends it then";
    Finding::fail("gone", format!("a gateway runs and does not answer: {why}"), action)
}

fn ready(stage: &str) -> Finding {
    match stage {
        "ready" => Finding::ok("not-ready", "it is ready"),
        _ => Finding::fail(
            "not-ready",
            format!("it is not ready: {stage}"),
            "wait while it loads or drains; else see the log",
        ),
    }
}

fn codes(stage: &str, metrics: &str) -> Finding {
    let codes: f64 = series(metrics, metric::CODES).iter().map(|(_, value)| value).sum();
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
    fn each_alarm_is_seen_in_the_metrics_and_names_whom_it_is_about() {
        for alarm in &ALARMS {
            let line =
                |value| format!("# HELP x\n{}{{region=\"36\"}} {value}\nchangtong_other 1\n", alarm.metric);
            assert_eq!(alarm.look(&line(0)).state, State::Ok, "{}", alarm.id);
            let finding = alarm.look(&line(1));
            assert_eq!((finding.id, finding.state), (alarm.id, State::Fail));
            assert!(finding.what.ends_with("36"), "{}", finding.what);
            assert_eq!(alarm.look("").state, State::Ok);
        }
        let metrics = "changtong_carrier_breaker{carrier=\"china-unicom\"} 2\n\
                       changtong_carrier_breaker{carrier=\"china-mobile\"} 0\n\
                       changtong_codes{colour=\"red\"} 3\nchangtong_codes{colour=\"green\"} 4\n";
        let finding = breakers(metrics);
        assert!(
            finding.state == State::Warn && finding.what.ends_with("failed: china-unicom"),
            "{finding:?}"
        );
        let (good, refused) = ("changtong_reload_failed 0\n", "changtong_reload_failed 1\n");
        assert_eq!([reload(good).state, reload(refused).state], [State::Ok, State::Warn]);
        assert!(codes("ready", metrics).what.starts_with("7 codes"));
        for (stage, state) in
            [("ready", State::Ok), ("loading codes", State::Fail), ("draining", State::Fail)]
        {
            assert_eq!(ready(stage).state, state, "{stage}");
        }
    }
}
