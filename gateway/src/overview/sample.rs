//! One sample: what the page draws over time, taken from what happened between two readings. What is only shown as it stands is in
//! `standing`.

use std::collections::BTreeSet;

use protocol::{Colour, metric};

use super::between::Between;
use crate::exposition::Series;

/// Columns with their values; a value that there is none of, such as how long nobody waited, is left open.
pub(super) type Sample = Vec<(String, Option<f64>)>;

/// Outcomes with which a citizen cannot go on, among a carrier's outcomes.
const FAILURES: [&str; 7] = ["timed-out", "unreachable", "refused", "garbage", "busy", "paused", "failed"];
/// Handshakes of attackers, or of devices whose certificates are no good.
const HANDSHAKES_REFUSED: [&str; 3] = ["failed", "ignored", "too-slow"];

/// Frames answered Busy, a second: a column.
pub(super) const SHED: &str = "shed";
/// Actors that were restarted: a column.
pub(super) const RESTARTS: &str = "restarts";

/// Takes one.
pub(super) fn sample(between: &Between<'_>) -> Sample {
    let fixed = traffic(between).chain(waits(between)).chain(errors(between)).chain(fullness(between));
    fixed.chain(districts(between)).chain(carriers(between)).collect()
}

/// Says whether the series has one of these values.
pub(super) fn is_one_of(series: &Series<'_>, label: &str, values: &[&str]) -> bool {
    series.label(label).is_some_and(|value| values.contains(&value))
}

/// Says whether a carrier's outcome is one that a citizen cannot go on with.
pub(super) fn is_failure(series: &Series<'_>) -> bool {
    is_one_of(series, "outcome", &FAILURES)
}

/// Says whether a handshake was refused.
pub(super) fn is_refused(series: &Series<'_>) -> bool {
    is_one_of(series, "outcome", &HANDSHAKES_REFUSED)
}

fn traffic(between: &Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    [("punches", metric::PUNCHES), ("verifies", metric::VERIFIES)].into_iter().flat_map(
        move |(what, counter)| {
            Colour::ALL.iter().map(move |colour| {
                let rate = between.rate(counter, |series| series.label("colour") == Some(colour.name()));
                (format!("{what}.{}", colour.name()), Some(rate))
            })
        },
    )
}

fn waits(between: &Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let histograms = [
        ("punch", metric::PUNCH_SECONDS),
        ("verify", metric::VERIFY_SECONDS),
        ("sync", metric::SYNC_SECONDS),
    ];
    histograms.into_iter().flat_map(|(what, histogram)| {
        [("p50", 0.5), ("p99", 0.99)]
            .map(|(name, share)| (format!("{what}.{name}"), between.quantile(share, histogram)))
    })
}

fn errors(between: &Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let failed = |series: &Series<'_>| series.label("outcome") == Some("failed");
    [
        ("busy", between.rate(metric::REFUSED, |_| true)),
        ("failed", between.rate(metric::REQUESTS, failed)),
        ("rejected", between.rate(metric::NOT_A_PASS_CODE, |_| true)),
        ("refused", between.rate(metric::REQUEST_ERRORS, |_| true)),
        ("handshakes.refused", between.rate(metric::HANDSHAKES, is_refused)),
        (SHED, between.rate(metric::SHED, |_| true)),
        (RESTARTS, between.grown(metric::RESTARTS, |_| true)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Some(value)))
}

fn fullness(between: &Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let district = |region: &str| district_full(between, region);
    let fullest = regions(between).into_iter().filter_map(district).reduce(f64::max);
    let gauge = |name| (!between.series(name).is_empty()).then(|| between.sum(name));
    [
        ("full.log", between.share(metric::LEDGER_QUEUED, metric::LEDGER_QUEUE_MAX)),
        ("full.connections", between.share(metric::CONNECTIONS, metric::CONNECTIONS_MAX)),
        ("full.handshakes", between.share(metric::HANDSHAKES_UNDER_WAY, metric::HANDSHAKES_MAX)),
        ("full.district", fullest),
        ("queued", gauge(metric::LEDGER_QUEUED)),
        ("devices", gauge(metric::CONNECTIONS)),
        ("cpu", gauge(metric::PROCESS_CPU_CORES)),
        ("memory", gauge(metric::PROCESS_RESIDENT_BYTES)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
}

/// Says how much of what may be inside a district's actor is.
pub(super) fn district_full(between: &Between<'_>, region: &str) -> Option<f64> {
    let max = between.value(metric::PERMITS_MAX, "region", region);
    (max > 0.0).then(|| between.value(metric::PERMITS_IN_USE, "region", region) / max)
}

/// Every district that the metrics know.
pub(super) fn regions<'a>(between: &Between<'a>) -> BTreeSet<&'a str> {
    values(between, &[metric::REGION_PARKED, metric::PUNCHES, metric::VERIFIES], "region")
}

/// Every carrier that the metrics know.
pub(super) fn carriers_of<'a>(between: &Between<'a>) -> BTreeSet<&'a str> {
    values(between, &[metric::CARRIER_QUERIES], "carrier")
}

fn values<'a>(between: &Between<'a>, metrics: &[&str], label: &str) -> BTreeSet<&'a str> {
    let series = metrics.iter().flat_map(|name| between.series(name));
    series.filter_map(|series| series.label(label)).collect()
}

fn districts<'a>(between: &'a Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> + use<'a> {
    regions(between).into_iter().map(|region| {
        let rate = between.rate(metric::PUNCHES, |series| series.label("region") == Some(region));
        (format!("district.{region}"), Some(rate))
    })
}

fn carriers<'a>(between: &'a Between<'_>) -> impl Iterator<Item = (String, Option<f64>)> + use<'a> {
    carriers_of(between).into_iter().flat_map(|carrier| {
        let of = |series: &Series<'_>| series.label("carrier") == Some(carrier);
        let asked = between.rate(metric::CARRIER_QUERIES, of);
        let failed = between.rate(metric::CARRIER_QUERIES, |series| of(series) && is_failure(series));
        [("asked", asked), ("failed", failed)]
            .map(|(what, rate)| (format!("carrier.{carrier}.{what}"), Some(rate)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "changtong_punches_total{region=\"6\",colour=\"red\"} 1\n\
                          changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"trajectory\"} 1\n";
    const AFTER: &str = "changtong_punches_total{region=\"6\",colour=\"red\"} 5\n\
                         changtong_punches_total{region=\"6\",colour=\"green\"} 2\n\
                         changtong_punches_total{region=\"7\",colour=\"green\"} 0\n\
                         changtong_permits_in_use{region=\"6\"} 3\nchangtong_permits_max{region=\"6\"} 6\n\
                         changtong_permits_in_use{region=\"7\"} 1\nchangtong_permits_max{region=\"7\"} 6\n\
                         changtong_punches_refused_total{region=\"6\",reason=\"region\"} 8\n\
                         changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"trajectory\"} 3\n\
                         changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"timed-out\"} 2\n\
                         changtong_process_cpu_cores 0.75\n";

    #[test]
    fn a_sample_has_rates_and_what_is_full() {
        let sample = sample(&Between::new(BEFORE, AFTER, 2.0));
        let expected = [
            ("punches.red", Some(2.0)),
            ("punches.green", Some(1.0)),
            ("verifies.green", Some(0.0)),
            ("punch.p99", None),
            ("busy", Some(4.0)),
            ("full.district", Some(0.5)),
            ("full.log", None),
            ("cpu", Some(0.75)),
            ("devices", None),
            ("district.6", Some(3.0)),
            ("district.7", Some(0.0)),
            ("carrier.china-mobile.asked", Some(2.0)),
            ("carrier.china-mobile.failed", Some(1.0)),
        ];
        for (name, value) in expected {
            let found = sample.iter().find(|(known, _)| known == name);
            assert_eq!(found.map(|(_, value)| *value), Some(value), "{name} of {sample:?}");
        }
    }
}
