//! The numbers and tables beside the charts, as the page's script reads them. Rates are those of the last minute, so that a person can read
//! them; totals are those since the process was started.

use std::collections::BTreeMap;

use fleet::Standing;
use protocol::{Colour, metric};
use serde_json::{Value, json};

use super::sample;
use crate::history::{Series, Window};
use crate::status::Trouble;

/// Reasons that a panel lists; the others are in `/metrics`.
const REASONS_MAX: usize = 3;
const DAY_S: f64 = 86_400.0;
/// A carrier's outcomes with which a citizen cannot go on.
const FAILURES: [&str; 7] = ["timed-out", "unreachable", "refused", "garbage", "busy", "paused", "failed"];

/// The English and Chinese names of districts by the value of the label `region`.
pub(super) type Names = BTreeMap<String, [String; 2]>;

/// Returns the state now. `stage` is the text of `/ready`.
pub(super) fn standing(
    minute: &Window<'_>,
    names: &Names,
    stage: &str,
    now_s: u64,
    troubles: &[Trouble],
) -> Value {
    let now = minute.now;
    let codes: BTreeMap<_, _> = Colour::ALL
        .iter()
        .map(|colour| (colour.name(), now.value(metric::CODES, "colour", colour.name()) as u64))
        .collect();
    let parked = [metric::REGION_PARKED, metric::CARRIER_PARKED, metric::REGISTRAR_PARKED];
    let carriers = minute.values_of(metric::CARRIER_QUERIES, "carrier");
    let reasons = |counter| most(minute, counter, "reason", |_| true);
    json!({
        "stage": stage,
        "made_up": now.sum(metric::TEST_GATEWAY) > 0.0,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "punches": now.sum(metric::PUNCHES) as u64,
        "verifies": now.sum(metric::VERIFIES) as u64,
        "codes": codes,
        "districts": districts(minute, names),
        "carriers": carriers.into_iter().map(|name| carrier(minute, name)).collect::<Vec<_>>(),
        "reasons": {
            "busy": reasons(metric::REFUSED),
            "rejected": reasons(metric::NOT_A_PASS_CODE),
            "refused": reasons(metric::REQUEST_ERRORS),
        },
        "log": {
            "poisoned": now.sum(metric::LEDGER_POISONED) > 0.0,
            "full": now.sum(metric::LEDGER_FULL) > 0.0,
            "lost": now.sum(metric::LOST) as u64,
            "disk_free_bytes": now.series(metric::DISK_FREE_BYTES).first().map(|free| free.value),
        },
        "actors": {
            "parked": parked.iter().map(|name| now.sum(name) as u64).sum::<u64>(),
            "restarts": now.sum(metric::RESTARTS) as u64,
            "colour_lag_s": now.sum(metric::COLOUR_LAG_SECONDS),
        },
        "certificates": certificates(minute, now_s),
        "troubles": troubles,
    })
}

/// Returns where this gateway stands in its fleet.
pub(super) fn fleet(standing: &Standing) -> Value {
    json!({
        "name": standing.name,
        "leads": standing.leads,
        "leader": standing.leader.as_ref().map(|leader| &leader.name),
        "lag": standing.lag(),
        "broker": standing.connected,
        "adrift": standing.is_adrift(),
        "colours_s": standing.old_colours_s(),
    })
}

fn districts(minute: &Window<'_>, names: &Names) -> Vec<Value> {
    let mut regions = sample::regions(minute);
    // The region that stands for those with which the process did not start is shown once it counts anything.
    let is_counted = |series: &Series| series.is("region", metric::OTHER) && series.value > 0.0;
    if ![metric::PUNCHES, metric::VERIFIES].iter().any(|name| minute.now.series(name).iter().any(is_counted))
    {
        regions.retain(|region| *region != metric::OTHER);
    }
    let district = |region: &str| {
        let here = |series: &Series| series.is("region", region);
        let [name, name_zh] =
            names.get(region).cloned().unwrap_or_else(|| [format!("Region {region}"), String::new()]);
        json!({
            "id": region,
            "name": name,
            "name_zh": name_zh,
            "punches": minute.rate(metric::PUNCHES, here),
            "verifies": minute.rate(metric::VERIFIES, here),
            "busy": minute.rate(metric::REFUSED, here),
            "full": sample::district_usage(minute, region),
            "parked": minute.now.value(metric::REGION_PARKED, "region", region) > 0.0,
        })
    };
    regions.into_iter().map(district).collect()
}

/// Returns a carrier's row. `us`, `network`, `them` and `silent` are the parts of the mean seconds of a query: inside the gateway, on the
/// network, inside the carrier, and without a word from it.
fn carrier(minute: &Window<'_>, name: &str) -> Value {
    let here = |series: &Series| series.is("carrier", name);
    let failed = |series: &Series| {
        here(series) && series.label("outcome").is_some_and(|outcome| FAILURES.contains(&outcome))
    };
    let queries = minute.grown(&format!("{}_count", metric::CARRIER_SECONDS), here);
    // Parts of one mean, so that they add up.
    let part = |seconds: f64| (queries > 0.0 && seconds > 0.0).then(|| seconds / queries);
    let wire = |own: &str| {
        let meant = |series: &Series| here(series) && series.is("own", own);
        minute.grown(&format!("{}_sum", metric::CARRIER_SECONDS), meant)
    };
    let own = minute.grown(&format!("{}_sum", metric::CARRIER_OWN_SECONDS), here);
    json!({
        "name": name,
        // Closed 0, half open 1, open 2.
        "breaker": minute.now.value(metric::CARRIER_BREAKER, "carrier", name) as u8,
        "parked": minute.now.value(metric::CARRIER_PARKED, "carrier", name) > 0.0,
        "asked": minute.rate(metric::CARRIER_QUERIES, here),
        "failed": minute.rate(metric::CARRIER_QUERIES, failed),
        "us": minute.mean(metric::CARRIER_WAIT_SECONDS, here),
        "network": part(wire("yes") - own),
        "them": part(own),
        // Because of them, or of the line: a query without an answer does not tell.
        "silent": part(wire("no")),
        "outcomes": most(minute, metric::CARRIER_QUERIES, "outcome", failed),
    })
}

/// Returns a counter's rates by a label, the highest first.
fn most(
    minute: &Window<'_>,
    counter: &str,
    label: &str,
    meant: impl Fn(&Series) -> bool,
) -> Vec<(String, f64)> {
    let rate = |value: &&str| minute.rate(counter, |one| meant(one) && one.is(label, value));
    let values = minute.values_of(counter, label).into_iter();
    let mut rates: Vec<(String, f64)> =
        values.map(|value| (value.to_owned(), rate(&value))).filter(|(_, rate)| *rate > 0.0).collect();
    rates.sort_by(|one, other| other.1.total_cmp(&one.1));
    rates.truncate(REASONS_MAX);
    rates
}

/// Returns the certificates in use, the one that expires first at the beginning.
fn certificates(minute: &Window<'_>, now_s: u64) -> Vec<Value> {
    let days = |series: &Series| ((series.value - now_s as f64) / DAY_S).floor() as i64;
    let mut certificates: Vec<&Series> = minute.now.series(metric::CERTIFICATE_EXPIRES).iter().collect();
    certificates.sort_by(|one, other| one.value.total_cmp(&other.value));
    let row = |series: &Series| json!({ "name": series.label("certificate"), "days": days(series) });
    certificates.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::readings;

    const BEFORE: &str = "changtong_carrier_seconds_sum{carrier=\"china-mobile\",own=\"yes\"} 1\n\
                          changtong_carrier_seconds_count{carrier=\"china-mobile\",own=\"yes\"} 1\n";
    const AFTER: &str = "changtong_codes{colour=\"red\"} 7\nchangtong_region_parked{region=\"2\"} 0\n\
        changtong_region_parked{region=\"11\"} 1\nchangtong_punches_total{region=\"2\",colour=\"red\"} 120\n\
        changtong_scans_rejected_total{reason=\"expired\"} 6\nchangtong_scans_rejected_total{reason=\"bad-seal\"} 12\n\
        changtong_scans_rejected_total{reason=\"clear\"} 0\nchangtong_ledger_full 1\n\
        changtong_carrier_queries_total{carrier=\"china-mobile\",outcome=\"timed-out\"} 60\n\
        changtong_carrier_seconds_sum{carrier=\"china-mobile\",own=\"yes\"} 4\nchangtong_carrier_seconds_count{carrier=\"china-mobile\",own=\"yes\"} 3\n\
        changtong_carrier_own_seconds_sum{carrier=\"china-mobile\"} 2\nchangtong_carrier_own_seconds_count{carrier=\"china-mobile\"} 2\n\
        changtong_certificate_expires_timestamp_seconds{certificate=\"server\"} 864001\n";

    #[test]
    fn a_carrier_that_only_hangs_is_not_taken_for_the_network() {
        let times = |counted: &str| {
            let text = format!(
                "changtong_carrier_queries_total{{carrier=\"x\",outcome=\"timed-out\"}} 2\n{counted}"
            );
            let carrier = carrier(&readings(&[(0, ""), (60, &text)]).within(60), "x");
            json!([carrier["network"], carrier["them"], carrier["silent"]])
        };
        let wire = |own: &str, sum: f64, count: u32| {
            let labels = format!("{{carrier=\"x\",own=\"{own}\"}}");
            format!(
                "changtong_carrier_seconds_sum{labels} {sum}\nchangtong_carrier_seconds_count{labels} {count}\n"
            )
        };
        let own = "changtong_carrier_own_seconds_sum{carrier=\"x\"} 1\nchangtong_carrier_own_seconds_count{carrier=\"x\"} 2\n";
        assert_eq!(times(&wire("no", 9.0, 2)), json!([null, null, 4.5]));
        let mixed = wire("no", 8.0, 2) + &wire("yes", 2.0, 2) + own;
        assert_eq!(times(&mixed), json!([0.25, 0.25, 2.0]), "parts of one mean");
        assert_eq!(times(""), json!([null, null, null]));
    }

    #[test]
    fn it_names_districts_carriers_and_reasons() {
        let names = [("2".to_owned(), ["Huangpu".to_owned(), "黄浦区".to_owned()])].into();
        let seen = standing(&readings(&[(0, BEFORE), (60, AFTER)]).within(60), &names, "ready", 1, &[]);
        let expected = json!([["Huangpu", "黄浦区", 2.0, false], ["Region 11", "", 0.0, true],]);
        let districts = seen["districts"].as_array().expect("a list");
        let shown: Vec<_> = districts
            .iter()
            .map(|one| json!([one["name"], one["name_zh"], one["punches"], one["parked"]]))
            .collect();
        assert_eq!(json!(shown), expected);
        assert_eq!(seen["codes"]["red"], 7);
        assert_eq!(seen["punches"], 120);
        assert_eq!(seen["reasons"]["rejected"], json!([["bad-seal", 0.2], ["expired", 0.1]]));
        let carrier = &seen["carriers"][0];
        let times = [&carrier["failed"], &carrier["network"], &carrier["them"], &carrier["us"]];
        assert_eq!(json!(times), json!([1.0, 0.5, 1.0, null]));
        assert_eq!((&seen["log"]["full"], &seen["certificates"][0]["days"]), (&true.into(), &10.into()));
    }
}
