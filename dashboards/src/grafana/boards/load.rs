//! The dashboard of the gateway's side of a load test: requests, answers, times, resources.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, grown, mean, of, quantile, quantile_by, rate, reached};

pub(super) fn dashboard() -> Dashboard {
    let about = "The gateway's side of a load test, live: compare with the generator's own report.";
    cost(times(answered(Dashboard::new("load", "Load test, live", about).from("now-15m"))))
}

fn answered(dashboard: Dashboard) -> Dashboard {
    let (all, answered) = (of(metric::REQUESTS), of(metric::REQUESTS).only("outcome", "answered"));
    dashboard.row(
        "Offered and answered",
        [
            stat("Punches so far", Unit::Count, "punch-availability")
                .about("Punches that were acknowledged within the time shown.")
                .show("punches", grown(of(metric::PUNCHES)).sum()),
            stat("Verifies so far", Unit::Count, "verify-availability")
                .about("Scans that were verified within the time shown.")
                .show("verifies", grown(of(metric::VERIFIES)).sum()),
            stat("Told to wait", Unit::Count, "sheds")
                .about("Punches that were answered Busy within the time shown.")
                .show("punches", grown(of(metric::REFUSED)).sum()),
            stat("Sent again", Unit::Count, "punch-availability")
                .about("Punches within the time shown that were on record before.")
                .show("punches", grown(of(metric::DUPLICATES)).sum()),
            stat("Lost", Unit::Count, "punches-lost")
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("punches", reached(of(metric::LOST)).sum()),
            stat("Devices", Unit::Count, "handshakes-refused")
                .about("Devices that are connected.")
                .show("connected", gauge(of(metric::CONNECTIONS)).sum()),
            lines("Frames offered", Unit::PerSecond, "punch-availability")
                .about("Frames of scans that came in.")
                .show("{{request}}", rate(all).sum_by("request")),
            lines("Frames answered", Unit::PerSecond, "punch-availability")
                .about("Frames of scans that were answered and not Busy.")
                .show("{{request}}", rate(answered).sum_by("request")),
            lines("Scans", Unit::PerSecond, "punch-availability")
                .about("Scans in those frames.")
                .show("punches", rate(of(metric::PUNCHES)).sum())
                .show("verifies", rate(of(metric::VERIFIES)).sum()),
            stack("Citizens and devices beside them", Unit::PerSecond, "pages-failing")
                .about("Pages, acts on people, trajectory queries and handshakes.")
                .show("pages", rate(of(metric::PAGES)).sum())
                .show("acts", rate(of(metric::REGISTRAR_ACTS)).sum())
                .show("queries", rate(of(metric::QUERIES)).sum())
                .show("handshakes", rate(of(metric::HANDSHAKES)).sum()),
        ],
    )
}

fn times(dashboard: Dashboard) -> Dashboard {
    let times = |title, metric, runbook, about| {
        let times = lines(title, Unit::Seconds, runbook).about(about).show("p50", quantile(0.5, &of(metric)));
        times.show("p99", quantile(0.99, &of(metric))).show("p99.9", quantile(0.999, &of(metric)))
    };
    dashboard.row(
        "Time inside the gateway",
        [
            times(
                "Punch",
                metric::PUNCH_SECONDS,
                "punch-latency",
                "From reading a frame of punches until its durable answer was written.",
            ),
            times(
                "Verify",
                metric::VERIFY_SECONDS,
                "verify-latency",
                "From reading a frame of scans until its answer was written.",
            ),
            times("Sync", metric::SYNC_SECONDS, "sync-slow", "Time of one data sync."),
            lines("In queues", Unit::Seconds, "punch-latency")
                .about(
                    "Time that a batch waits for its region, the oldest act for the registrar, the oldest batch for the log: 99 of 100 are faster.",
                )
                .show("{{queue}}", quantile_by(0.99, &of(metric::QUEUE_SECONDS), "queue")),
        ],
    )
}

fn cost(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Resources",
        [
            lines("Processor", Unit::Cores, "sync-slow")
                .about("Processor cores that each gateway uses.")
                .show("{{instance}}", gauge(of(metric::PROCESS_CPU_CORES)).max_by("instance")),
            lines("Memory", Unit::Bytes, "restart-storm")
                .about("Memory that each gateway has in use.")
                .show("{{instance}}", gauge(of(metric::PROCESS_RESIDENT_BYTES)).max_by("instance")),
            lines("Punches in a sync", Unit::Count, "sync-slow")
                .about("Punches that one sync made durable, on average.")
                .show("mean", mean(&of(metric::BATCH_PUNCHES))),
            lines("Waiting for a sync", Unit::Count, "sheds")
                .about("Punches that wait for a sync.")
                .show("punches", gauge(of(metric::LEDGER_QUEUED)).sum()),
        ],
    )
}
