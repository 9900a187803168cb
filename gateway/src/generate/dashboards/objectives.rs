//! The promises to people at the gates, how much of its slack is used up, and how fast that goes. Who is told when is the
//! alerts' business.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::objectives::{self, Bad, Objective};
use crate::generate::panel::{Panel, Unit, lines, stat};
use crate::generate::query::{Expr, at_most, at_most_in_range, grown, of, rate, samples, samples_in_range};
use crate::generate::runbook::{self, Runbook};

/// The way in which a promise is shown; its numbers are the objective's of the same id.
struct Promise {
    titles: [&'static str; 3],
    runbook: Runbook,
    /// The counted events, and what of it is good.
    about: &'static str,
}

const PROMISES: [Promise; 4] = [
    Promise {
        titles: ["Verifies answered", "Budget: verifies", "Burn: verifies"],
        runbook: runbook::VERIFY_AVAILABILITY,
        about: "Verifies that were answered",
    },
    Promise {
        titles: ["Punches answered", "Budget: punches", "Burn: punches"],
        runbook: runbook::PUNCH_AVAILABILITY,
        about: "Punches that were answered and not told to wait",
    },
    Promise {
        titles: ["Verifies in time", "Budget: verify time", "Burn: verify time"],
        runbook: runbook::VERIFY_LATENCY,
        about: "Verifies that were answered",
    },
    Promise {
        titles: ["Punches in time", "Budget: punch time", "Burn: punch time"],
        runbook: runbook::PUNCH_LATENCY,
        about: "Punches whose durable answer was written",
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
    fn objective(&self) -> &'static Objective {
        objectives::of(self.runbook.id)
    }

    fn about(&self) -> String {
        let objective = self.objective();
        let within = match objective.bad {
            Bad::NotAnswered { .. } => String::new(),
            Bad::SlowerThan { limit_ms, .. } => format!(" within {limit_ms} ms"),
        };
        format!("{}{within}, among all. Promised are {}.", self.about, objective.promised())
    }

    fn kept(&self) -> Panel {
        let (good, all) = in_range(self.objective().bad);
        let slack = self.objective().slack();
        let odd = 1.0 - slack / 2.0;
        stat(self.titles[0], Unit::Ratio, self.runbook)
            .about(self.about())
            .limits(odd, 1.0 - slack)
            // Grafana itself shows 99.953 % as 100 %.
            .decimals(3)
            .show("kept", good.share_of(all))
    }

    fn left(&self) -> Panel {
        let (good, all) = in_range(self.objective().bad);
        let about = "What is left of the slack over the time shown: 1 is all of it, nothing is left below 0.";
        let used = all.clone().minus(&good).share_of(all).over_number(self.objective().slack());
        stat(self.titles[1], Unit::Budget, self.runbook)
            .about(about)
            .limits(0.25, 0.0)
            .decimals(1)
            .show("left", used.left_of_one())
    }

    fn burns(&self) -> Panel {
        let (good, all) = now(self.objective().bad);
        let about =
            "How many times faster than it may the budget is used up: at 1 it lasts 30 days, at 14.4 two.";
        let bad = all.clone().minus(&good).share_of(all);
        lines(self.titles[2], Unit::Times, self.runbook)
            .about(about)
            .limits(1.0, 14.4)
            .show("burn", bad.over_number(self.objective().slack()))
    }
}

/// Good ones and all of them, over the time shown.
fn in_range(bad: Bad) -> (Expr, Expr) {
    match bad {
        Bad::NotAnswered { request } => {
            let all = of(metric::REQUESTS).only("request", request);
            (grown(all.clone().only("outcome", "answered")).sum(), grown(all).sum())
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let limit = objectives::bucket(limit_ms);
            (at_most_in_range(&of(answers), &limit).sum(), samples_in_range(&of(answers)).sum())
        }
    }
}

/// The same a second, now.
fn now(bad: Bad) -> (Expr, Expr) {
    match bad {
        Bad::NotAnswered { request } => {
            let all = of(metric::REQUESTS).only("request", request);
            (rate(all.clone().only("outcome", "answered")).sum(), rate(all).sum())
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let limit = objectives::bucket(limit_ms);
            (at_most(&of(answers), &limit).sum(), samples(&of(answers)).sum())
        }
    }
}
