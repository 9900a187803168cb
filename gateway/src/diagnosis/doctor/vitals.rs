//! The running process's word of itself: whether it is ready, what is parked, which breakers are open, what was lost. Asked over
//! the admin socket, of the metrics as they stand; the overview page asks the same of them.

use protocol::metric;

use crate::config::Settings;
use crate::config::named::Named;
use crate::exposition;
use crate::finding::Finding;
use crate::operator::{self, Act, Done};

/// A gauge that is above zero when a person must act.
pub(crate) struct Alarm {
    pub(crate) id: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) well: &'static str,
    /// Ends with what it is about.
    pub(crate) ill: &'static str,
    pub(crate) action: &'static str,
}

pub(crate) const ALARMS: [Alarm; 8] = [
    Alarm {
        id: "clock-wrong",
        metric: metric::CLOCK_DISBELIEVED,
        well: "the clock says what it can",
        ill: "the clock says what it cannot, and is not believed: nothing ends or is destroyed by it",
        action: "put it right, or have two operators say that it is: changtong clock believe",
    },
    Alarm {
        id: "ledger-poisoned",
        metric: metric::LEDGER_POISONED,
        well: "no write of the punch log has failed",
        ill: "a write or sync of the punch log failed",
        action: "look at the kernel's log for the disk's error before it is started again",
    },
    Alarm {
        id: "ledger-full",
        metric: metric::LEDGER_FULL,
        well: "the punch log has room for its next batch",
        ill: "the punch log's disk has no room",
        action: "make room; it heals by itself",
    },
    Alarm {
        id: "punches-lost",
        metric: metric::LOST,
        well: "no device holds an acknowledgement that the punch log lacks",
        ill: "devices hold acknowledgements for punches that the log does not have",
        action: "keep the data as it is, run `changtong ledger verify`, look for an old copy that was put back",
    },
    Alarm {
        id: "scrub-failed",
        metric: metric::SCRUB_FAILURES,
        well: "closed segments are as they were written",
        ill: "a closed segment is not what was written",
        action: "run `changtong ledger verify`, which names it, and restore it from a backup",
    },
    Alarm {
        id: "region-parked",
        metric: metric::REGION_PARKED,
        well: "no region is parked",
        ill: "parked after repeated failures:",
        action: "the log names the place of the panic; a restart of the process tries again",
    },
    Alarm {
        id: "registrar-parked",
        metric: metric::REGISTRAR_PARKED,
        well: "the registrar is not parked",
        ill: "the registrar is parked after repeated failures",
        action: "the log names the place of the panic; a restart of the process tries again",
    },
    Alarm {
        id: "carrier-parked",
        metric: metric::CARRIER_PARKED,
        well: "no carrier is parked",
        ill: "parked after repeated failures:",
        action: "the log names the place of the panic; a restart of the process tries again",
    },
];

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

impl Alarm {
    /// Says whether it is raised in these metrics, and by whom.
    pub(crate) fn look(&self, metrics: &str) -> Finding {
        let raised: Vec<String> = series(metrics, self.metric)
            .into_iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(who, _)| who)
            .collect();
        if raised.is_empty() {
            return Finding::ok(self.id, self.well);
        }
        Finding::fail(
            self.id,
            format!("{} {}", self.ill, raised.join(", ")).trim_end().to_owned(),
            self.action,
        )
    }
}

/// Says whether every carrier is asked.
pub(crate) fn breakers(metrics: &str) -> Finding {
    let open: Vec<String> = series(metrics, metric::CARRIER_BREAKER)
        .into_iter()
        .filter(|(_, value)| *value >= 2.0)
        .map(|(carrier, _)| carrier)
        .collect();
    match open.is_empty() {
        true => Finding::ok("carrier-failing", "no carrier's breaker is open"),
        false => Finding::warn(
            "carrier-failing",
            format!("not asked for a while, because they failed: {}", open.join(", ")),
            "ask the carrier; citizens are shown its own page meanwhile",
        ),
    }
}

/// Says whether what the files say is in effect.
pub(crate) fn reload(metrics: &str) -> Finding {
    const ID: &str = "reload-refused";
    match series(metrics, metric::RELOAD_FAILED).iter().any(|(_, value)| *value > 0.0) {
        false => Finding::ok(ID, "no reload waits to be put right"),
        true => Finding::warn(
            ID,
            "the last reload was refused: the files are not what is in effect",
            "run `changtong check-config`, put right what it names, then `changtong reload`",
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

/// A metric's series: the values of their labels, and the value.
fn series(metrics: &str, name: &str) -> Vec<(String, f64)> {
    let named = |series: exposition::Series<'_>| {
        let labels: Vec<&str> = series.labels().map(|(_, value)| value).collect();
        (labels.join(" "), series.value)
    };
    exposition::of(metrics, name).map(named).collect()
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
