//! The promises to people at the gates, in numbers, and when so much of the promise's slack is used up that somebody is told.
//! Two windows each: the long one says that it matters, the short one that it still goes on.

use protocol::metric;

use super::rules::{Alert, Group, Record, Severity};

/// Every window of the alerts, the shortest first.
const WINDOWS: [&str; 5] = ["5m", "30m", "1h", "6h", "3d"];
/// Fewer bad answers than this in the long window wake nobody: at night one of ten would be a tenth.
pub(crate) const BAD_MIN: u32 = 10;

/// When somebody is told: at this rate the slack of 30 days is gone in 2 days, 5 days, 30 days.
struct Burn {
    severity: Severity,
    long: &'static str,
    long_s: u32,
    short: &'static str,
    /// The factor by which it is faster than the slack lasts, in tenths.
    tenths: u32,
}

const BURNS: [Burn; 3] = [
    Burn { severity: Severity::Page, long: "1h", long_s: 3_600, short: "5m", tenths: 144 },
    Burn { severity: Severity::Page, long: "6h", long_s: 21_600, short: "30m", tenths: 60 },
    Burn { severity: Severity::Ticket, long: "3d", long_s: 259_200, short: "6h", tenths: 10 },
];

/// The counted events, and what of it is bad.
#[derive(Clone, Copy)]
pub(crate) enum Bad {
    /// Requests of a kind that were not answered: told to wait, or failed.
    NotAnswered { request: &'static str },
    /// Answers that took longer than this; a bucket of the histogram ends there.
    SlowerThan { answers: &'static str, limit_ms: u32 },
}

/// A promise.
pub(crate) struct Objective {
    pub(crate) id: &'static str,
    pub(crate) bad: Bad,
    /// Bad ones among a million that are within the promise.
    slack_ppm: u32,
    summary: &'static str,
    meaning: &'static str,
}

pub(crate) const OBJECTIVES: [Objective; 4] = [
    Objective {
        id: "verify-availability",
        bad: Bad::NotAnswered { request: "verify" },
        slack_ppm: 500,
        summary: "Too many verifies on {{ $labels.instance }} are not answered",
        meaning: "Promised are 99.95 % of verifies. Staff at some gates see no colour and have to decide by looking at a document.",
    },
    Objective {
        id: "punch-availability",
        bad: Bad::NotAnswered { request: "punch" },
        slack_ppm: 1_000,
        summary: "Too many punches on {{ $labels.instance }} are told to wait",
        meaning: "Promised are 99.9 % of punches. Devices keep what they have and send it again, so nothing is lost, but people wait at the gates.",
    },
    Objective {
        id: "verify-latency",
        bad: Bad::SlowerThan { answers: metric::VERIFY_SECONDS, limit_ms: 50 },
        slack_ppm: 10_000,
        summary: "Too many verifies on {{ $labels.instance }} take more than 50 ms",
        meaning: "Promised are 50 ms for 99 % of verifies. The gates answer late; queues grow at the busiest ones first.",
    },
    Objective {
        id: "punch-latency",
        bad: Bad::SlowerThan { answers: metric::PUNCH_SECONDS, limit_ms: 250 },
        slack_ppm: 10_000,
        summary: "Too many punches on {{ $labels.instance }} take more than 250 ms",
        meaning: "Promised are 250 ms for 99 % of punches. Each person stands at the gate a moment longer; in the morning these moments add up.",
    },
];

/// The objectives with their recording rules.
pub(super) fn group() -> Group {
    Group {
        runbook: "objectives",
        records: OBJECTIVES.iter().flat_map(Objective::records).collect(),
        alerts: OBJECTIVES.iter().flat_map(Objective::alerts).collect(),
    }
}

/// The objective with that id, which is its alert's and its section's.
pub(super) fn of(id: &str) -> &'static Objective {
    OBJECTIVES.iter().find(|objective| objective.id == id).expect("each promise has an objective of its id")
}

/// Says how a histogram's bucket that ends there is called.
pub(crate) fn bucket(limit_ms: u32) -> String {
    (f64::from(limit_ms) / 1e3).to_string()
}

impl Objective {
    /// The share that may be bad.
    pub(super) fn slack(&self) -> f64 {
        f64::from(self.slack_ppm) / 1e6
    }

    /// The share of bad ones at which the fastest alert is raised.
    pub(crate) fn fastest(&self) -> f64 {
        self.limit(&BURNS[0])
    }

    fn limit(&self, burn: &Burn) -> f64 {
        f64::from(self.slack_ppm * burn.tenths / 10) / 1e6
    }

    /// Says what is wrong when it is not kept, of a gateway that need not be named.
    pub(crate) fn plain(&self) -> String {
        self.summary.replace(" on {{ $labels.instance }}", "")
    }

    /// The share that is good, for people.
    pub(super) fn promised(&self) -> String {
        format!("{} %", f64::from(1_000_000 - self.slack_ppm) / 1e4)
    }

    fn name(&self, what: &str, window: &str) -> String {
        format!("changtong:{}:bad_{what}{window}", self.id.replace('-', "_"))
    }

    /// Says how many bad ones a second, and their share, for each window.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for window in WINDOWS {
            let (rate, ratio) = (self.name("rate", window), self.name("ratio", window));
            let (bad, all) = self.bad.rates(window);
            let share = format!("{rate}\n/ {all}");
            records.push(Record { name: rate, expr: bad });
            records.push(Record { name: ratio, expr: share });
        }
        records
    }

    fn alerts(&self) -> impl Iterator<Item = Alert> {
        BURNS.iter().map(|burn| {
            let Burn { severity, long, long_s, short, tenths: _ } = *burn;
            let limit = self.limit(burn);
            let expr = format!(
                "{} > {limit}\nand {} > {limit}\nand {} * {long_s} > {BAD_MIN}",
                self.name("ratio", long),
                self.name("ratio", short),
                self.name("rate", long),
            );
            let share = format!("Bad within {long}: {{{{ $value | humanizePercentage }}}}.");
            Alert::new(self.id, severity, expr)
                .window(long)
                .says(self.summary, format!("{} {share}", self.meaning))
        })
    }
}

impl Bad {
    /// Bad ones a second, and all of them.
    fn rates(self, window: &str) -> (String, String) {
        let rate = |series: String| format!("sum by (instance) (rate({series}[{window}]))");
        match self {
            Self::NotAnswered { request } => {
                let (name, unanswered) = (metric::REQUESTS, "outcome!=\"answered\"");
                (
                    rate(format!("{name}{{request=\"{request}\", {unanswered}}}")),
                    rate(format!("{name}{{request=\"{request}\"}}")),
                )
            }
            Self::SlowerThan { answers, limit_ms } => {
                let all = rate(format!("{answers}_count"));
                let in_time = rate(format!("{answers}_bucket{{le=\"{}\"}}", bucket(limit_ms)));
                (format!("{all}\n- {in_time}"), all)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::BUCKETS;

    #[test]
    fn a_bucket_ends_where_a_promise_does() {
        let mut limits = Vec::new();
        for objective in &OBJECTIVES {
            let Bad::SlowerThan { answers, limit_ms } = objective.bad else { continue };
            let (_, buckets) = BUCKETS.iter().find(|(name, _)| *name == answers).expect("a histogram");
            let ends: Vec<_> = buckets.iter().map(ToString::to_string).collect();
            assert!(ends.contains(&bucket(limit_ms)), "{}: {limit_ms} ms in {ends:?}", objective.id);
            limits.push(bucket(limit_ms));
        }
        assert_eq!(limits, ["0.05", "0.25"]);
    }

    #[test]
    fn what_an_alert_says_is_what_is_promised() {
        for objective in &OBJECTIVES {
            let promised = objective.promised();
            assert!(objective.meaning.contains(&promised), "{promised}: {}", objective.meaning);
            let Bad::SlowerThan { limit_ms, .. } = objective.bad else { continue };
            let limit = format!("{limit_ms} ms");
            for text in [objective.summary, objective.meaning] {
                assert!(text.ends_with(&limit) || text.contains(&format!("{limit} ")), "{limit}: {text}");
            }
        }
    }
}
