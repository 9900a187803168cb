//! The dashboard of the whole city: health, rates, errors, times, saturation.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, gone, of, quantile, rate, reached};

pub(super) fn dashboard() -> Dashboard {
    let about = "Answers at the gates, their time, and errors; the other dashboards show the reasons.";
    let dashboard = Dashboard::new("overview", "City overview", about);
    saturation(duration(errors(traffic(well(dashboard)))))
}

fn well(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Health",
        [
            stat("Ready", Unit::Flag, "not-ready")
                .about("Yes if every gateway answers punches and verifies.")
                .well_from(1.0)
                .show("ready", gauge(of(metric::READY)).or_gone().min()),
            stat("Gateways gone", Unit::Count, "gone")
                .about("Gateways that do not answer Prometheus.")
                .ill_from(1.0)
                .show("gone", gone()),
            stat("Punches lost", Unit::Count, "punches-lost")
                .about(
                    "Punches that a device holds an acknowledgement for and the log does not \
                     have: the most that was known of within the time shown.",
                )
                .ill_from(1.0)
                .show("lost", reached(of(metric::LOST)).sum()),
            stat("Log failed", Unit::Flag, "ledger-poisoned")
                .about("Yes if a write or sync of a punch log has failed; that process ends.")
                .ill_from(1.0)
                .show("failed", gauge(of(metric::LEDGER_POISONED)).max()),
            stat("Disk full", Unit::Flag, "ledger-full")
                .about("Yes if a punch log's disk has no room; punches are then answered Busy.")
                .ill_from(1.0)
                .show("full", gauge(of(metric::LEDGER_FULL)).max()),
            stat("Parked", Unit::Count, "region-parked")
                .about("Regions that are parked after repeated failures.")
                .ill_from(1.0)
                .show("regions", gauge(of(metric::REGION_PARKED)).sum()),
            stat("Devices", Unit::Count, "handshakes-refused")
                .about("Devices that are connected.")
                .show("connected", gauge(of(metric::CONNECTIONS)).sum()),
            stat("Version", Unit::Count, "restart-storm")
                .about("Gateways by version.")
                .show("{{version}}", gauge(of(metric::BUILD_INFO)).sum_by("version")),
            stat("Made up", Unit::Flag, "gone")
                .about("Yes if a gateway serves synthetic people only: a development city, or a test.")
                .show("test", gauge(of(metric::TEST_GATEWAY)).max()),
        ],
    )
}

fn traffic(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Rate",
        [
            stack("Punches, by colour", Unit::PerSecond, "punch-availability")
                .about("People who passed and are on record, by the colour that was shown.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::PUNCHES)).sum_by("colour")),
            stack("Verifies, by colour", Unit::PerSecond, "verify-availability")
                .about("Codes that were verified without a record, by the colour that was shown.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::VERIFIES)).sum_by("colour")),
            lines("Punches, by district", Unit::PerSecond, "punch-availability")
                .about("The five busiest districts.")
                .show("{{region}}", rate(of(metric::PUNCHES)).sum_by("region").top()),
            lines("Verifies, by district", Unit::PerSecond, "verify-availability")
                .about("The five districts with the most verifies.")
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
            lines("Not answered", Unit::Ratio, "punch-availability")
                .about(
                    "Frames of scans that were told to wait, or that the gateway failed on, among \
                     all.",
                )
                .show("{{request}}", unanswered.share_of(rate(of(metric::REQUESTS)).sum_by("request"))),
            lines("Told to wait, by district", Unit::Ratio, "sheds")
                .about(
                    "Punches answered Busy among all that were offered, in the five worst \
                     districts. Their devices send them again.",
                )
                .show("{{region}}", refused().share_of(offered).top()),
            lines("No valid pass code", Unit::PerSecond, "verify-availability")
                .about("Scans that were no valid pass code, by reason.")
                .show("{{reason}}", rate(of(metric::NOT_A_PASS_CODE)).sum_by("reason").top()),
            lines("Refused to devices", Unit::PerSecond, "handshakes-refused")
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
                "punch-latency",
                "From reading a frame of punches until its durable answer was written.",
            ),
            both(
                "Verify",
                metric::VERIFY_SECONDS,
                "verify-latency",
                "From reading a frame of scans until its answer was written.",
            ),
        ],
    )
}

fn saturation(dashboard: Dashboard) -> Dashboard {
    let full =
        |in_use: &'static str, max: &'static str| gauge(of(in_use)).sum().share_of(gauge(of(max)).sum());
    let regions = gauge(of(metric::PERMITS_IN_USE)).sum_by("region");
    let handshakes = gauge(of(metric::HANDSHAKES_UNDER_WAY)).sum_by("front");
    let handshakes_max = gauge(of(metric::HANDSHAKES_MAX)).sum_by("front");
    dashboard.row(
        "Saturation",
        [
            lines("How full", Unit::Ratio, "sheds")
                .about("Share of each limit that is in use; beyond it requests are answered Busy or refused.")
                .show("log", full(metric::LEDGER_QUEUED, metric::LEDGER_QUEUE_MAX))
                .show("connections", full(metric::CONNECTIONS, metric::CONNECTIONS_MAX))
                .show("handshakes", handshakes.share_of(handshakes_max).max()),
            lines("Districts, how full", Unit::Ratio, "sheds")
                .about("Punches inside a district's actor as a share of the maximum, in the five fullest.")
                .show("{{region}}", regions.share_of(gauge(of(metric::PERMITS_MAX)).sum_by("region")).top()),
            lines("Processor", Unit::Cores, "sync-slow")
                .about("Processor cores that each gateway uses.")
                .show("{{instance}}", gauge(of(metric::PROCESS_CPU_CORES)).max_by("instance")),
            lines("Memory", Unit::Bytes, "restart-storm")
                .about("Memory that each gateway has in use.")
                .show("{{instance}}", gauge(of(metric::PROCESS_RESIDENT_BYTES)).max_by("instance")),
        ],
    )
}
