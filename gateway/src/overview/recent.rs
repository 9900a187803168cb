//! The failures among what was asked within the last quarter of an hour: what is promised to people at the gates, and what fails
//! on the pages and in the registry. Limits are those of the alerts; their windows of hours and days are Prometheus's.

use std::collections::VecDeque;

use protocol::metric;

use super::between::Between;
use super::ring::ROWS_MAX;
use crate::exposition::Series;
use crate::finding::Finding;
use crate::generate::alerts::FAILING_SHARE;
use crate::generate::objectives::{self, BAD_MIN, Bad, OBJECTIVES, Objective};

/// The short window of the alerts: whether it still goes on.
const MINUTES: usize = 5;
/// Samples in it.
const SHORT: usize = ROWS_MAX * MINUTES / 15;

/// A counter of which no more than that share may have failed.
struct Failing {
    id: &'static str,
    metric: &'static str,
    well: &'static str,
    ill: &'static str,
    action: &'static str,
}

const FAILING: [Failing; 2] = [
    Failing {
        id: "pages-failing",
        metric: metric::PAGES,
        well: "pages are answered",
        ill: "pages fail: citizens cannot show their code, apply or check in",
        action: "see the log; at the gates they need a printed code or a document",
    },
    Failing {
        id: "registrar-failing",
        metric: metric::REGISTRAR_ACTS,
        well: "acts on people and colours are made",
        ill: "acts on people and colours fail: forms and orders are not taken",
        action: "see the log, and whether the disk of the registry is full or failing",
    },
];

/// Bad ones, and all.
#[derive(Clone, Copy, Default)]
struct Count {
    bad: f64,
    all: f64,
}

impl Count {
    fn share(self) -> f64 {
        if self.all > 0.0 { self.bad / self.all } else { 0.0 }
    }

    fn plus(self, other: Self) -> Self {
        Self { bad: self.bad + other.bad, all: self.all + other.all }
    }
}

/// The events that happened between two samples.
struct Counts {
    objectives: [Count; OBJECTIVES.len()],
    failing: [Count; FAILING.len()],
    /// Look-ups that were refused.
    lookups: f64,
}

/// The counts of the last quarter of an hour, the oldest first.
#[derive(Default)]
pub(super) struct Recent(VecDeque<Counts>);

impl Recent {
    /// Takes in what happened since the last time, and lets the oldest go.
    pub(super) fn push(&mut self, between: &Between<'_>) {
        if self.0.len() == ROWS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Counts {
            objectives: OBJECTIVES.each_ref().map(|objective| promised(objective.bad, between)),
            failing: FAILING.each_ref().map(|failing| Count {
                bad: between
                    .grown(failing.metric, |series: &Series<'_>| series.label("outcome") == Some("failed")),
                all: between.grown(failing.metric, |_| true),
            }),
            lookups: between.grown(metric::LOOKUPS_REFUSED, |_| true),
        });
    }

    /// Says how all of it stands.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let objectives = OBJECTIVES.iter().enumerate().map(|(at, one)| self.objective(at, one));
        let failing = FAILING.iter().enumerate().map(|(at, one)| self.failing(at, one));
        objectives.chain(failing).chain([self.lookups()]).collect()
    }

    fn objective(&self, at: usize, objective: &Objective) -> Finding {
        let of = |counts: &Counts| counts.objectives[at];
        let (short, kept) = (self.over(SHORT, of), self.over(ROWS_MAX, of));
        if short.share() <= objective.fastest() || kept.bad <= f64::from(BAD_MIN) {
            return Finding::ok(objective.id, "it is as promised");
        }
        let action = match objective.bad {
            Bad::NotAnswered { .. } => "see what is full, failed or parked; devices send again by themselves",
            Bad::SlowerThan { .. } => {
                "see the processor, the sync of the log, and what else runs on this machine"
            }
        };
        Finding::fail(objective.id, within(&objective.plain(), short), action)
    }

    fn failing(&self, at: usize, failing: &Failing) -> Finding {
        let short = self.over(SHORT, |counts| counts.failing[at]);
        match short.share() > FAILING_SHARE {
            true => Finding::fail(failing.id, within(failing.ill, short), failing.action),
            false => Finding::ok(failing.id, failing.well),
        }
    }

    fn lookups(&self) -> Finding {
        const ID: &str = "lookups-refused";
        let refused: f64 = self.0.iter().map(|counts| counts.lookups).sum();
        match refused > 0.0 {
            true => Finding::warn(
                ID,
                "an operator has looked at as much as one may in a day, and was refused more",
                "ask whether the work needs a second operator; the log's lines `order` say who asked",
            ),
            false => Finding::ok(ID, "no look-up was refused"),
        }
    }

    /// The last so many samples together.
    fn over(&self, samples: usize, of: impl Fn(&Counts) -> Count) -> Count {
        self.0.iter().rev().take(samples).map(of).fold(Count::default(), Count::plus)
    }
}

fn within(what: &str, count: Count) -> String {
    format!("{what} ({:.1} % within {MINUTES} minutes)", count.share() * 100.0)
}

fn promised(bad: Bad, between: &Between<'_>) -> Count {
    match bad {
        Bad::NotAnswered { request } => {
            let asked = |series: &Series<'_>| series.label("request") == Some(request);
            let all = between.grown(metric::REQUESTS, asked);
            let answered = |series: &Series<'_>| series.label("outcome") == Some("answered");
            Count { bad: all - between.grown(metric::REQUESTS, |one| asked(one) && answered(one)), all }
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let end = objectives::bucket(limit_ms);
            let all = between.grown(&format!("{answers}_count"), |_| true);
            let in_time =
                between.grown(&format!("{answers}_bucket"), |series| series.label("le") == Some(&end));
            Count { bad: all - in_time, all }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    /// Ids of what is wrong after this many equal samples.
    fn wrong(text: &str, samples: usize, then: usize) -> Vec<&'static str> {
        let mut recent = Recent::default();
        (0..samples).for_each(|_| recent.push(&Between::new("", text, 2.0)));
        (0..then).for_each(|_| recent.push(&Between::new(text, text, 2.0)));
        let findings = recent.findings();
        findings.iter().filter(|finding| finding.state != State::Ok).map(|finding| finding.id).collect()
    }

    fn requests(request: &str, answered: u32, busy: u32) -> String {
        format!(
            "changtong_requests_total{{request=\"{request}\",outcome=\"answered\"}} {answered}\n\
             changtong_requests_total{{request=\"{request}\",outcome=\"busy\"}} {busy}\n"
        )
    }

    fn answers(histogram: &str, limit: &str, in_time: u32, all: u32) -> String {
        format!(
            "{histogram}_bucket{{le=\"{limit}\"}} {in_time}\n{histogram}_bucket{{le=\"+Inf\"}} {all}\n\
             {histogram}_count {all}\n"
        )
    }

    #[test]
    fn a_promise_that_is_not_kept_is_told_as_soon_as_it_is_more_than_a_few() {
        let (verify, punch) = (metric::VERIFY_SECONDS, metric::PUNCH_SECONDS);
        let cases = [
            (requests("verify", 90, 10), "verify-availability"),
            (requests("punch", 90, 10), "punch-availability"),
            (answers(verify, "0.05", 80, 100), "verify-latency"),
            (answers(punch, "0.25", 80, 100), "punch-latency"),
        ];
        for (text, id) in cases {
            assert_eq!(wrong(&text, 30, 0), [id], "{text}");
            assert_eq!(wrong(&text, 30, SHORT), [""; 0], "it no longer goes on: {text}");
        }
        for text in [
            requests("verify", 10_000, 10),
            requests("punch", 0, 0),
            answers(verify, "0.05", 90, 100),
            String::new(),
        ] {
            assert_eq!(wrong(&text, 30, 0), [""; 0], "{text}");
        }
        assert_eq!(wrong(&requests("verify", 0, 10), 1, 0), [""; 0], "at night ten wake nobody");
    }

    #[test]
    fn failures_of_pages_and_acts_and_refused_lookups_are_told() {
        let counter = |name: &str, failed: u32| {
            format!(
                "{name}{{outcome=\"failed\"}} {failed}\n{name}{{outcome=\"answered\"}} {}\n",
                100 - failed
            )
        };
        for (metric, id) in [(metric::PAGES, "pages-failing"), (metric::REGISTRAR_ACTS, "registrar-failing")]
        {
            assert_eq!(wrong(&counter(metric, 6), 1, SHORT - 1), [id]);
            assert_eq!(wrong(&counter(metric, 6), 1, SHORT), [""; 0]);
            assert_eq!(wrong(&counter(metric, 5), 1, 0), [""; 0]);
        }
        let refused = format!("{} 1\n", metric::LOOKUPS_REFUSED);
        assert_eq!(wrong(&refused, 1, ROWS_MAX - 1), ["lookups-refused"]);
        assert_eq!(wrong(&refused, 1, ROWS_MAX), [""; 0]);
    }
}
