//! The dashboard of QUIC and TLS: handshakes, connections, refusals, certificates, clocks.

use alerts::{CERTIFICATE_PAGE_S, CERTIFICATE_TICKET_S};
use protocol::metric;

use crate::grafana::dashboard::Dashboard;
use crate::grafana::panel::{Unit, lines, stack, stat};
use crate::grafana::query::{gauge, grown, of, quantile, rate, samples};

pub(super) fn dashboard() -> Dashboard {
    let about = "Connections of devices, and the reasons of refusals.";
    refusals(handshakes(Dashboard::new("quic", "QUIC and TLS", about)))
}

fn handshakes(dashboard: Dashboard) -> Dashboard {
    let under_way = gauge(of(metric::HANDSHAKES_UNDER_WAY)).sum_by("front");
    let connected = gauge(of(metric::CONNECTIONS)).sum();
    dashboard.row(
        "Handshakes",
        [
            stat("Certificates", Unit::Duration, "certificate-expiry")
                .about("Time until the certificates in use expire.")
                .limits(CERTIFICATE_TICKET_S.into(), CERTIFICATE_PAGE_S.into())
                .show(
                    "{{certificate}}",
                    gauge(of(metric::CERTIFICATE_EXPIRES)).min_by("certificate").time_left(),
                ),
            stat("Reload refused", Unit::Count, "reload-refused")
                .about("Gateways whose last reload was refused: their files are not in effect.")
                .ill_from(1.0)
                .show("refused", gauge(of(metric::RELOAD_FAILED)).sum()),
            stat("Clock disbelieved", Unit::Count, "clock-wrong")
                .about("Gateways that do not believe their own clock: nothing ends or is destroyed by it.")
                .ill_from(1.0)
                .show("gateways", gauge(of(metric::CLOCK_DISBELIEVED)).sum()),
            stat("Reloads", Unit::Count, "reload-refused")
                .about("Reloads within the time shown, by outcome.")
                .show("{{outcome}}", grown(of(metric::RELOADS)).sum_by("outcome")),
            stat("Connected", Unit::Count, "handshakes-refused")
                .about("Devices that are connected.")
                .show("devices", connected.clone()),
            stat("Connections", Unit::Ratio, "handshakes-refused")
                .about("Open connections as a share of the maximum.")
                .limits(0.7, 0.9)
                .show("full", connected.share_of(gauge(of(metric::CONNECTIONS_MAX)).sum())),
            stat("Under way", Unit::Ratio, "handshakes-refused")
                .about(
                    "Handshakes that are under way of those that may be, on the fullest front; from half on \
                     addresses have to be proven first.",
                )
                .limits(0.5, 0.9)
                .show("full", under_way.share_of(gauge(of(metric::HANDSHAKES_MAX)).sum_by("front")).max()),
            stat("Fronts", Unit::Count, "handshakes-refused")
                .about("Threads that serve devices, each with a socket of its own, and those that the setting asks for.")
                .show("{{instance}}", gauge(of(metric::FRONTS)).max_by("instance"))
                .show("wanted by {{instance}}", gauge(of(metric::FRONTS_WANTED)).max_by("instance")),
            lines("Connections, by front", Unit::Count, "handshakes-refused")
                .about(
                    "Open connections of each front; clients choose fronts at random, so they fill evenly.",
                )
                .show("{{front}}", gauge(of(metric::CONNECTIONS)).sum_by("front")),
            lines("Handshakes, by outcome", Unit::PerSecond, "handshakes-refused")
                .about(
                    "Handshakes by outcome: accepted, asked to prove the address, ignored, failed, too slow.",
                )
                .show("{{outcome}}", rate(of(metric::HANDSHAKES)).sum_by("outcome")),
            lines("Time of a handshake", Unit::Seconds, "handshakes-refused")
                .about("From a connection's first datagram until its handshake was done.")
                .show("p50", quantile(0.5, &of(metric::HANDSHAKE_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::HANDSHAKE_SECONDS))),
        ],
    )
}

fn refusals(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "Refusals",
        [
            lines("Connections closed", Unit::PerSecond, "handshakes-refused")
                .about("Connections that the gateway closed, by error.")
                .show("{{reason}}", rate(of(metric::CLOSED)).sum_by("reason").top()),
            lines("Requests refused", Unit::PerSecond, "handshakes-refused")
                .about("Requests that were refused, by error.")
                .show("{{reason}}", rate(of(metric::REQUEST_ERRORS)).sum_by("reason").top()),
            stack("Frames of scans", Unit::PerSecond, "punch-availability")
                .about("Frames with scans by outcome: answered, Busy, failed.")
                .show("{{outcome}}", rate(of(metric::REQUESTS)).sum_by("outcome")),
            lines("Pings", Unit::PerSecond, "clock-skew")
                .about(
                    "Pings of devices that had nothing else to say; each tells how far its clock \
                     is off.",
                )
                .show("pings", samples(&of(metric::CLOCK_SKEW_SECONDS)).sum()),
            lines("Step of the clock", Unit::Seconds, "clock-wrong")
                .about("Difference of a gateway's clock from the believed time, while it is not believed.")
                .show("{{instance}}", gauge(of(metric::CLOCK_STEP_SECONDS)).max_by("instance")),
        ],
    )
}
