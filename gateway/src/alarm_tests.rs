//! The alerts that a gateway raises for itself: ids, severities, windows, and the words.

use protocol::metric;

use super::*;
use crate::finding::State;
use crate::history::tests::readings;

const NOW_S: u64 = 1_800_000_000;

fn look(texts: &[(u64, &str)], stage: &str) -> Vec<Trouble> {
    troubles(&readings(texts), stage, NOW_S, &|label, value| match label {
        "region" => format!("Huangpu {value}"),
        _ => value.to_owned(),
    })
}

/// Ids of what is raised after these metrics have grown from nothing, and after so many seconds in which they stood still.
fn raised_after(text: &str, quiet_s: u64) -> Vec<String> {
    let troubles = look(&[(0, ""), (10, text), (10 + quiet_s, text)], "ready");
    troubles.into_iter().map(|trouble| trouble.id).collect()
}

#[test]
fn nothing_is_raised_when_all_is_well() {
    let certificate = format!(
        "changtong_certificate_expires_timestamp_seconds{{certificate=\"quic\"}} {}\n",
        NOW_S + 40 * 86_400
    );
    assert!(look(&[(0, ""), (60, &certificate)], "ready").is_empty());
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
        ("changtong_fleet_punches_unconfirmed 1", "punches-unconfirmed", "ticket"),
        ("changtong_ledger_poisoned 1", "ledger-poisoned", "page"),
        ("changtong_ledger_full 1", "ledger-full", "page"),
        ("changtong_ledger_scrub_failures_total 1", "scrub-failed", "page"),
        ("changtong_region_parked{region=\"1\"} 1", "region-parked", "page"),
        ("changtong_registrar_parked 1", "registrar-parked", "page"),
        ("changtong_fleet_colours_age_seconds 61", "fleet-adrift", "page"),
        ("changtong_fleet_lag_messages 1001", "fleet-lag", "ticket"),
        ("changtong_fleet_copy_age_seconds 61", "fleet-copy", "ticket"),
        ("changtong_carrier_parked{carrier=\"china-mobile\"} 1", "carrier-parked", "ticket"),
        ("changtong_carrier_breaker{carrier=\"china-mobile\"} 2", "carrier-failing", "ticket"),
        ("changtong_colour_lag_seconds 31", "colour-lag", "page"),
        ("changtong_actor_restarts_total{actor=\"region-1\"} 2", "actor-restarts", "ticket"),
        ("changtong_shed_total{reason=\"region\"} 61", "sheds", "ticket"),
        ("changtong_handshakes_total{outcome=\"failed\"} 61", "handshakes-refused", "ticket"),
        (
            "changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"refused\"} 9",
            "carrier-failing",
            "ticket",
        ),
        ("changtong_pages_total{page=\"code\",outcome=\"failed\"} 10", "pages-failing", "page"),
        ("changtong_registrar_acts_total{outcome=\"failed\"} 10", "registrar-failing", "page"),
        ("changtong_requests_total{request=\"verify\",outcome=\"failed\"} 11", "verify-availability", "page"),
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
        ("changtong_clock_disbelieved 1", "clock-wrong", "page"),
    ];
    for (metrics, id, severity) in cases {
        let troubles = look(&[(0, ""), (60, metrics)], "ready");
        let found: Vec<_> = troubles.iter().map(|one| (one.id.as_str(), one.severity.as_str())).collect();
        assert_eq!(found, [(*id, *severity)], "{metrics}");
        let text = &troubles[0].what;
        assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
    }
    for (stage, severity) in
        [("loading codes", "ticket"), ("draining", "ticket"), ("punch log failed", "page")]
    {
        let troubles = look(&[(0, ""), (60, "")], stage);
        assert_eq!(
            (troubles[0].id.as_str(), troubles[0].severity.as_str()),
            ("not-ready", severity),
            "{stage}"
        );
    }
}

#[test]
fn every_alert_that_is_shown_here_has_a_case_above() {
    let tested = include_str!("alarm_tests.rs");
    for alert in alerts::all().filter(|alert| !matches!(alert.shown, Shown::Nowhere(_))) {
        assert!(tested.contains(&format!("\"{}\"", alert.id)), "{}", alert.id);
    }
}

#[test]
fn what_wakes_a_person_comes_first() {
    let metrics = "changtong_appeals_overdue 2\nchangtong_punches_lost_total 1\nchangtong_carrier_parked{carrier=\"x\"} 1\n";
    let troubles = look(&[(0, ""), (60, metrics)], "ready");
    let severities: Vec<_> = troubles.iter().map(|trouble| trouble.severity.as_str()).collect();
    assert_eq!(severities, ["page", "ticket", "ticket"]);
}

#[test]
fn sentences_name_the_series_and_the_value() {
    let cases = [
        (
            "changtong_region_parked{region=\"1\"} 1\nchangtong_region_parked{region=\"2\"} 0\n\
             changtong_region_parked{region=\"3\"} 1\n",
            "region Huangpu 1, Huangpu 3 on this gateway is parked after repeated failures",
        ),
        ("changtong_colour_lag_seconds 7200\n", "colours on this gateway change 2 hours late"),
        ("changtong_appeals_overdue 2\n", "2 appeals on this gateway should have been answered by now"),
        (
            "changtong_requests_total{request=\"verify\",outcome=\"busy\"} 30\n\
             changtong_requests_total{request=\"verify\",outcome=\"answered\"} 60\n",
            "too many verifies on this gateway are not answered (33.3 % within 5 minutes)",
        ),
        (
            "changtong_certificate_expires_timestamp_seconds{certificate=\"quic\"} 5\n",
            "the quic certificate of this gateway is valid for another 0 s",
        ),
    ];
    for (metrics, expected) in cases {
        assert_eq!(look(&[(0, ""), (60, metrics)], "ready")[0].what, expected);
    }
}

fn requests(request: &str, answered: u32, busy: u32) -> String {
    format!(
        "changtong_requests_total{{request=\"{request}\",outcome=\"answered\"}} {answered}\n\
         changtong_requests_total{{request=\"{request}\",outcome=\"busy\"}} {busy}\n"
    )
}

fn answers(histogram: &str, limit: &str, in_time: u32, all: u32) -> String {
    format!(
        "{histogram}_bucket{{le=\"{limit}\"}} {in_time}\n{histogram}_bucket{{le=\"+Inf\"}} {all}\n\
         {histogram}_count {all}\n"
    )
}

#[test]
fn an_objective_is_missed_as_soon_as_more_than_a_few_are_bad() {
    let (verify, punch) = (metric::VERIFY_SECONDS, metric::PUNCH_SECONDS);
    let cases = [
        (requests("verify", 2_700, 300), "verify-availability"),
        (requests("punch", 2_700, 300), "punch-availability"),
        (answers(verify, "0.05", 2_400, 3_000), "verify-latency"),
        (answers(punch, "0.25", 2_400, 3_000), "punch-latency"),
    ];
    for (text, id) in cases {
        assert_eq!(raised_after(&text, 0), [id], "{text}");
        assert_eq!(raised_after(&text, 290), [id], "{text}");
        assert_eq!(raised_after(&text, 310), [""; 0], "it no longer goes on: {text}");
    }
    for text in [
        requests("verify", 300_000, 300),
        requests("punch", 0, 0),
        answers(verify, "0.05", 2_700, 3_000),
        String::new(),
    ] {
        assert_eq!(raised_after(&text, 0), [""; 0], "{text}");
    }
    assert_eq!(raised_after(&requests("verify", 0, 10), 0), [""; 0], "at night ten wake nobody");
}

#[test]
fn failures_of_pages_and_acts_and_refused_lookups_are_told() {
    let counter = |name: &str, failed: u32, all: u32| {
        format!("{name}{{outcome=\"failed\"}} {failed}\n{name}{{outcome=\"answered\"}} {}\n", all - failed)
    };
    for (metric, id) in [(metric::PAGES, "pages-failing"), (metric::REGISTRAR_ACTS, "registrar-failing")] {
        assert_eq!(raised_after(&counter(metric, 11, 200), 290), [id]);
        assert_eq!(raised_after(&counter(metric, 11, 200), 310), [""; 0]);
        assert_eq!(raised_after(&counter(metric, 10, 200), 0), [""; 0]);
        assert_eq!(raised_after(&counter(metric, 9, 20), 0), [""; 0], "at night a few wake nobody");
    }
    let refused = format!("{} 1\n", metric::LOOKUPS_REFUSED);
    assert_eq!(raised_after(&refused, 890), ["lookups-refused"]);
    assert_eq!(raised_after(&refused, 910), [""; 0]);
}

#[test]
fn the_doctor_sees_each_of_its_alerts_in_one_reading() {
    let mut seen = 0;
    for alert in alerts::all() {
        let (Shown::Doctor { fails, .. }, Condition::Above { metric, .. }) = (alert.shown, alert.condition)
        else {
            continue;
        };
        let about = |value| {
            let line =
                format!("# HELP x\n{metric}{{region=\"36\",carrier=\"36\"}} {value}\nchangtong_other 1\n");
            findings(&History::of(&line), NOW_S)
                .into_iter()
                .find(|finding| finding.id == alert.id)
                .expect(alert.id)
        };
        assert_eq!(about(0).state, State::Ok, "{}", alert.id);
        let expected = if fails { State::Fail } else { State::Warn };
        assert_eq!(about(1).state, expected, "{}", alert.id);
        assert!(!alert.summary.contains("{region}") || about(1).what.contains("36"), "{}", about(1).what);
        seen += 1;
    }
    assert_eq!(seen, 9);
    let metrics = "changtong_carrier_breaker{carrier=\"china-unicom\"} 2\n\
                   changtong_carrier_breaker{carrier=\"china-mobile\"} 0\n";
    let all = findings(&History::of(metrics), NOW_S);
    let finding = all.iter().find(|finding| finding.id == "carrier-failing").expect("a finding");
    assert!(
        finding.state == State::Warn && finding.what.starts_with("china-unicom does not answer"),
        "{finding:?}"
    );
    assert_eq!(all.len(), seen + 1);
}
