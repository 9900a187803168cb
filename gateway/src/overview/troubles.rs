//! The fault now, in plain words, each under the id of the alert that Prometheus would raise for it, with the same threshold.
//! Windows are as long as the page remembers: what an alert waits minutes for is told at once, and what must never happen until the
//! process ends. What builds up over hours and days is Prometheus's alone.

use protocol::metric;
use serde::Serialize;

use super::between::Between;
use super::recent::Recent;
use super::ring::Ring;
use super::sample;
use crate::alarm::{self, Alarm};
use crate::exposition::Series;
use crate::finding::{Finding, State};
use crate::generate::Known;
use crate::generate::alerts::{
    CARRIER_REFUSED_SHARE, CERTIFICATE_PAGE_S, CERTIFICATE_TICKET_S, COLOUR_LAG_S, HANDSHAKES_REFUSED_MAX,
    HANDSHAKES_REFUSED_SHARE, PUNCHES_LATE_S, SHEDS_MAX, SYNC_SLOW_S,
};
use crate::status;

const DAY_S: f64 = 86_400.0;
const TICKET: &str = "ticket";

/// Gauges and counters of which any is too much, beside those that the doctor looks at.
const OTHERS: [Alarm; 5] = [
    Alarm {
        id: "manual-reds-burst",
        metric: metric::MANUAL_REDS_BURST,
        well: "no burst of reds by hand",
        ill: "more people were turned red by hand within an hour than a tracing team finds",
        action: "ask the operators now: people are held at the gates",
    },
    Alarm {
        id: "lookups-burst",
        metric: metric::LOOKUPS_BURST,
        well: "no burst of look-ups",
        ill: "operators looked at more people within an hour than a tracing team can call",
        action: "the log's lines `order` say who asked for what; the runbook says how to read them",
    },
    Alarm {
        id: "appeals-overdue",
        metric: metric::APPEALS_OVERDUE,
        well: "no appeal is overdue",
        ill: "appeals should have been answered by now",
        action: "answer them: each is somebody who says that they are held for no reason",
    },
    Alarm {
        id: "poison-batches",
        metric: metric::POISON_BATCHES,
        well: "every punch was judged",
        ill: "punches were recorded that could not be judged",
        action: "the passages are on record; the log names the place of the panic",
    },
    Alarm {
        id: "numbers-used",
        metric: metric::NUMBERS_USED,
        well: "no device used a number twice",
        ill: "a device sent other punches under numbers that it had used",
        action: "the log names the device: was it restored from an image, or does another use its key",
    },
];

/// One that the page tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    /// The alert's.
    pub(super) id: &'static str,
    /// `page`: somebody acts now; `ticket`: within the working day.
    pub(super) severity: &'static str,
    pub(super) what: String,
    pub(super) action: &'static str,
    /// Its section's file.
    pub(super) runbook: &'static str,
}

impl From<&Trouble> for status::Trouble {
    fn from(trouble: &Trouble) -> Self {
        let Trouble { id, severity, what, action, runbook } = trouble;
        let [id, severity, action, runbook] = [id, severity, action, runbook].map(|text| (*text).to_owned());
        Self { id, severity, what: what.clone(), action, runbook }
    }
}

/// The kinds of look-ups.
pub(super) struct Look<'a> {
    /// The metrics as they stand.
    pub(super) text: &'a str,
    /// The last minute.
    pub(super) minute: &'a Between<'a>,
    /// The last quarter of an hour.
    pub(super) ring: &'a Ring,
    pub(super) recent: &'a Recent,
    /// As `/ready` says it.
    pub(super) stage: &'a str,
    pub(super) now_s: u64,
    /// Names of districts that are parked.
    pub(super) parked: &'a [String],
}

/// Everything that is wrong, what wakes somebody first.
pub(super) fn troubles(look: &Look<'_>, known: &[Known]) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = findings(look)
        .into_iter()
        .filter(|finding| finding.state != State::Ok)
        .map(|finding| told(finding, known))
        .collect();
    troubles.sort_by_key(|trouble| trouble.severity == TICKET);
    troubles
}

/// A warning waits until somebody comes to work; a failure is as severe as its alert.
fn told(finding: Finding, known: &[Known]) -> Trouble {
    let alert =
        known.iter().find(|alert| alert.id == finding.id).expect("an id is an alert's: there is a test");
    let severity = if finding.state == State::Fail { alert.severity } else { TICKET };
    Trouble { id: finding.id, severity, what: finding.what, action: finding.action, runbook: alert.runbook }
}

/// Everything that is looked at.
pub(super) fn findings(look: &Look<'_>) -> Vec<Finding> {
    let alarms = alarm::ALARMS.iter().chain(&OTHERS);
    let mut findings: Vec<Finding> = alarms.map(|alarm| alarm.look(look.text)).collect();
    if let Some(parked) = findings.iter_mut().find(|finding| finding.id == "region-parked")
        && !look.parked.is_empty()
    {
        parked.what = format!("parked after repeated failures: {}", look.parked.join(", "));
    }
    let (carriers, reload) = (carriers(look), alarm::reload(look.text));
    findings.extend([
        ready(look.stage),
        carriers,
        reload,
        colours(look),
        actors(look.ring),
        log(look),
        age(look),
    ]);
    findings.extend([sheds(look.minute), handshakes(look.minute)]);
    findings.extend(look.recent.findings());
    findings.extend(certificates(look));
    findings
}

fn ready(stage: &str) -> Finding {
    const ID: &str = "not-ready";
    match stage {
        "ready" => Finding::ok(ID, "it is ready"),
        "loading codes" => Finding::warn(
            ID,
            "codes are being loaded: until all are, every colour is unknown",
            "wait; it takes seconds, and a minute for a large city",
        ),
        "draining" => Finding::warn(
            ID,
            "it is draining: devices are sent away, and it ends",
            "nothing, if it was told to end; else see the log",
        ),
        _ => Finding::fail(ID, format!("it is not ready: {stage}"), "see the log, and start it again"),
    }
}

/// Breakers are seen at once; a carrier that refuses whatever it is asked answers, and is asked on.
fn carriers(look: &Look<'_>) -> Finding {
    let breakers = alarm::breakers(look.text);
    let refuses = |carrier: &&str| {
        let of = |series: &Series<'_>| series.label("carrier") == Some(carrier);
        let refused = |series: &Series<'_>| of(series) && series.label("outcome") == Some("refused");
        let all = look.minute.grown(metric::CARRIER_QUERIES, of);
        look.minute.grown(metric::CARRIER_QUERIES, refused) > all * CARRIER_REFUSED_SHARE
    };
    let refusing: Vec<&str> = sample::carriers_of(look.minute).into_iter().filter(refuses).collect();
    if breakers.state != State::Ok || refusing.is_empty() {
        return breakers;
    }
    Finding::warn(
        breakers.id,
        format!("refuses most of what it is asked: {}", refusing.join(", ")),
        "ask the carrier; our certificate or key may no longer be theirs",
    )
}

fn colours(look: &Look<'_>) -> Finding {
    const ID: &str = "colour-lag";
    let lag_s = look.minute.sum(metric::COLOUR_LAG_SECONDS);
    match lag_s > f64::from(COLOUR_LAG_S) {
        true => Finding::fail(
            ID,
            format!("colours change {lag_s:.0} s late: people are shown red whose cause has ended"),
            "see whether the registrar is parked, and whether the registry's disk is slow",
        ),
        false => Finding::ok(ID, "colours change in time"),
    }
}

fn actors(ring: &Ring) -> Finding {
    const ID: &str = "actor-restarts";
    let restarts = ring.total(sample::RESTARTS);
    match restarts > 0.0 {
        true => Finding::warn(
            ID,
            format!("{restarts} restarts of actors within a quarter of an hour"),
            "the log names the place of each panic: it is a fault of the program",
        ),
        false => Finding::ok(ID, "no actor was restarted"),
    }
}

fn log(look: &Look<'_>) -> Finding {
    const ID: &str = "sync-slow";
    let slow = look.minute.quantile(0.99, metric::SYNC_SECONDS).filter(|slow| *slow > SYNC_SLOW_S);
    slow.map_or(Finding::ok(ID, "syncs are fast"), |slow| {
        Finding::warn(
            ID,
            format!("one sync of the punch log in a hundred takes {slow:.1} s: gates answer late"),
            "see what else writes to that disk, and whether it is failing",
        )
    })
}

fn age(look: &Look<'_>) -> Finding {
    const ID: &str = "punches-too-old";
    let oldest_s = look.minute.sum(metric::PUNCHES_OLDEST);
    let kept_s = look.minute.sum(metric::RETENTION_SECONDS) + f64::from(PUNCHES_LATE_S);
    match oldest_s > 0.0 && look.now_s as f64 - oldest_s > kept_s {
        true => Finding::warn(
            ID,
            "punches can still be read that should be gone by now",
            "run `changtong doctor`, which says why their key is still there",
        ),
        false => Finding::ok(ID, "punches are gone in time"),
    }
}

fn sheds(minute: &Between<'_>) -> Finding {
    const ID: &str = "sheds";
    let rate = |reason: &str| minute.rate(metric::SHED, |series| series.label("reason") == Some(reason));
    let reasons = minute.series(metric::SHED).iter().filter_map(|series| series.label("reason"));
    match reasons.map(|reason| (reason, rate(reason))).find(|(_, rate)| *rate > f64::from(SHEDS_MAX)) {
        Some((reason, rate)) => Finding::warn(
            ID,
            format!("devices are told to wait {rate:.1} times a second: {reason}"),
            "see what is full; devices send again by themselves",
        ),
        None => Finding::ok(ID, "nobody is told to wait"),
    }
}

fn handshakes(minute: &Between<'_>) -> Finding {
    const ID: &str = "handshakes-refused";
    let refused = minute.rate(metric::HANDSHAKES, sample::is_refused);
    let all = minute.rate(metric::HANDSHAKES, |_| true);
    match refused > f64::from(HANDSHAKES_REFUSED_MAX) && refused > all * HANDSHAKES_REFUSED_SHARE {
        true => Finding::warn(
            ID,
            format!("{refused:.1} connections a second are refused"),
            "see the log for which: devices with bad certificates, or strangers",
        ),
        false => Finding::ok(ID, "devices connect"),
    }
}

fn certificates(look: &Look<'_>) -> Vec<Finding> {
    const ID: &str = "certificate-expiry";
    let left = look.minute.series(metric::CERTIFICATE_EXPIRES).iter().map(|series| {
        let (whose, left_s) =
            (series.label("certificate").unwrap_or_default(), series.value - look.now_s as f64);
        let days = (left_s / DAY_S).floor();
        let ends = format!("the {whose} certificate ends in {days} days: then nobody can connect");
        match left_s {
            ..0.0 => Finding::fail(
                ID,
                format!("the {whose} certificate has ended: nobody can connect"),
                "put a new one in its place",
            ),
            _ if left_s < f64::from(CERTIFICATE_PAGE_S) => {
                Finding::fail(ID, ends, "put a new one in its place now")
            }
            _ if left_s < f64::from(CERTIFICATE_TICKET_S) => Finding::warn(ID, ends, "order a new one"),
            _ => Finding::ok(ID, "it is good"),
        }
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    const NOW_S: u64 = 1_800_000_000;

    fn look(before: &str, after: &str, stage: &str, restarts: f64) -> Vec<Trouble> {
        let minute = Between::new(before, after, 60.0);
        let mut ring = Ring::default();
        ring.push(0, vec![(sample::RESTARTS.to_owned(), Some(restarts))]);
        let parked = ["Huangpu".to_owned()];
        let parked = if after.contains(metric::REGION_PARKED) { &parked[..] } else { &[] };
        let mut recent = Recent::default();
        recent.push(&minute);
        let look =
            Look { text: after, minute: &minute, ring: &ring, recent: &recent, stage, now_s: NOW_S, parked };
        troubles(&look, &generate::known())
    }

    #[test]
    fn what_is_well_is_not_told() {
        let certificate = format!(
            "changtong_certificate_expires_timestamp_seconds{{certificate=\"quic\"}} {}\n",
            NOW_S + 40 * 86_400
        );
        assert_eq!(look("", &certificate, "ready", 0.0), []);
    }

    #[test]
    fn each_trouble_has_the_id_and_the_severity_of_its_alert() {
        let certificate = |days: u64| {
            let ends = NOW_S + days * 86_400 + 100;
            format!("changtong_certificate_expires_timestamp_seconds{{certificate=\"quic\"}} {ends}\n")
        };
        let slow = "changtong_ledger_sync_seconds_bucket{le=\"0.2\"} 0\nchangtong_ledger_sync_seconds_bucket{le=\"1\"} 9\n\
                    changtong_ledger_sync_seconds_bucket{le=\"+Inf\"} 9\n";
        let cases: &[(&str, &str, &str)] = &[
            ("changtong_punches_lost_total 3", "punches-lost", "page"),
            ("changtong_ledger_poisoned 1", "ledger-poisoned", "page"),
            ("changtong_ledger_full 1", "ledger-full", "page"),
            ("changtong_ledger_scrub_failures_total 1", "scrub-failed", "page"),
            ("changtong_region_parked{region=\"1\"} 1", "region-parked", "page"),
            ("changtong_registrar_parked 1", "registrar-parked", "page"),
            ("changtong_carrier_parked{carrier=\"china-mobile\"} 1", "carrier-parked", "ticket"),
            ("changtong_carrier_breaker{carrier=\"china-mobile\"} 2", "carrier-failing", "ticket"),
            ("changtong_colour_lag_seconds 31", "colour-lag", "page"),
            ("changtong_shed_total{reason=\"region\"} 61", "sheds", "ticket"),
            ("changtong_handshakes_total{outcome=\"failed\"} 61", "handshakes-refused", "ticket"),
            (
                "changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"refused\"} 9",
                "carrier-failing",
                "ticket",
            ),
            ("changtong_pages_total{page=\"code\",outcome=\"failed\"} 9", "pages-failing", "page"),
            ("changtong_registrar_acts_total{outcome=\"failed\"} 9", "registrar-failing", "page"),
            (
                "changtong_requests_total{request=\"verify\",outcome=\"failed\"} 11",
                "verify-availability",
                "page",
            ),
            ("changtong_reload_failed 1", "reload-refused", "ticket"),
            ("changtong_lookups_refused_total{lookup=\"person\"} 1", "lookups-refused", "ticket"),
            ("changtong_manual_reds_burst 1", "manual-reds-burst", "page"),
            ("changtong_lookups_burst 1", "lookups-burst", "page"),
            ("changtong_appeals_overdue 2", "appeals-overdue", "ticket"),
            ("changtong_poison_batches_total 1", "poison-batches", "ticket"),
            ("changtong_punch_numbers_used_total 1", "numbers-used", "ticket"),
            (
                "changtong_punches_oldest_timestamp_seconds 1\nchangtong_punches_retention_seconds 9",
                "punches-too-old",
                "ticket",
            ),
            (&certificate(2), "certificate-expiry", "page"),
            (&certificate(29), "certificate-expiry", "ticket"),
            (slow, "sync-slow", "ticket"),
        ];
        for (metrics, id, severity) in cases {
            let troubles = look("", metrics, "ready", 0.0);
            let found: Vec<_> = troubles.iter().map(|trouble| (trouble.id, trouble.severity)).collect();
            assert_eq!(found, [(*id, *severity)], "{metrics}");
        }
        assert!(
            look("", "changtong_region_parked{region=\"1\"} 1", "ready", 0.0)[0].what.ends_with("Huangpu")
        );
        assert_eq!(look("", "", "ready", 2.0)[0].id, "actor-restarts");
        for (stage, severity) in
            [("loading codes", "ticket"), ("draining", "ticket"), ("punch log failed", "page")]
        {
            assert_eq!(look("", "", stage, 0.0)[0].severity, severity, "{stage}");
        }
    }

    #[test]
    fn what_wakes_somebody_comes_first() {
        let metrics = "changtong_appeals_overdue 2\nchangtong_punches_lost_total 1\nchangtong_carrier_parked{carrier=\"x\"} 1\n";
        let severities: Vec<_> =
            look("", metrics, "ready", 0.0).iter().map(|trouble| trouble.severity).collect();
        assert_eq!(severities, ["page", "ticket", "ticket"]);
    }
}
