//! The events that a person must act on, besides the objectives: first what people at the gates notice, then what only this system has. Each
//! group is a runbook, each alert a section of it.

use actors::bounds;
use protocol::metric;

use super::rules::{Alert, Group, Severity};

/// A gateway that is started again and again gives another recovery time each time.
const RESTARTS_MAX: u32 = 2;
/// Two thirds of the time that a token's clock may be off: devices that are further off begin to refuse good codes.
const SKEW_S: u32 = 20;
/// A colour that is due is made within a second; people are held, or let through, for the rest of it.
pub(crate) const COLOUR_LAG_S: u32 = 30;
const DAY_S: u32 = 86_400;
/// A new certificate takes an authority's other side that long.
pub(crate) const CERTIFICATE_TICKET_S: u32 = 30 * DAY_S;
/// The last working day, over a weekend.
pub(crate) const CERTIFICATE_PAGE_S: u32 = 3 * DAY_S;
/// One sync in a hundred of a disk that is well takes less.
pub(crate) const SYNC_SLOW_S: f64 = 0.2;
/// A second, of one reason: less than that nobody notices.
pub(crate) const SHEDS_MAX: u32 = 1;
/// A second: less is somebody with an old certificate.
pub(crate) const HANDSHAKES_REFUSED_MAX: u32 = 1;
/// And that share of all: less is somebody who tries.
pub(crate) const HANDSHAKES_REFUSED_SHARE: f64 = 0.2;
/// Fewer failures than that within five minutes wake nobody: at night one of five would be a fifth.
const FAILED_MIN: u32 = 10;
/// Punches end with the day that they are kept until, and their keys within the hour after it.
pub(crate) const PUNCHES_LATE_S: u32 = DAY_S + 3_600;

/// Of pages, and of acts on people and colours: one in twenty is more than a few unlucky ones.
pub(crate) const FAILING_SHARE: f64 = 0.05;
/// Of a carrier's queries: it refuses us, and not some people.
pub(crate) const CARRIER_REFUSED_SHARE: f64 = 0.5;

/// Every group.
pub(super) fn groups() -> Vec<Group> {
    [("gateway", gateway()), ("punches", punches()), ("actors", actors()), ("carriers", carriers())]
        .into_iter()
        .chain([("people", people())])
        .map(|(runbook, alerts)| Group { runbook, records: Vec::new(), alerts })
        .collect()
}

fn page(id: &'static str, expr: impl Into<String>) -> Alert {
    Alert::new(id, Severity::Page, expr)
}

fn ticket(id: &'static str, expr: impl Into<String>) -> Alert {
    Alert::new(id, Severity::Ticket, expr)
}

/// Too many of them fail, and not a few at night.
fn failing(counter: &str) -> String {
    let failed = format!("{counter}{{outcome=\"failed\"}}[5m]");
    format!(
        "sum by (instance) (rate({failed}))\n/ sum by (instance) (rate({counter}[5m])) > {FAILING_SHARE}\n\
         and sum by (instance) (increase({failed})) >= {FAILED_MIN}"
    )
}

/// The process: whether it is there, and who can reach it.
fn gateway() -> Vec<Alert> {
    let mut alerts = vec![
        // A gateway that nobody is told to scrape is gone, too.
        page("gone", "up{job=\"changtong\"} == 0\nor absent(up{job=\"changtong\"})").held("30s").says(
            "{{ with $labels.instance }}{{ . }} does not answer the scrape{{ else }}No gateway is scraped{{ end }}",
            "Gates of this gateway show no colour, and their devices keep punches until it is back.",
        ),
        page("not-ready", format!("{} == 0", metric::READY)).held("2m").says(
            "{{ $labels.instance }} has not been ready for two minutes",
            "Until the codes are loaded every colour is unknown: staff decide by looking at documents.",
        ),
        page("restart-storm", format!("changes({}[15m]) > {RESTARTS_MAX}", metric::RECOVERY_SECONDS)).says(
            "{{ $labels.instance }} was started {{ $value }} times more within 15 minutes",
            "Each start cuts every gate off for some seconds. No acknowledged punch is lost.",
        ),
        page("pages-failing", failing(metric::PAGES)).held("2m").says(
            "{{ $value | humanizePercentage }} of pages on {{ $labels.instance }} fail",
            "Citizens cannot show their code, apply or check in. At the gates they need a printed code or a document.",
        ),
        handshakes_refused(),
    ];
    alerts.extend(certificate_expiry());
    alerts.extend([
        ticket("reload-refused", format!("{} > 0", metric::RELOAD_FAILED)).held("5m").says(
            "{{ $labels.instance }} refused its configuration's files and runs with what it had before",
            "Nothing yet. What was to be changed is not, such as a certificate that ends, and a start would fail.",
        ),
        page("clock-wrong", format!("{} > 0", metric::CLOCK_DISBELIEVED)).held("1m").says(
            "{{ $labels.instance }} does not believe its clock",
            "Gates go on, and nothing ends or is destroyed by this clock. If it was never right since the start, people stay red whose time may be over.",
        ),
        ticket(
            "clock-skew",
            format!("histogram_quantile(0.9, sum by (instance, le) (rate({}_bucket[30m]))) > {SKEW_S}", metric::CLOCK_SKEW_SECONDS),
        )
        .held("30m")
        .says(
            "One ping in ten on {{ $labels.instance }} comes from a clock that is off by {{ $value | humanizeDuration }}",
            "Punches keep both times, so none is wrong. Devices that check a code by themselves take good codes for old ones.",
        ),
        Alert::new("watchdog", Severity::Heartbeat, "vector(1)").says(
            "Prometheus evaluates rules and can tell somebody",
            "This one always fires. Whoever receives it has to raise the alarm when it stops: then no other alert can be relied on.",
        ),
    ]);
    alerts
}

/// Failed ones are attackers, or devices whose certificates are no good; a flood is ignored without an answer.
fn handshakes_refused() -> Alert {
    let handshakes = metric::HANDSHAKES;
    let refused =
        format!("sum by (instance) (rate({handshakes}{{outcome=~\"failed|ignored|too-slow\"}}[5m]))");
    let (most, share) = (HANDSHAKES_REFUSED_MAX, HANDSHAKES_REFUSED_SHARE);
    let expr =
        format!("{refused} > {most}\nand {refused} / sum by (instance) (rate({handshakes}[5m])) > {share}");
    ticket("handshakes-refused", expr).held("5m").says(
        "{{ $value | humanize }} connections a second are refused by {{ $labels.instance }}",
        "Some devices may be unable to connect: their gates work offline and keep their punches.",
    )
}

fn certificate_expiry() -> [Alert; 2] {
    let left = format!("{} - time()", metric::CERTIFICATE_EXPIRES);
    let (soon, month) = (CERTIFICATE_PAGE_S, CERTIFICATE_TICKET_S);
    let meaning = "On that day devices, or browsers, refuse to connect, all at once.";
    let summary = "The {{ $labels.certificate }} certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}";
    [
        page("certificate-expiry", format!("{left} < {soon}")).says(summary, meaning),
        ticket("certificate-expiry", format!("{left} < {month} and {left} >= {soon}")).says(summary, meaning),
    ]
}

/// The punch log.
fn punches() -> Vec<Alert> {
    vec![
        page("punches-lost", format!("max_over_time({}[1h]) > 0", metric::LOST)).says(
            "{{ $labels.instance }} does not have {{ $value }} punches that devices hold acknowledgements for",
            "Nobody is held up. Passages that somebody was told are on record are not: contact tracing misses them.",
        ),
        // The process ends soon after: the window outlives it.
        page("ledger-poisoned", format!("max_over_time({}[10m]) > 0", metric::LEDGER_POISONED)).says(
            "A write or sync of the punch log failed on {{ $labels.instance }}; the process ends with code 75",
            "The gates are cut off until it is started again; what was acknowledged is on disk. The disk may be failing.",
        ),
        page("ledger-full", format!("{} > 0", metric::LEDGER_FULL)).says(
            "The disk of {{ $labels.instance }} has no room for punches",
            "Colours are still shown. Punches wait in the devices, and people may wait with them, until there is room.",
        ),
        // A whole day: within it logs and copies come and go. And a day of data: of less a peak would be the whole.
        ticket(
            "disk-filling",
            format!(
                "predict_linear({0}[1d], {1}) < 0\nand {0} offset 1d",
                metric::DISK_FREE_BYTES,
                4 * DAY_S
            ),
        )
        .held("1h")
        .says(
            "The disk of {{ $labels.instance }} is full within four days if it goes on like this",
            "Nothing yet. Once it is full no punch is acknowledged.",
        ),
        page("scrub-failed", format!("increase({}[2h]) > 0", metric::SCRUB_FAILURES)).says(
            "A closed segment of the punch log on {{ $labels.instance }} is not what was written",
            "Nobody is held up. Passages of that hour may be unreadable, and the gateway may not start on this log again.",
        ),
        ticket(
            "sync-slow",
            format!("histogram_quantile(0.99, sum by (instance, le) (rate({}_bucket[5m]))) > {SYNC_SLOW_S}", metric::SYNC_SECONDS),
        )
        .held("5m")
        .says(
            "One sync in a hundred takes {{ $value | humanizeDuration }} on {{ $labels.instance }}",
            "Each punch waits for a sync: the gates answer late.",
        ),
        ticket("sheds", format!("sum by (instance, reason) (rate({}[5m])) > {SHEDS_MAX}", metric::SHED)).held("5m").says(
            "{{ $labels.instance }} answers Busy ({{ $labels.reason }}) {{ $value | humanize }} times a second",
            "Devices send again by themselves; people at these gates wait a little longer.",
        ),
        ticket("numbers-used", format!("increase({}[1h]) > 0", metric::NUMBERS_USED)).says(
            "A device of {{ $labels.instance }} sent other punches under numbers that it had used",
            "One gate was answered late: its device has to number anew. Nobody was shown another person's colour.",
        ),
        ticket(
            "punches-too-old",
            format!(
                "time() - ({oldest} > 0) > {kept} + {late}",
                oldest = metric::PUNCHES_OLDEST,
                kept = metric::RETENTION_SECONDS,
                late = PUNCHES_LATE_S
            ),
        )
        .held("1h")
        .says(
            "{{ $labels.instance }} still has punches that are {{ $value | humanizeDuration }} old",
            "People were promised that passages are gone after 14 days. Nobody is held up.",
        ),
    ]
}

/// Parked for more than half of the last while. An actor is parked for 30 seconds, and most are well after that: nobody is told. One
/// that is parked again and again, a few seconds in between, is one alert. It is held for a minute: what has just been started has no
/// two minutes to look back on.
fn parked(gauge: &str) -> String {
    format!("avg_over_time({gauge}[2m]) > 0.5")
}

/// Supervised actors.
fn actors() -> Vec<Alert> {
    vec![
        page("region-parked", parked(metric::REGION_PARKED)).held("1m").says(
            "Region {{ $labels.region }} on {{ $labels.instance }} is parked after repeated failures",
            "Gates of this region show colours and record nothing: their devices keep the punches. Other regions are well.",
        ),
        page("registrar-parked", parked(metric::REGISTRAR_PARKED)).held("1m").says(
            "The registrar of {{ $labels.instance }} is parked after repeated failures",
            "Nobody can apply or modify, and no colour changes: who is due to turn green stays red. Gates go on as before.",
        ),
        page("registrar-failing", failing(metric::REGISTRAR_ACTS)).held("2m").says(
            "{{ $value | humanizePercentage }} of acts on people and colours fail on {{ $labels.instance }}",
            "Citizens' forms and operators' orders are not taken. Gates show the colours as they were.",
        ),
        page("colour-lag", format!("{} > {COLOUR_LAG_S}", metric::COLOUR_LAG_SECONDS)).held("2m").says(
            "Colours on {{ $labels.instance }} change {{ $value | humanizeDuration }} late",
            "People whose cause has ended are still shown red, and are held up at the gates without reason.",
        ),
        ticket(
            "actor-restarts",
            format!("sum by (instance, actor) (increase({}[15m])) > 0", metric::RESTARTS),
        )
        .says(
            "{{ $labels.actor }} panicked on {{ $labels.instance }} and was restarted",
            "Nobody's acknowledged punch was lost; a few people waited for a second. It is a fault of the program.",
        ),
        ticket("poison-batches", format!("increase({}[1h]) > 0", metric::POISON_BATCHES)).says(
            "{{ $labels.instance }} recorded punches that it could not judge",
            "At one gate the staff were told to decide by themselves. The passages are on record.",
        ),
    ]
}

/// Queries: is it them, or us?
fn carriers() -> Vec<Alert> {
    let (breaker, asked) = (metric::CARRIER_BREAKER, metric::CARRIER_QUERIES);
    let own = metric::CARRIER_WAIT_SECONDS;
    // Sums have no label `job`, gauges do: without this one carrier would be two alerts, or become another one.
    let by_carrier = |gauge: &str| format!("max by (instance, carrier) ({gauge})");
    let in_use = by_carrier(metric::CARRIER_PERMITS_IN_USE);
    let (most, open) = (by_carrier(metric::CARRIER_PERMITS_MAX), by_carrier(breaker));
    let stays_open = by_carrier(&format!("min_over_time({breaker}[2m])"));
    vec![
        ticket(
            "carrier-failing",
            format!(
                "{stays_open} > 0\nor on (instance, carrier)\nsum by (instance, carrier) (rate({asked}{{outcome=\"refused\"}}[5m]))\n/ sum by (instance, carrier) (rate({asked}[5m])) > {CARRIER_REFUSED_SHARE}"
            ),
        )
        .held("1m")
        .says(
            "{{ $labels.carrier }} does not answer {{ $labels.instance }}, or refuses what it is asked (them)",
            "Its subscribers get no answer: they declare for themselves, or show the carrier's own travel page. Gates are as fast as ever.",
        ),
        ticket(
            "carrier-waiting",
            format!(
                "(\n  histogram_quantile(0.9, sum by (instance, carrier, le) (rate({own}_bucket[5m]))) > 0.5\n  or on (instance, carrier)\n  {in_use} / ({most} > 0) > 0.9\n)\nunless on (instance, carrier) {open} > 0"
            ),
        )
        .held("5m")
        .says(
            "Queries of {{ $labels.carrier }} wait on {{ $labels.instance }} before they are sent (us)",
            "Citizens wait for an answer that the carrier would give, or are told to ask again. Gates are as fast as ever.",
        ),
        ticket("carrier-parked", parked(metric::CARRIER_PARKED)).held("1m").says(
            "The actor of {{ $labels.carrier }} on {{ $labels.instance }} is parked after repeated failures (us)",
            "Its subscribers get no answer and declare for themselves. Other carriers and the gates are well.",
        ),
    ]
}

/// Says what operators do, and what citizens wait for.
fn people() -> Vec<Alert> {
    vec![
        page("manual-reds-burst", format!("{} > 0", metric::MANUAL_REDS_BURST)).says(
            "More people were turned red by hand within an hour on {{ $labels.instance }} than a tracing team finds",
            "If it is a mistake, or abuse, more than a hundred people are being held at the gates now.",
        ),
        page("lookups-burst", format!("{} > 0", metric::LOOKUPS_BURST)).says(
            "Operators looked at more people within an hour on {{ $labels.instance }} than a tracing team can call",
            "Nobody is held up. Somebody may be reading where people were, without a reason.",
        ),
        ticket("lookups-refused", format!("increase({}[1h]) > 0", metric::LOOKUPS_REFUSED)).says(
            "An operator of {{ $labels.instance }} has looked at as much as one may in a day ({{ $labels.lookup }})",
            "Nobody is held up. Either the work needs a second operator, or somebody looks without a reason.",
        ),
        sign_in_flood(),
        ticket("appeals-overdue", format!("{} > 0", metric::APPEALS_OVERDUE)).held("5m").says(
            "{{ $value }} appeals on {{ $labels.instance }} should have been answered by now",
            "Each is somebody who says that they are held for no reason, and has waited for three days.",
        ),
    ]
}

/// Says what all strangers have together is used up: no network by itself can do that.
fn sign_in_flood() -> Alert {
    let bounds = [bounds::SMS_ALL, bounds::WRONG_ALL].map(|bound| bound.name).join("|");
    let limited = metric::LIMITED;
    page("sign-in-flood", format!("sum by (instance) (increase({limited}{{bound=~\"{bounds}\"}}[5m])) > 0")).says(
        "Many networks together ask {{ $labels.instance }} for codes by SMS, or guess at them, beyond what a city does",
        "People whose browser has never signed in wait for their code, or have one try for it. Everybody else signs in as ever.",
    )
}
