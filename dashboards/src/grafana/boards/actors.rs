//! The dashboard of the actors: permits, queues, failures.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, grown, mean, of, quantile, quantile_by, rate, samples};

pub(super) fn dashboard() -> Dashboard {
    let about = "Permits, queues, restarts and parked actors inside the gateways.";
    registrar(failures(queues(Dashboard::new("actors", "Actors", about))))
}

fn queues(dashboard: Dashboard) -> Dashboard {
    let in_use = gauge(of(metric::PERMITS_IN_USE)).sum_by("region");
    let waited = of(metric::QUEUE_SECONDS);
    dashboard.row(
        "Permits and queues",
        [
            lines("Permits of regions", Unit::Count, "sheds")
                .about("Punches inside the five fullest regions.")
                .show("{{region}}", in_use.clone().top()),
            lines("Permits of regions, how full", Unit::Ratio, "sheds")
                .about("Punches inside the five fullest regions, as a share of the maximum.")
                .show("{{region}}", in_use.share_of(gauge(of(metric::PERMITS_MAX)).sum_by("region")).top()),
            lines("Time in queues", Unit::Seconds, "punch-latency")
                .about(
                    "Time that a batch waits for its region, the oldest act for the registrar, the oldest batch for the log: 99 of 100 are faster.",
                )
                .show("{{queue}}", quantile_by(0.99, &waited, "queue")),
            lines("Taken out of queues", Unit::PerSecond, "punch-latency")
                .about("Batches of regions, rounds of the log, and groups of the registrar.")
                .show("{{queue}}", samples(&waited).sum_by("queue")),
            lines("Permits of carriers", Unit::Count, "carrier-waiting")
                .about("Queries that are under way.")
                .show("{{carrier}}", gauge(of(metric::CARRIER_PERMITS_IN_USE)).sum_by("carrier")),
            lines("Batches told to wait", Unit::PerSecond, "sheds")
                .about("Batches and queries answered Busy, by reason.")
                .show("{{reason}}", rate(of(metric::SHED)).sum_by("reason")),
        ],
    )
}

fn failures(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Failures",
        [
            stat("Regions parked", Unit::Count, "region-parked")
                .about("Regions that are parked after repeated failures.")
                .ill_from(1.0)
                .show("parked", gauge(of(metric::REGION_PARKED)).sum()),
            stat("Carriers parked", Unit::Count, "carrier-parked")
                .about("Carriers whose actor is parked after repeated failures.")
                .ill_from(1.0)
                .show("parked", gauge(of(metric::CARRIER_PARKED)).sum()),
            stat("Registrar parked", Unit::Flag, "registrar-parked")
                .about("Yes if a registrar is parked after repeated failures: no colour changes.")
                .ill_from(1.0)
                .show("parked", gauge(of(metric::REGISTRAR_PARKED)).max()),
            stat("Restarts", Unit::Count, "actor-restarts")
                .about("Actors that were restarted within the time shown.")
                .limits(1.0, 10.0)
                .show("restarts", grown(of(metric::RESTARTS)).sum()),
            stat("Poison batches", Unit::Count, "poison-batches")
                .about(
                    "Batches judged punch by punch within the time shown, because judging them \
                     together panicked.",
                )
                .limits(1.0, 10.0)
                .show("batches", grown(of(metric::POISON_BATCHES)).sum()),
            lines("Restarts, by actor", Unit::PerSecond, "actor-restarts")
                .about("Actors that were restarted after a panic or a stop, the five worst.")
                .show("{{actor}}", rate(of(metric::RESTARTS)).sum_by("actor").top()),
        ],
    )
}

fn registrar(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Registrar",
        [
            stack("Acts", Unit::PerSecond, "registrar-failing")
                .about("Changes of the registry: done, refused by a rule, failed.")
                .show("{{outcome}}", rate(of(metric::REGISTRAR_ACTS)).sum_by("outcome")),
            lines("Acts in a group", Unit::Count, "registrar-failing")
                .about("Acts that one sync of the registry made durable, on average.")
                .show("mean", mean(&of(metric::REGISTRAR_GROUP_ACTS))),
            lines("Behind the fleet", Unit::Count, "fleet-lag")
                .about("Messages of the fleet's stream that a gateway has not applied.")
                .show("{{instance}}", gauge(of(metric::FLEET_LAG)).max_by("instance")),
            lines("Position in the fleet", Unit::Count, "fleet-lag")
                .about("Position in the fleet's stream up to which a gateway has everything.")
                .show("{{instance}}", gauge(of(metric::FLEET_POSITION)).max_by("instance")),
            lines("Second copy behind", Unit::Seconds, "fleet-copy")
                .about("Time since a batch was first seen that the second copy of a punch log still lacks.")
                .show("{{instance}}", gauge(of(metric::FLEET_COPY_AGE_SECONDS)).max_by("instance")),
            lines("Batches without a copy", Unit::Count, "fleet-copy")
                .about("Durable batches of a punch log that its second copy does not have.")
                .show("{{instance}}", gauge(of(metric::FLEET_COPY_LAG)).max_by("instance")),
            lines("Age of the newest snapshot", Unit::Seconds, "fleet-adrift")
                .about("Age of the snapshot by which gateways join the fleet, as its leader knows it. It is a day at most.")
                .show("age", gauge(of(metric::FLEET_SNAPSHOT_AGE)).max()),
            stat("Leads the fleet", Unit::Count, "fleet-adrift")
                .about("Gateways that lead. In a fleet it is one.")
                .show("leaders", gauge(of(metric::FLEET_LEADS)).sum()),
            lines("Age of the colours", Unit::Seconds, "fleet-adrift")
                .about("Time since a gateway last knew that it had every change of its fleet's leader. The leader has 0, the others 1 or 2.")
                .show("{{instance}}", gauge(of(metric::FLEET_COLOURS_AGE_SECONDS)).max_by("instance")),
            lines("Time of a group", Unit::Seconds, "registrar-failing")
                .about("From a group's first step until it is durable.")
                .show("p50", quantile(0.5, &of(metric::REGISTRAR_COMMIT_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::REGISTRAR_COMMIT_SECONDS))),
        ],
    )
}
