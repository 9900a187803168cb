//! A load test as the gateway sees it while it runs: what is offered, what is answered, what it costs. The generator's own side is in
//! its report.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, lines, stack, stat};
use crate::generate::query::{gauge, grown, mean, of, quantile, quantile_by, rate, reached};
use crate::generate::runbook;

pub(super) fn dashboard() -> Dashboard {
    let about = "The gateway's side of a load test, live: compare with the generator's own report.";
    cost(times(answered(Dashboard::new("load", "Load test, live", about).from("now-15m"))))
}

fn answered(dashboard: Dashboard) -> Dashboard {
    let (all, answered) = (of(metric::REQUESTS), of(metric::REQUESTS).only("outcome", "answered"));
    dashboard.row(
        "Offered and answered",
        [
            stat("Punches so far", Unit::Count, runbook::PUNCH_AVAILABILITY)
                .about("Punches that were acknowledged within the time shown.")
                .show("punches", grown(of(metric::PUNCHES)).sum()),
            stat("Verifies so far", Unit::Count, runbook::VERIFY_AVAILABILITY)
                .about("Scans that were verified within the time shown.")
                .show("verifies", grown(of(metric::VERIFIES)).sum()),
            stat("Told to wait", Unit::Count, runbook::SHEDS)
                .about("Punches that were answered Busy within the time shown.")
                .show("punches", grown(of(metric::REFUSED)).sum()),
            stat("Sent again", Unit::Count, runbook::PUNCH_AVAILABILITY)
                .about("Punches that were recorded already when they came, within the time shown.")
                .show("punches", grown(of(metric::DUPLICATES)).sum()),
            stat("Lost", Unit::Count, runbook::PUNCHES_LOST)
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("punches", reached(of(metric::LOST)).sum()),
            stat("Devices", Unit::Count, runbook::HANDSHAKES_REFUSED)
                .about("Devices that are connected.")
                .show("connected", gauge(of(metric::CONNECTIONS)).sum()),
            lines("Frames offered", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("Frames of scans that came in.")
                .show("{{request}}", rate(all).sum_by("request")),
            lines("Frames answered", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("Frames of scans that were answered and not told to wait.")
                .show("{{request}}", rate(answered).sum_by("request")),
            lines("Scans", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("Scans in those frames.")
                .show("punches", rate(of(metric::PUNCHES)).sum())
                .show("verifies", rate(of(metric::VERIFIES)).sum()),
            stack("Citizens and devices beside them", Unit::PerSecond, runbook::PAGES_FAILING)
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
        "How long it takes inside",
        [
            times(
                "Punch",
                metric::PUNCH_SECONDS,
                runbook::PUNCH_LATENCY,
                "From reading a frame of punches until its durable answer was written.",
            ),
            times(
                "Verify",
                metric::VERIFY_SECONDS,
                runbook::VERIFY_LATENCY,
                "From reading a frame of scans until its answer was written.",
            ),
            times("Sync", metric::SYNC_SECONDS, runbook::SYNC_SLOW, "Time of one data sync."),
            lines("In queues", Unit::Seconds, runbook::PUNCH_LATENCY)
                .about(
                    "How long a batch waits for its region, the oldest act for the registrar, the \
                     oldest batch for the log: 99 of 100 are faster.",
                )
                .show("{{queue}}", quantile_by(0.99, &of(metric::QUEUE_SECONDS), "queue")),
        ],
    )
}

fn cost(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "What it costs",
        [
            lines("Processor", Unit::Cores, runbook::SYNC_SLOW)
                .about("Processor cores that each gateway uses.")
                .show("{{instance}}", gauge(of(metric::PROCESS_CPU_CORES)).max_by("instance")),
            lines("Memory", Unit::Bytes, runbook::RESTART_STORM)
                .about("Memory that each gateway has in use.")
                .show("{{instance}}", gauge(of(metric::PROCESS_RESIDENT_BYTES)).max_by("instance")),
            lines("Punches in a sync", Unit::Count, runbook::SYNC_SLOW)
                .about("Punches that one sync made durable, on average.")
                .show("mean", mean(&of(metric::BATCH_PUNCHES))),
            lines("Waiting for a sync", Unit::Count, runbook::SHEDS)
                .about("Punches that wait for a sync.")
                .show("punches", gauge(of(metric::LEDGER_QUEUED)).sum()),
        ],
    )
}
