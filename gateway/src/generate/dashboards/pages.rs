//! The citizens' and the staff's pages: how many are asked for, how they end, how long they take, and the messages that let people
//! in.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, lines, stack, stat};
use crate::generate::query::{gauge, grown, mean_by, of, quantile, quantile_by, rate};
use crate::generate::runbook;

pub(super) fn dashboard() -> Dashboard {
    let about = "Whether citizens can sign in, show their code, apply and check in.";
    bounds(messages(requests(Dashboard::new("pages", "Pages", about))))
}

fn requests(dashboard: Dashboard) -> Dashboard {
    let all = || rate(of(metric::PAGES)).sum();
    let seconds = of(metric::PAGE_SECONDS);
    dashboard.row(
        "Pages",
        [
            stack("Requests", Unit::PerSecond, runbook::PAGES_FAILING)
                .about("Requests for pages, by part of the site.")
                .show("{{page}}", rate(of(metric::PAGES)).sum_by("page")),
            stack("Outcomes", Unit::PerSecond, runbook::PAGES_FAILING)
                .about("Answered, moved on to another page, refused, failed.")
                .show("{{outcome}}", rate(of(metric::PAGES)).sum_by("outcome")),
            lines("Failed", Unit::Ratio, runbook::PAGES_FAILING)
                .about("Requests that the gateway failed on, among all.")
                .show("failed", rate(of(metric::PAGES).only("outcome", "failed")).sum().share_of(all())),
            lines("Refused", Unit::Ratio, runbook::PAGES_FAILING)
                .about(
                    "Requests that were refused, among all: forms that are wrong, paths that \
                     there are not, people who are not signed in.",
                )
                .show("refused", rate(of(metric::PAGES).only("outcome", "refused")).sum().share_of(all())),
            lines("Time of a page", Unit::Seconds, runbook::PAGES_FAILING)
                .about(
                    "From a request until its answer stood; pages that wait for a carrier are \
                     among them.",
                )
                .show("p50", quantile(0.5, &seconds))
                .show("p99", quantile(0.99, &seconds)),
            lines("Slowest parts", Unit::Seconds, runbook::PAGES_FAILING)
                .about("99 of 100 requests are faster, in the five slowest parts of the site.")
                .show("{{page}}", quantile_by(0.99, &seconds, "page").top()),
            lines("Mean, by part", Unit::Seconds, runbook::PAGES_FAILING)
                .about("Mean time of an answer, in the five slowest parts of the site.")
                .show("{{page}}", mean_by(&seconds, "page").top()),
        ],
    )
}

fn messages(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Messages",
        [
            stat("Sent", Unit::Count, runbook::PAGES_FAILING)
                .about("Codes by SMS that were sent within the time shown.")
                .show("sent", grown(of(metric::SMS).only("outcome", "sent")).sum()),
            stat("Not sent", Unit::Count, runbook::PAGES_FAILING)
                .about(
                    "Codes that the message service did not take within the time shown: these \
                     people cannot sign in.",
                )
                .limits(1.0, 10.0)
                .show("unavailable", grown(of(metric::SMS).only("outcome", "unavailable|busy")).sum()),
            lines("Asked for", Unit::PerSecond, runbook::PAGES_FAILING)
                .about("Codes by SMS that were asked for, by outcome.")
                .show("{{outcome}}", rate(of(metric::SMS)).sum_by("outcome")),
            lines("Typed", Unit::PerSecond, runbook::PAGES_FAILING)
                .about("Codes that were typed, by outcome: many wrong ones are somebody who guesses.")
                .show("{{outcome}}", rate(of(metric::SMS_CHECKS)).sum_by("outcome")),
        ],
    )
}

fn bounds(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Bounds",
        [
            lines("Beyond a bound", Unit::PerSecond, runbook::SIGN_IN_FLOOD)
                .about("What was asked for beyond what one may have, by the bound, the five most frequent.")
                .show("{{bound}}", rate(of(metric::LIMITED)).sum_by("bound").top()),
            lines("Entries", Unit::Count, runbook::SIGN_IN_FLOOD)
                .about("Entries of the five fullest tables that visitors fill.")
                .show("{{bound}}", gauge(of(metric::BOUND_ENTRIES)).max_by("bound").top()),
        ],
    )
}
