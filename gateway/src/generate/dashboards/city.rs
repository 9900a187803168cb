//! The whole city at a glance: is it well, how many pass, what fails, how long people wait, what is full.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, lines, stack, stat};
use crate::generate::query::{gauge, gone, of, quantile, rate, reached};
use crate::generate::runbook;

pub(super) fn dashboard() -> Dashboard {
    let about = "Whether gates are answered, how fast, and what is in the way; the other dashboards say why.";
    let dashboard = Dashboard::new("overview", "City overview", about);
    saturation(duration(errors(traffic(well(dashboard)))))
}

fn well(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Is it well?",
        [
            stat("Ready", Unit::Flag, runbook::NOT_READY)
                .about("Whether every gateway answers punches and verifies; one that is gone does not.")
                .well_from(1.0)
                .show("ready", gauge(of(metric::READY)).or_gone().min()),
            stat("Gateways gone", Unit::Count, runbook::GONE)
                .about("Gateways that do not answer Prometheus.")
                .ill_from(1.0)
                .show("gone", gone()),
            stat("Punches lost", Unit::Count, runbook::PUNCHES_LOST)
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("lost", reached(of(metric::LOST)).sum()),
            stat("Log failed", Unit::Flag, runbook::LEDGER_POISONED)
                .about("Whether a write or sync of a punch log has failed; that process ends.")
                .ill_from(1.0)
                .show("failed", gauge(of(metric::LEDGER_POISONED)).max()),
            stat("Disk full", Unit::Flag, runbook::LEDGER_FULL)
                .about("Whether a punch log's disk has no room; punches are then answered Busy.")
                .ill_from(1.0)
                .show("full", gauge(of(metric::LEDGER_FULL)).max()),
            stat("Parked", Unit::Count, runbook::REGION_PARKED)
                .about("Regions that are parked after repeated failures.")
                .ill_from(1.0)
                .show("regions", gauge(of(metric::REGION_PARKED)).sum()),
            stat("Devices", Unit::Count, runbook::HANDSHAKES_REFUSED)
                .about("Devices that are connected.")
                .show("connected", gauge(of(metric::CONNECTIONS)).sum()),
            stat("Version", Unit::Count, runbook::RESTART_STORM)
                .about("Which version how many gateways run.")
                .show("{{version}}", gauge(of(metric::BUILD_INFO)).sum_by("version")),
            stat("Made up", Unit::Flag, runbook::GONE)
                .about("Whether a gateway serves made-up people only: a development city, or a test.")
                .show("test", gauge(of(metric::TEST_GATEWAY)).max()),
        ],
    )
}

fn traffic(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Rate",
        [
            stack("Punches, by colour", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("People who passed and are on record, by the colour that was shown.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::PUNCHES)).sum_by("colour")),
            stack("Verifies, by colour", Unit::PerSecond, runbook::VERIFY_AVAILABILITY)
                .about("Codes that were looked at without a record, by the colour that was shown.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::VERIFIES)).sum_by("colour")),
            lines("Punches, by district", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("The five busiest districts.")
                .show("{{region}}", rate(of(metric::PUNCHES)).sum_by("region").top()),
            lines("Verifies, by district", Unit::PerSecond, runbook::VERIFY_AVAILABILITY)
                .about("The five districts that look at most codes.")
                .show("{{region}}", rate(of(metric::VERIFIES)).sum_by("region").top()),
        ],
    )
}

fn errors(dashboard: Dashboard) -> Dashboard {
    let refused = || rate(of(metric::REFUSED)).sum_by("region");
    let offered = refused().plus(&rate(of(metric::PUNCHES)).sum_by("region"));
    let unanswered = rate(of(metric::REQUESTS).but("outcome", "answered")).sum_by("request");
    dashboard.row(
        "Errors",
        [
            lines("Not answered", Unit::Ratio, runbook::PUNCH_AVAILABILITY)
                .about(
                    "Frames of scans that were told to wait, or that the gateway failed on, among \
                     all.",
                )
                .show("{{request}}", unanswered.share_of(rate(of(metric::REQUESTS)).sum_by("request"))),
            lines("Told to wait, by district", Unit::Ratio, runbook::SHEDS)
                .about(
                    "Punches answered Busy among all that were offered, in the five worst \
                     districts. Their devices send them again.",
                )
                .show("{{region}}", refused().share_of(offered).top()),
            lines("No valid pass code", Unit::PerSecond, runbook::VERIFY_AVAILABILITY)
                .about("Scans that were no valid pass code, by what was wrong with them.")
                .show("{{reason}}", rate(of(metric::NOT_A_PASS_CODE)).sum_by("reason").top()),
            lines("Refused to devices", Unit::PerSecond, runbook::HANDSHAKES_REFUSED)
                .about("Requests that were refused, by error.")
                .show("{{reason}}", rate(of(metric::REQUEST_ERRORS)).sum_by("reason").top()),
        ],
    )
}

fn duration(dashboard: Dashboard) -> Dashboard {
    let both = |title, metric, runbook, about| {
        lines(title, Unit::Seconds, runbook)
            .about(about)
            .show("p50", quantile(0.5, &of(metric)))
            .show("p99", quantile(0.99, &of(metric)))
    };
    dashboard.row(
        "Duration",
        [
            both(
                "Punch",
                metric::PUNCH_SECONDS,
                runbook::PUNCH_LATENCY,
                "From reading a frame of punches until its durable answer was written.",
            ),
            both(
                "Verify",
                metric::VERIFY_SECONDS,
                runbook::VERIFY_LATENCY,
                "From reading a frame of scans until its answer was written.",
            ),
        ],
    )
}

fn saturation(dashboard: Dashboard) -> Dashboard {
    let full =
        |in_use: &'static str, max: &'static str| gauge(of(in_use)).sum().share_of(gauge(of(max)).sum());
    let regions = gauge(of(metric::PERMITS_IN_USE)).sum_by("region");
    dashboard.row(
        "Saturation",
        [
            lines("How full", Unit::Ratio, runbook::SHEDS)
                .about("What is in use of what may be; what is full answers Busy or refuses.")
                .show("log", full(metric::LEDGER_QUEUED, metric::LEDGER_QUEUE_MAX))
                .show("connections", full(metric::CONNECTIONS, metric::CONNECTIONS_MAX))
                .show("handshakes", full(metric::HANDSHAKES_UNDER_WAY, metric::HANDSHAKES_MAX)),
            lines("Districts, how full", Unit::Ratio, runbook::SHEDS)
                .about("Punches inside a district's actor of those that may be, in the five fullest.")
                .show("{{region}}", regions.share_of(gauge(of(metric::PERMITS_MAX)).sum_by("region")).top()),
            lines("Processor", Unit::Cores, runbook::SYNC_SLOW)
                .about("Processor cores that each gateway uses.")
                .show("{{instance}}", gauge(of(metric::PROCESS_CPU_CORES)).max_by("instance")),
            lines("Memory", Unit::Bytes, runbook::RESTART_STORM)
                .about("Memory that each gateway has in use.")
                .show("{{instance}}", gauge(of(metric::PROCESS_RESIDENT_BYTES)).max_by("instance")),
        ],
    )
}
