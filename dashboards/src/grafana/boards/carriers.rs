//! The dashboard of the carriers: time on both sides, answers, breakers.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, mean_by, of, part_of_mean_by, quantile_by, rate};

/// Answers with which a citizen goes on.
const ANSWERS: &str = "trajectory|new-number|not-subscriber|unanswerable";

pub(super) fn dashboard() -> Dashboard {
    let about =
        "Slow or missing trajectories, and their reason: the carrier, the network to it, or the gateway.";
    asking(answers(whose(Dashboard::new("carriers", "Carriers", about))))
}

fn whose(dashboard: Dashboard) -> Dashboard {
    let us_or_them = "Mean time of a citizen's query, in parts: what it waited here, what the carrier says it \
                      needed itself, what was left of those for the network and for connecting, and the time \
                      of those that brought no word of the carrier's time: no answer, because of them or the line.";
    let wire = of(metric::CARRIER_SECONDS);
    let part = |of: &_| part_of_mean_by(of, &wire, "carrier");
    let own = part(&of(metric::CARRIER_OWN_SECONDS));
    let network = part(&wire.clone().only("own", "yes")).minus(&own);
    let silent = part(&wire.clone().only("own", "no"));
    dashboard.row(
        "Is it us or them?",
        [
            lines("Us, the network, or them", Unit::Seconds, "carrier-waiting")
                .about(us_or_them)
                .show("{{carrier}}: us", mean_by(&of(metric::CARRIER_WAIT_SECONDS), "carrier"))
                .show("{{carrier}}: network", network)
                .show("{{carrier}}: them", own)
                .show("{{carrier}}: no answer", silent)
                .wide(),
            lines("On the wire", Unit::Seconds, "carrier-waiting")
                .about("Time of a query on the wire, connecting included: 95 of 100 are faster.")
                .show("{{carrier}}", quantile_by(0.95, &of(metric::CARRIER_SECONDS), "carrier")),
            lines("At the carrier", Unit::Seconds, "carrier-waiting")
                .about("Time of a query inside the carrier, as it reports itself: 95 of 100 are faster.")
                .show("{{carrier}}", quantile_by(0.95, &of(metric::CARRIER_OWN_SECONDS), "carrier")),
        ],
    )
}

fn answers(dashboard: Dashboard) -> Dashboard {
    let all = || rate(of(metric::CARRIER_QUERIES)).sum_by("carrier");
    let answered = rate(of(metric::CARRIER_QUERIES).only("outcome", ANSWERS)).sum_by("carrier");
    dashboard.row(
        "Answers",
        [
            stack("Queries", Unit::PerSecond, "carrier-failing")
                .about("Citizens' queries, by carrier.")
                .show("{{carrier}}", all()),
            stack("Outcomes", Unit::PerSecond, "carrier-failing")
                .about("Citizens' queries, by outcome.")
                .show("{{outcome}}", rate(of(metric::CARRIER_QUERIES)).sum_by("outcome")),
            lines("Answered", Unit::Ratio, "carrier-failing")
                .about("Queries with an answer that the citizen can use, among all.")
                .show("{{carrier}}", answered.share_of(all())),
            lines("Sent a second time", Unit::PerSecond, "carrier-failing")
                .about("Queries whose first attempt did not arrive.")
                .show("{{carrier}}", rate(of(metric::CARRIER_RETRIES)).sum_by("carrier")),
        ],
    )
}

fn asking(dashboard: Dashboard) -> Dashboard {
    let in_use = gauge(of(metric::CARRIER_PERMITS_IN_USE)).sum_by("carrier");
    dashboard.row(
        "Breakers and probes",
        [
            stat("Breaker", Unit::Count, "carrier-failing")
                .about("0 closed, 1 half open, 2 open: a carrier whose breaker is open is not asked.")
                .limits(1.0, 2.0)
                .show("{{carrier}}", gauge(of(metric::CARRIER_BREAKER)).max_by("carrier")),
            stat("Probe", Unit::Flag, "carrier-failing")
                .about("1 if the last probe of the carrier's reserved number was answered.")
                .well_from(1.0)
                .show("{{carrier}}", gauge(of(metric::CARRIER_PROBE_UP)).min_by("carrier")),
            stat("Parked", Unit::Flag, "carrier-parked")
                .about("1 if the carrier's actor is parked after repeated failures.")
                .ill_from(1.0)
                .show("{{carrier}}", gauge(of(metric::CARRIER_PARKED)).max_by("carrier")),
            lines("Permits in use", Unit::Ratio, "carrier-waiting")
                .about(
                    "Queries under way of those that may be; beyond it citizens are told to try \
                     again.",
                )
                .show(
                    "{{carrier}}",
                    in_use.share_of(gauge(of(metric::CARRIER_PERMITS_MAX)).sum_by("carrier")),
                ),
            lines("Time of a probe", Unit::Seconds, "carrier-waiting")
                .about("The last probe: on the wire, and inside the carrier.")
                .show("{{carrier}}: wire", gauge(of(metric::CARRIER_PROBE_SECONDS)).max_by("carrier"))
                .show("{{carrier}}: own", gauge(of(metric::CARRIER_PROBE_OWN_SECONDS)).max_by("carrier")),
        ],
    )
}
