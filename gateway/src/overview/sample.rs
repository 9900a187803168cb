//! One sample of the charts: their values between two readings.

use protocol::{Colour, metric};

use crate::history::{Series, Window};

/// Columns with their values; `None` where there is no value, as for the quantile of no requests.
pub(super) type Sample = Vec<(String, Option<f64>)>;

/// Returns the sample of a window.
pub(super) fn sample(window: &Window<'_>) -> Sample {
    traffic(window)
        .chain(times(window))
        .chain(errors(window))
        .chain(usage(window))
        .chain(districts(window))
        .collect()
}

fn traffic(window: &Window<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    [("punches", metric::PUNCHES), ("verifies", metric::VERIFIES)].into_iter().flat_map(
        move |(what, counter)| {
            Colour::ALL.iter().map(move |colour| {
                let rate = window.rate(counter, |series| series.is("colour", colour.name()));
                (format!("{what}.{}", colour.name()), Some(rate))
            })
        },
    )
}

fn times(window: &Window<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let histograms = [
        ("punch", metric::PUNCH_SECONDS),
        ("verify", metric::VERIFY_SECONDS),
        ("sync", metric::SYNC_SECONDS),
    ];
    histograms.into_iter().flat_map(move |(what, histogram)| {
        [("p50", 0.5), ("p99", 0.99)]
            .map(|(name, share)| (format!("{what}.{name}"), window.quantile(share, histogram)))
    })
}

fn errors(window: &Window<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let failed = |series: &Series| series.is("outcome", "failed");
    [
        ("busy", window.rate(metric::REFUSED, |_| true)),
        ("failed", window.rate(metric::REQUESTS, failed)),
        ("rejected", window.rate(metric::NOT_A_PASS_CODE, |_| true)),
        ("refused", window.rate(metric::REQUEST_ERRORS, |_| true)),
    ]
    .map(|(name, value)| (name.to_owned(), Some(value)))
    .into_iter()
}

fn usage(window: &Window<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    let now = window.now;
    let gauge = |name| (!now.series(name).is_empty()).then(|| now.sum(name));
    let fullest =
        regions(window).into_iter().filter_map(|region| district_usage(window, region)).reduce(f64::max);
    [
        ("full.log", now.share(metric::LEDGER_QUEUED, metric::LEDGER_QUEUE_MAX)),
        ("full.connections", now.share(metric::CONNECTIONS, metric::CONNECTIONS_MAX)),
        ("full.handshakes", fullest_front(window)),
        ("full.district", fullest),
        ("queued", gauge(metric::LEDGER_QUEUED)),
        ("devices", gauge(metric::CONNECTIONS)),
        ("cpu", gauge(metric::PROCESS_CPU_CORES)),
        ("memory", gauge(metric::PROCESS_RESIDENT_BYTES)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
}

/// Returns the share of handshakes on the front that has most; `None` if no front has a maximum.
fn fullest_front(window: &Window<'_>) -> Option<f64> {
    let share = |max: &Series| {
        let front = max.label("front")?;
        let under_way = window.now.value(metric::HANDSHAKES_UNDER_WAY, "front", front);
        (max.value > 0.0).then(|| under_way / max.value)
    };
    window.now.series(metric::HANDSHAKES_MAX).iter().filter_map(share).reduce(f64::max)
}

fn districts(window: &Window<'_>) -> impl Iterator<Item = (String, Option<f64>)> {
    regions(window).into_iter().map(move |region| {
        let rate = window.rate(metric::PUNCHES, |series| series.is("region", region));
        (format!("district.{region}"), Some(rate))
    })
}

/// Returns the share of a region's permits that is in use; `None` if the region has none.
pub(super) fn district_usage(window: &Window<'_>, region: &str) -> Option<f64> {
    let permits = |metric| window.now.value(metric, "region", region);
    let max = permits(metric::PERMITS_MAX);
    (max > 0.0).then(|| permits(metric::PERMITS_IN_USE) / max)
}

/// Returns every region of the metrics by number, the one that stands for all others last.
pub(super) fn regions<'a>(window: &Window<'a>) -> Vec<&'a str> {
    let all = [metric::REGION_PARKED, metric::PUNCHES, metric::VERIFIES];
    let mut regions: Vec<&str> = all.iter().flat_map(|name| window.values_of(name, "region")).collect();
    regions.sort_by_key(|region| (region.parse::<u32>().unwrap_or(u32::MAX), *region));
    regions.dedup();
    regions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::readings;

    const BEFORE: &str = "changtong_punches_total{region=\"6\",colour=\"red\"} 1\n";
    const AFTER: &str = "changtong_punches_total{region=\"6\",colour=\"red\"} 5\n\
                         changtong_punches_total{region=\"6\",colour=\"green\"} 2\n\
                         changtong_punches_total{region=\"7\",colour=\"green\"} 0\n\
                         changtong_permits_in_use{region=\"6\"} 3\nchangtong_permits_max{region=\"6\"} 6\n\
                         changtong_permits_in_use{region=\"7\"} 1\nchangtong_permits_max{region=\"7\"} 6\n\
                         changtong_handshakes_under_way{front=\"0\"} 1\nchangtong_handshakes_max{front=\"0\"} 4\n\
                         changtong_handshakes_under_way{front=\"1\"} 3\nchangtong_handshakes_max{front=\"1\"} 4\n\
                         changtong_punches_refused_total{region=\"6\",reason=\"region\"} 8\n\
                         changtong_process_cpu_cores 0.75\n";

    #[test]
    fn a_sample_has_rates_and_shares() {
        let history = readings(&[(0, BEFORE), (2, AFTER)]);
        let sample = sample(&history.since_last());
        let expected = [
            ("punches.red", Some(2.0)),
            ("punches.green", Some(1.0)),
            ("verifies.green", Some(0.0)),
            ("punch.p99", None),
            ("busy", Some(4.0)),
            ("full.district", Some(0.5)),
            ("full.handshakes", Some(0.75)),
            ("full.log", None),
            ("cpu", Some(0.75)),
            ("devices", None),
            ("district.6", Some(3.0)),
            ("district.7", Some(0.0)),
        ];
        for (name, value) in expected {
            let found = sample.iter().find(|(known, _)| known == name);
            assert_eq!(found.map(|(_, value)| *value), Some(value), "{name} of {sample:?}");
        }
    }
}
