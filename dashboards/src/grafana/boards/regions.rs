//! The dashboard of districts and their devices: punches, refusals, clocks.

use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, bars, lines, stack};
use crate::grafana::query::{gauge, grown, of, quantile, rate};

pub(super) fn dashboard() -> Dashboard {
    let about = "Punches, refusals and devices by district. Choose districts above.";
    devices(districts(Dashboard::new("regions", "Regions and devices", about)))
}

fn districts(dashboard: Dashboard) -> Dashboard {
    let permits = gauge(of(metric::PERMITS_IN_USE)).sum_by("region");
    dashboard.row(
        "Districts",
        [
            stack("Punches", Unit::PerSecond, "punch-availability")
                .about("People who passed and are on record, by district.")
                .show("{{region}}", rate(of(metric::PUNCHES)).sum_by("region"))
                .wide(),
            stack("Colours shown", Unit::PerSecond, "punch-availability")
                .about("Colours of those who passed in the chosen districts.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::PUNCHES)).sum_by("colour")),
            lines("Verifies", Unit::PerSecond, "verify-availability")
                .about("Codes that were verified without a record, by district.")
                .show("{{region}}", rate(of(metric::VERIFIES)).sum_by("region")),
            lines("Told to wait", Unit::PerSecond, "sheds")
                .about("Punches answered Busy, by reason.")
                .show("{{reason}}", rate(of(metric::REFUSED)).sum_by("reason")),
            lines("Permits in use", Unit::Ratio, "sheds")
                .about("Punches inside a district's actor as a share of the maximum.")
                .show("{{region}}", permits.share_of(gauge(of(metric::PERMITS_MAX)).sum_by("region"))),
            lines("Parked", Unit::Flag, "region-parked")
                .about("Districts that are parked after repeated failures; they answer Busy.")
                .show("{{region}}", gauge(of(metric::REGION_PARKED)).max_by("region")),
            bars("Red, by district", Unit::Count, "manual-reds-burst")
                .about(
                    "Punches that showed red within the time shown, in the five districts with \
                     most of them.",
                )
                .show("{{region}}", grown(of(metric::PUNCHES).only("colour", "red")).sum_by("region").top()),
        ],
    )
}

fn devices(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Devices",
        [
            lines("Connected", Unit::Count, "handshakes-refused")
                .about("Devices that are connected, by gateway.")
                .show("{{instance}}", gauge(of(metric::CONNECTIONS)).sum_by("instance")),
            lines("Sent again, and gaps", Unit::PerSecond, "punch-availability")
                .about(
                    "Punches that were recorded already, and batches whose forerunners are \
                     missing: devices that connect anew.",
                )
                .show("sent again", rate(of(metric::DUPLICATES)).sum())
                .show("gaps", rate(of(metric::GAPS)).sum()),
            lines("Clocks", Unit::Seconds, "clock-skew")
                .about("Absolute difference between devices' clocks and the gateway's at each ping.")
                .show("p50", quantile(0.5, &of(metric::CLOCK_SKEW_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::CLOCK_SKEW_SECONDS))),
            lines("No valid pass code", Unit::PerSecond, "verify-availability")
                .about("Scans that were no valid pass code, by reason.")
                .show("{{reason}}", rate(of(metric::NOT_A_PASS_CODE)).sum_by("reason").top()),
            lines("Trajectory queries", Unit::PerSecond, "carrier-failing")
                .about("Queries of devices, by answer.")
                .show("{{outcome}}", rate(of(metric::QUERIES)).sum_by("outcome").top()),
            lines("Time of a query", Unit::Seconds, "carrier-waiting")
                .about("From a device's trajectory query to its answer.")
                .show("p50", quantile(0.5, &of(metric::QUERY_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::QUERY_SECONDS))),
            lines("Queries under way", Unit::Count, "carrier-waiting")
                .about("Trajectory queries of devices that wait for their answer.")
                .show("under way", gauge(of(metric::QUERIES_UNDER_WAY)).sum()),
        ],
    )
}
