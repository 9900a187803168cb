//! Districts and the devices that stand in them: who passes where, who is told to wait, which clocks are off.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, bars, lines, stack};
use crate::generate::query::{gauge, grown, of, quantile, rate};
use crate::generate::runbook;

pub(super) fn dashboard() -> Dashboard {
    let about = "Each district's share, and what its devices go through. Choose districts above.";
    devices(districts(Dashboard::new("regions", "Regions and devices", about)))
}

fn districts(dashboard: Dashboard) -> Dashboard {
    let permits = gauge(of(metric::PERMITS_IN_USE)).sum_by("region");
    dashboard.row(
        "Districts",
        [
            stack("Punches", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("People who passed and are on record, by district.")
                .show("{{region}}", rate(of(metric::PUNCHES)).sum_by("region"))
                .wide(),
            stack("Colours shown", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("Colours of those who passed in the chosen districts.")
                .in_colours_of_codes()
                .show("{{colour}}", rate(of(metric::PUNCHES)).sum_by("colour")),
            lines("Verifies", Unit::PerSecond, runbook::VERIFY_AVAILABILITY)
                .about("Codes that were looked at without a record, by district.")
                .show("{{region}}", rate(of(metric::VERIFIES)).sum_by("region")),
            lines("Told to wait", Unit::PerSecond, runbook::SHEDS)
                .about("Punches answered Busy, by why.")
                .show("{{reason}}", rate(of(metric::REFUSED)).sum_by("reason")),
            lines("Permits in use", Unit::Ratio, runbook::SHEDS)
                .about("Punches inside a district's actor of those that may be.")
                .show("{{region}}", permits.share_of(gauge(of(metric::PERMITS_MAX)).sum_by("region"))),
            lines("Parked", Unit::Flag, runbook::REGION_PARKED)
                .about("Districts that are parked after repeated failures; they answer Busy.")
                .show("{{region}}", gauge(of(metric::REGION_PARKED)).max_by("region")),
            bars("Red, by district", Unit::Count, runbook::MANUAL_REDS)
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
            lines("Connected", Unit::Count, runbook::HANDSHAKES_REFUSED)
                .about("Devices that are connected, by gateway.")
                .show("{{instance}}", gauge(of(metric::CONNECTIONS)).sum_by("instance")),
            lines("Sent again, and gaps", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about(
                    "Punches that were recorded already, and batches whose forerunners are \
                     missing: devices that connect anew.",
                )
                .show("sent again", rate(of(metric::DUPLICATES)).sum())
                .show("gaps", rate(of(metric::GAPS)).sum()),
            lines("Clocks", Unit::Seconds, runbook::CLOCK_SKEW)
                .about("How far devices' clocks are from the gateway's, either way, at each ping.")
                .show("p50", quantile(0.5, &of(metric::CLOCK_SKEW_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::CLOCK_SKEW_SECONDS))),
            lines("No valid pass code", Unit::PerSecond, runbook::VERIFY_AVAILABILITY)
                .about("Scans that were no valid pass code, by what was wrong with them.")
                .show("{{reason}}", rate(of(metric::NOT_A_PASS_CODE)).sum_by("reason").top()),
            lines("Trajectory queries", Unit::PerSecond, runbook::CARRIER_FAILING)
                .about("Queries of devices, by what they were answered.")
                .show("{{outcome}}", rate(of(metric::QUERIES)).sum_by("outcome").top()),
            lines("Time of a query", Unit::Seconds, runbook::CARRIER_WAITING)
                .about("From a device's trajectory query to its answer.")
                .show("p50", quantile(0.5, &of(metric::QUERY_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::QUERY_SECONDS))),
            lines("Queries under way", Unit::Count, runbook::CARRIER_WAITING)
                .about("Trajectory queries of devices that wait for their answer.")
                .show("under way", gauge(of(metric::QUERIES_UNDER_WAY)).sum()),
        ],
    )
}
