//! What is promised to people at the gates, how much of its slack is used up, and how fast that goes. Who is told when is the
//! alerts' business.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Panel, Unit, lines, stat};
use crate::generate::query::{Expr, at_most, at_most_in_range, grown, of, rate, samples, samples_in_range};
use crate::generate::runbook::{self, Runbook};

/// A promise: which share of what is good.
struct Promise {
    titles: [&'static str; 3],
    runbook: Runbook,
    good: Good,
    /// The share that may be bad.
    slack: f64,
    about: &'static str,
}

/// What is good.
#[derive(Clone, Copy)]
enum Good {
    /// Frames of that kind that are answered.
    Answered(&'static str),
    /// Answers within that time; a bucket ends there.
    Within(&'static str, &'static str),
}

const PROMISES: [Promise; 4] = [
    Promise {
        titles: ["Verifies answered", "Budget: verifies", "Burn: verifies"],
        runbook: runbook::VERIFY_AVAILABILITY,
        good: Good::Answered("verify"),
        slack: 0.0005,
        about: "Verifies that were answered, among all. Promised are 99.95 %.",
    },
    Promise {
        titles: ["Punches answered", "Budget: punches", "Burn: punches"],
        runbook: runbook::PUNCH_AVAILABILITY,
        good: Good::Answered("punch"),
        slack: 0.001,
        about: "Punches that were answered and not told to wait, among all. Promised are 99.9 %.",
    },
    Promise {
        titles: ["Verifies in time", "Budget: verify time", "Burn: verify time"],
        runbook: runbook::VERIFY_LATENCY,
        good: Good::Within(metric::VERIFY_SECONDS, "0.05"),
        slack: 0.01,
        about: "Verifies that were answered within 50 ms, among all. Promised are 99 %.",
    },
    Promise {
        titles: ["Punches in time", "Budget: punch time", "Burn: punch time"],
        runbook: runbook::PUNCH_LATENCY,
        good: Good::Within(metric::PUNCH_SECONDS, "0.25"),
        slack: 0.01,
        about: "Punches whose durable answer was written within 250 ms, among all. Promised are 99 %.",
    },
];

pub(super) fn dashboard() -> Dashboard {
    let about = "What is promised, over the time shown: 30 days are what the promise is about.";
    Dashboard::new("objectives", "SLO and error budget", about)
        .from("now-30d")
        .row("Kept over the time shown", PROMISES.iter().map(Promise::kept))
        .row("What is left of the error budget", PROMISES.iter().map(Promise::left))
        .row("How fast it burns", PROMISES.iter().map(Promise::burns))
}

impl Promise {
    fn kept(&self) -> Panel {
        let (good, all) = self.good.in_range();
        let odd = 1.0 - self.slack / 2.0;
        stat(self.titles[0], Unit::Ratio, self.runbook)
            .about(self.about)
            .limits(odd, 1.0 - self.slack)
            .show("kept", good.share_of(all))
    }

    fn left(&self) -> Panel {
        let (good, all) = self.good.in_range();
        let about = "What is left of the slack over the time shown: 1 is all of it, nothing is left below 0.";
        let used = all.clone().minus(&good).share_of(all).over_number(self.slack);
        stat(self.titles[1], Unit::Budget, self.runbook)
            .about(about)
            .limits(0.25, 0.0)
            .show("left", used.left_of_one())
    }

    fn burns(&self) -> Panel {
        let (good, all) = self.good.now();
        let about =
            "How many times faster than it may the budget is used up: at 1 it lasts 30 days, at 14.4 two.";
        let bad = all.clone().minus(&good).share_of(all);
        lines(self.titles[2], Unit::Times, self.runbook)
            .about(about)
            .limits(1.0, 14.4)
            .show("burn", bad.over_number(self.slack))
    }
}

impl Good {
    /// Good ones and all of them, over the time shown.
    fn in_range(self) -> (Expr, Expr) {
        match self {
            Self::Answered(request) => {
                let all = of(metric::REQUESTS).only("request", request);
                (grown(all.clone().only("outcome", "answered")).sum(), grown(all).sum())
            }
            Self::Within(answers, limit) => {
                (at_most_in_range(&of(answers), limit).sum(), samples_in_range(&of(answers)).sum())
            }
        }
    }

    /// The same a second, now.
    fn now(self) -> (Expr, Expr) {
        match self {
            Self::Answered(request) => {
                let all = of(metric::REQUESTS).only("request", request);
                (rate(all.clone().only("outcome", "answered")).sum(), rate(all).sum())
            }
            Self::Within(answers, limit) => (at_most(&of(answers), limit).sum(), samples(&of(answers)).sum()),
        }
    }
}
