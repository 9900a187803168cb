//! Alerts about the process: that it runs, that it can be reached, its certificates, its configuration and its clock.

use protocol::metric;

use crate::{Alert, Condition, Least, heartbeat, page, ticket};

const DAY_S: u32 = 86_400;
/// Seconds before the end of a certificate's validity for the ticket: an outside authority needs that long for a new one.
pub const CERTIFICATE_TICKET_S: u32 = 30 * DAY_S;
/// Seconds before the end of a certificate's validity for the page: the last working day, over a weekend.
pub const CERTIFICATE_PAGE_S: u32 = 3 * DAY_S;
const ENDS: &str = "The {certificate} certificate of {instance} is valid for another {value:time}";
const ENDED: &str = "On that day devices, or browsers, refuse to connect, all at once.";

pub(crate) const ALERTS: &[Alert] = &[
    // A Prometheus that scrapes no gateway at all reports it, too.
    page("gone", Condition::Query(&["up{job=\"changtong\"} == 0\nor absent(up{job=\"changtong\"})"]))
        .held(30)
        .says(
            "{{ with $labels.instance }}{{ . }} does not answer the scrape{{ else }}No gateway is scraped{{ end }}",
            "Gates of this gateway show no colour, and their devices keep punches until it is back.",
        )
        .nowhere("the page itself shows that the gateway does not answer"),
    page("not-ready", Condition::NotReady(metric::READY))
        .held(120)
        .says(
            "{instance} has not been ready for two minutes",
            "Until the codes are loaded every colour is unknown: staff decide by looking at documents.",
        )
        .overview("read the log, then start the gateway again"),
    // Each start measures another recovery time.
    page("restart-storm", Condition::Query(&["changes(", metric::RECOVERY_SECONDS, "[15m]) > 2"]))
        .says(
            "{instance} was started {value} times more within 15 minutes",
            "Each start cuts every gate off for some seconds. No acknowledged punch is lost.",
        )
        .nowhere("a process does not know the processes before it"),
    page("pages-failing", Condition::failing(metric::PAGES))
        .held(120)
        .says(
            "{value:share} of pages on {instance} fail",
            "Citizens cannot show their code, apply or check in. At the gates they need a printed code or a document.",
        )
        .overview("read the log; at the gates accept printed codes and documents"),
    ticket("handshakes-refused", Condition::Share {
            counter: metric::HANDSHAKES,
            by: None,
            // Attackers, devices without a valid certificate, and a flood, which is ignored without an answer.
            outcomes: &["failed", "ignored", "too-slow"],
            // Less is one party that tries.
            limit: 0.2,
            // Less is one device with an old certificate.
            least: Least::PerSecond(1.0),
            within_s: 300,
        })
        .held(300)
        .says(
            "{value:number} connections a second are refused by {instance}",
            "Some devices may be unable to connect: their gates work offline and keep their punches.",
        )
        .overview("read the log for their source: devices with bad certificates, or strangers"),
    page("certificate-expiry", Condition::Ends {
            metric: metric::CERTIFICATE_EXPIRES,
            before_s: CERTIFICATE_PAGE_S,
            from_s: None,
        })
        .says(
            ENDS,
            ENDED,
        )
        .overview("install a new one now"),
    ticket("certificate-expiry", Condition::Ends {
            metric: metric::CERTIFICATE_EXPIRES,
            before_s: CERTIFICATE_TICKET_S,
            from_s: Some(CERTIFICATE_PAGE_S),
        })
        .says(
            ENDS,
            ENDED,
        )
        .overview("order a new one"),
    ticket("reload-refused", Condition::above(metric::RELOAD_FAILED, 0.0))
        .held(300)
        .says(
            "{instance} refused its configuration's files and runs with the settings from before",
            "Nothing yet. The changes are not in effect, a new certificate for example, and a start would fail.",
        )
        .doctor_warns("the last reload was not refused", "run `changtong check-config`, correct the lines that it names, then `changtong reload`"),
    page("clock-wrong", Condition::above(metric::CLOCK_DISBELIEVED, 0.0))
        .held(60)
        .says(
            "The clock of {instance} shows an implausible time and is not believed",
            "Gates go on, and nothing ends or is destroyed by this clock. If it was never right since the start, people stay red whose time may be over.",
        )
        .doctor_fails("the clock is believed", "correct it; if it is right, two operators confirm that: `changtong clock believe`"),
    ticket("clock-skew", Condition::Quantile {
            histogram: metric::CLOCK_SKEW_SECONDS,
            quantile: 0.9,
            // Two thirds of the tolerance of tokens: devices that are further off begin to refuse good codes.
            limit: 20.0,
            within_s: 1_800,
        })
        .held(1_800)
        .says(
            "One ping in ten on {instance} comes from a clock that is off by {value:time}",
            "Punches keep both times, so none is wrong. Devices that check a code by themselves take good codes for old ones.",
        )
        .nowhere("its window is half an hour, and the overview keeps a quarter"),
    heartbeat("watchdog", Condition::Query(&["vector(1)"]))
        .says(
            "Prometheus evaluates rules and can send alerts",
            "This one always fires. Its receiver has to raise the alarm when it stops: then no other alert can be relied on.",
        )
        .nowhere("it always fires; only its absence is reported"),
];
