//! Alarms that stand in the metrics of a running gateway: the doctor and the overview look for the same.

use protocol::metric;

use crate::exposition;
use crate::finding::Finding;

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

/// A metric's series: the values of their labels, and the value.
pub(crate) fn series(metrics: &str, name: &str) -> Vec<(String, f64)> {
    let named = |series: exposition::Series<'_>| {
        let labels: Vec<&str> = series.labels().map(|(_, value)| value).collect();
        (labels.join(" "), series.value)
    };
    exposition::of(metrics, name).map(named).collect()
}
