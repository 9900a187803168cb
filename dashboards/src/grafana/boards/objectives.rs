//! The dashboard of the objectives: the share that was kept, the rest of the error budget, and the rate of its use.

use alerts::{BURNS, Bad, Condition, Objective, bucket};
use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Panel, Unit, lines, stat};
use crate::grafana::query::{Expr, at_most, at_most_in_range, grown, of, rate, samples, samples_in_range};

/// The panels of one objective. Its numbers are in `alerts`.
struct Promise {
    titles: [&'static str; 3],
    /// The objective's id.
    runbook: &'static str,
    /// The good events.
    about: &'static str,
}

const PROMISES: [Promise; 4] = [
    Promise {
        titles: ["Verifies answered", "Budget: verifies", "Burn: verifies"],
        runbook: "verify-availability",
        about: "Verifies that were answered",
    },
    Promise {
        titles: ["Punches answered", "Budget: punches", "Burn: punches"],
        runbook: "punch-availability",
        about: "Punches that were answered and not told to wait",
    },
    Promise {
        titles: ["Verifies in time", "Budget: verify time", "Burn: verify time"],
        runbook: "verify-latency",
        about: "Verifies that were answered",
    },
    Promise {
        titles: ["Punches in time", "Budget: punch time", "Burn: punch time"],
        runbook: "punch-latency",
        about: "Punches whose durable answer was written",
    },
];

pub(super) fn dashboard() -> Dashboard {
    let about = "The service level objectives over the time shown; they are promised over 30 days.";
    Dashboard::new("objectives", "SLO and error budget", about)
        .from("now-30d")
        .row("Kept over the time shown", PROMISES.iter().map(Promise::kept))
        .row("Error budget left", PROMISES.iter().map(Promise::left))
        .row("Burn rate", PROMISES.iter().map(Promise::burns))
}

impl Promise {
    fn objective(&self) -> &'static Objective {
        let condition = alerts::find(self.runbook).map(|alert| &alert.condition);
        let Some(Condition::Burns(objective)) = condition else { panic!("{} is no objective", self.runbook) };
        objective
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
        let about =
            "The rest of the error budget over the time shown: 1 is all of it, below 0 it is overdrawn.";
        let used = all.clone().minus(&good).share_of(all).over_number(self.objective().slack());
        stat(self.titles[1], Unit::Budget, self.runbook)
            .about(about)
            .limits(0.25, 0.0)
            .decimals(1)
            .show("left", used.left_of_one())
    }

    fn burns(&self) -> Panel {
        let (good, all) = now(self.objective().bad);
        let fastest = f64::from(BURNS[0].tenths) / 10.0;
        let about = format!("Rate of use of the budget: at 1 it lasts 30 days, at {fastest} two.");
        let bad = all.clone().minus(&good).share_of(all);
        lines(self.titles[2], Unit::Times, self.runbook)
            .about(about)
            .limits(1.0, fastest)
            .show("burn", bad.over_number(self.objective().slack()))
    }
}

/// Returns the good events and all of them, over the time shown.
fn in_range(bad: Bad) -> (Expr, Expr) {
    match bad {
        Bad::NotAnswered { request } => {
            let all = of(metric::REQUESTS).only("request", request);
            (grown(all.clone().only("outcome", "answered")).sum(), grown(all).sum())
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let limit = bucket(limit_ms);
            (at_most_in_range(&of(answers), &limit).sum(), samples_in_range(&of(answers)).sum())
        }
    }
}

/// Returns the good events and all of them per second, now.
fn now(bad: Bad) -> (Expr, Expr) {
    match bad {
        Bad::NotAnswered { request } => {
            let all = of(metric::REQUESTS).only("request", request);
            (rate(all.clone().only("outcome", "answered")).sum(), rate(all).sum())
        }
        Bad::SlowerThan { answers, limit_ms } => {
            let limit = bucket(limit_ms);
            (at_most(&of(answers), &limit).sum(), samples(&of(answers)).sum())
        }
    }
}
