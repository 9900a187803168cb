//! QUIC and TLS: who comes in, how long that takes, what is refused and closed, and when certificates end.

use protocol::metric;

use crate::generate::dashboard::Dashboard;
use crate::generate::panel::{Unit, lines, stack, stat};
use crate::generate::query::{gauge, grown, of, quantile, rate, samples};
use crate::generate::runbook;

/// Days before its end when somebody should look at a certificate, and when it is late.
const ODD_S: f64 = 30.0 * 86_400.0;
const ILL_S: f64 = 7.0 * 86_400.0;

pub(super) fn dashboard() -> Dashboard {
    let about = "Whether devices get in, and why those that do not are turned away.";
    refusals(handshakes(Dashboard::new("quic", "QUIC and TLS", about)))
}

fn handshakes(dashboard: Dashboard) -> Dashboard {
    let under_way = gauge(of(metric::HANDSHAKES_UNDER_WAY)).sum();
    let connected = gauge(of(metric::CONNECTIONS)).sum();
    dashboard.row(
        "Handshakes",
        [
            stat("Certificates", Unit::Duration, runbook::CERTIFICATE_EXPIRY)
                .about("How long the certificates in use are still good.")
                .limits(ODD_S, ILL_S)
                .show(
                    "{{certificate}}",
                    gauge(of(metric::CERTIFICATE_EXPIRES)).min_by("certificate").time_left(),
                ),
            stat("Reload refused", Unit::Count, runbook::RELOAD_REFUSED)
                .about("Gateways whose last reload was refused: their files are not what is in effect.")
                .ill_from(1.0)
                .show("refused", gauge(of(metric::RELOAD_FAILED)).sum()),
            stat("Clock disbelieved", Unit::Count, runbook::CLOCK_WRONG)
                .about("Gateways that do not believe their own clock: nothing ends or is destroyed by it.")
                .ill_from(1.0)
                .show("gateways", gauge(of(metric::CLOCK_DISBELIEVED)).sum()),
            stat("Reloads", Unit::Count, runbook::RELOAD_REFUSED)
                .about("Times that the files were read again, by what came of it.")
                .show("{{outcome}}", grown(of(metric::RELOADS)).sum_by("outcome")),
            stat("Connected", Unit::Count, runbook::HANDSHAKES_REFUSED)
                .about("Devices that are connected.")
                .show("devices", connected.clone()),
            stat("Connections", Unit::Ratio, runbook::HANDSHAKES_REFUSED)
                .about("Connections that are open of those that may be.")
                .limits(0.7, 0.9)
                .show("full", connected.share_of(gauge(of(metric::CONNECTIONS_MAX)).sum())),
            stat("Under way", Unit::Ratio, runbook::HANDSHAKES_REFUSED)
                .about(
                    "Handshakes that are under way of those that may be; from half on addresses \
                     have to be proven first.",
                )
                .limits(0.5, 0.9)
                .show("full", under_way.share_of(gauge(of(metric::HANDSHAKES_MAX)).sum())),
            lines("Handshakes, by outcome", Unit::PerSecond, runbook::HANDSHAKES_REFUSED)
                .about("Handshakes: accepted, told to prove the address, ignored, failed, too slow.")
                .show("{{outcome}}", rate(of(metric::HANDSHAKES)).sum_by("outcome")),
            lines("Time of a handshake", Unit::Seconds, runbook::HANDSHAKES_REFUSED)
                .about("From a connection's first datagram until its handshake was done.")
                .show("p50", quantile(0.5, &of(metric::HANDSHAKE_SECONDS)))
                .show("p99", quantile(0.99, &of(metric::HANDSHAKE_SECONDS))),
        ],
    )
}

fn refusals(dashboard: Dashboard) -> Dashboard {
    dashboard.row(
        "What is turned away",
        [
            lines("Connections closed", Unit::PerSecond, runbook::HANDSHAKES_REFUSED)
                .about("Connections that the gateway closed, by error.")
                .show("{{reason}}", rate(of(metric::CLOSED)).sum_by("reason").top()),
            lines("Requests refused", Unit::PerSecond, runbook::HANDSHAKES_REFUSED)
                .about("Requests that were refused, by error.")
                .show("{{reason}}", rate(of(metric::REQUEST_ERRORS)).sum_by("reason").top()),
            stack("Frames of scans", Unit::PerSecond, runbook::PUNCH_AVAILABILITY)
                .about("Frames with scans that were answered, told to wait, or failed on.")
                .show("{{outcome}}", rate(of(metric::REQUESTS)).sum_by("outcome")),
            lines("Pings", Unit::PerSecond, runbook::CLOCK_SKEW)
                .about(
                    "Pings of devices that had nothing else to say; each tells how far its clock \
                     is off.",
                )
                .show("pings", samples(&of(metric::CLOCK_SKEW_SECONDS)).sum()),
            lines("Step of the clock", Unit::Seconds, runbook::CLOCK_WRONG)
                .about("How far a gateway's own clock is from the time that it can be, while it is not believed.")
                .show("{{instance}}", gauge(of(metric::CLOCK_STEP_SECONDS)).max_by("instance")),
        ],
    )
}
