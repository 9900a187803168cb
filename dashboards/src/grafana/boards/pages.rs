//! The dashboard of the citizens' and the staff's pages: requests, outcomes, times, messages, bounds.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, grown, mean_by, of, quantile, quantile_by, rate};

pub(super) fn dashboard() -> Dashboard {
    let about = "Pages for citizens and staff, and codes by SMS.";
    bounds(messages(requests(Dashboard::new("pages", "Pages", about))))
}

fn requests(dashboard: Dashboard) -> Dashboard {
    let all = || rate(of(metric::PAGES)).sum();
    let seconds = of(metric::PAGE_SECONDS);
    dashboard.row(
        "Pages",
        [
            stack("Requests", Unit::PerSecond, "pages-failing")
                .about("Requests for pages, by part of the site.")
                .show("{{page}}", rate(of(metric::PAGES)).sum_by("page")),
            stack("Outcomes", Unit::PerSecond, "pages-failing")
                .about("Answered, moved on to another page, refused, failed.")
                .show("{{outcome}}", rate(of(metric::PAGES)).sum_by("outcome")),
            lines("Failed", Unit::Ratio, "pages-failing")
                .about("Requests that the gateway failed on, among all.")
                .show("failed", rate(of(metric::PAGES).only("outcome", "failed")).sum().share_of(all())),
            lines("Refused", Unit::Ratio, "pages-failing")
                .about(
                    "Requests that were refused, among all: forms that are wrong, paths that \
                     there are not, people who are not signed in.",
                )
                .show("refused", rate(of(metric::PAGES).only("outcome", "refused")).sum().share_of(all())),
            lines("Time of a page", Unit::Seconds, "pages-failing")
                .about(
                    "From a request until its answer stood; pages that wait for a carrier are \
                     among them.",
                )
                .show("p50", quantile(0.5, &seconds))
                .show("p99", quantile(0.99, &seconds)),
            lines("Slowest parts", Unit::Seconds, "pages-failing")
                .about("99 of 100 requests are faster, in the five slowest parts of the site.")
                .show("{{page}}", quantile_by(0.99, &seconds, "page").top()),
            lines("Mean, by part", Unit::Seconds, "pages-failing")
                .about("Mean time of an answer, in the five slowest parts of the site.")
                .show("{{page}}", mean_by(&seconds, "page").top()),
        ],
    )
}

fn messages(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Messages",
        [
            stat("Sent", Unit::Count, "pages-failing")
                .about("Codes by SMS that were sent within the time shown.")
                .show("sent", grown(of(metric::SMS).only("outcome", "sent")).sum()),
            stat("Not sent", Unit::Count, "pages-failing")
                .about(
                    "Codes that the message service did not take within the time shown: these \
                     people cannot sign in.",
                )
                .limits(1.0, 10.0)
                .show("unavailable", grown(of(metric::SMS).only("outcome", "unavailable|busy")).sum()),
            lines("Asked for", Unit::PerSecond, "pages-failing")
                .about("Codes by SMS that were asked for, by outcome.")
                .show("{{outcome}}", rate(of(metric::SMS)).sum_by("outcome")),
            lines("Typed", Unit::PerSecond, "pages-failing")
                .about("Codes that were typed, by outcome: many wrong ones are guesses.")
                .show("{{outcome}}", rate(of(metric::SMS_CHECKS)).sum_by("outcome")),
        ],
    )
}

fn bounds(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Bounds",
        [
            lines("Beyond a bound", Unit::PerSecond, "sign-in-flood")
                .about("Requests beyond a bound, by bound, the five most frequent.")
                .show("{{bound}}", rate(of(metric::LIMITED)).sum_by("bound").top()),
            lines("Entries", Unit::Count, "sign-in-flood")
                .about("Entries of the five fullest tables of bounds.")
                .show("{{bound}}", gauge(of(metric::BOUND_ENTRIES)).max_by("bound").top()),
        ],
    )
}
