//! The gateway's state now: what the page shows as words, numbers and tables beside its charts. Rates in it are those of the last
//! minute, so that a table can be read. What is drawn over time is in `sample`.

use std::collections::BTreeMap;

use protocol::{Colour, metric};
use serde::Serialize;

use super::between::Between;
use super::sample;
use super::troubles::Trouble;
use crate::exposition::Series;

/// Reasons that a panel lists; the rest is in `/metrics`.
const REASONS_MAX: usize = 3;
const DAY_S: f64 = 86_400.0;

/// A district's names by its number, as the label has it: English, Chinese.
pub(super) type Names = BTreeMap<String, [String; 2]>;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Standing {
    /// As `/ready` says it.
    pub(super) stage: String,
    /// True if everybody it serves is made up.
    made_up: bool,
    /// Processor cores of the machine.
    cores: usize,
    /// Since the process was started.
    punches: u64,
    verifies: u64,
    codes: BTreeMap<&'static str, u64>,
    districts: Vec<District>,
    carriers: Vec<Carrier>,
    reasons: Reasons,
    log: Log,
    actors: Actors,
    certificates: Vec<Certificate>,
    pub(super) troubles: Vec<Trouble>,
}

#[derive(Clone, Debug, Serialize)]
struct District {
    id: String,
    name: String,
    name_zh: String,
    /// A second.
    punches: f64,
    verifies: f64,
    busy: f64,
    /// Of what may be inside its actor.
    full: Option<f64>,
    parked: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Carrier {
    name: String,
    /// Closed 0, half open 1, open 2.
    breaker: u8,
    parked: bool,
    /// A second.
    asked: f64,
    failed: f64,
    /// Parts of the mean seconds of a query: inside the gateway, on the network, inside the carrier, and without a word from it.
    us: Option<f64>,
    network: Option<f64>,
    them: Option<f64>,
    silent: Option<f64>,
    /// The failures, a second, the most first.
    outcomes: Vec<(String, f64)>,
}

/// The most first, a second.
#[derive(Clone, Debug, Serialize)]
struct Reasons {
    busy: Vec<(String, f64)>,
    rejected: Vec<(String, f64)>,
    refused: Vec<(String, f64)>,
}

#[derive(Clone, Debug, Serialize)]
struct Log {
    poisoned: bool,
    full: bool,
    lost: u64,
    /// `None` until it was looked at.
    disk_free_bytes: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Actors {
    /// Regions, carriers, the registrar.
    parked: u64,
    /// Since the process was started.
    restarts: u64,
    colour_lag_s: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Certificate {
    name: String,
    days: i64,
}

impl Standing {
    /// Of the last minute and of now.
    pub(super) fn of(minute: &Between<'_>, names: &Names, stage: &str, now_s: u64) -> Self {
        let codes =
            |colour: &Colour| (colour.name(), minute.value(metric::CODES, "colour", colour.name()) as u64);
        Self {
            stage: stage.to_owned(),
            made_up: minute.sum(metric::TEST_GATEWAY) > 0.0,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            punches: minute.sum(metric::PUNCHES) as u64,
            verifies: minute.sum(metric::VERIFIES) as u64,
            codes: Colour::ALL.iter().map(codes).collect(),
            districts: districts(minute, names),
            carriers: sample::carriers_of(minute).into_iter().map(|name| carrier(minute, name)).collect(),
            reasons: Reasons {
                busy: most(minute, metric::REFUSED, "reason", |_| true),
                rejected: most(minute, metric::NOT_A_PASS_CODE, "reason", |_| true),
                refused: most(minute, metric::REQUEST_ERRORS, "reason", |_| true),
            },
            log: Log {
                poisoned: minute.sum(metric::LEDGER_POISONED) > 0.0,
                full: minute.sum(metric::LEDGER_FULL) > 0.0,
                lost: minute.sum(metric::LOST) as u64,
                disk_free_bytes: minute.series(metric::DISK_FREE_BYTES).first().map(|free| free.value),
            },
            actors: Actors {
                parked: [metric::REGION_PARKED, metric::CARRIER_PARKED, metric::REGISTRAR_PARKED]
                    .iter()
                    .map(|name| minute.sum(name) as u64)
                    .sum(),
                restarts: minute.sum(metric::RESTARTS) as u64,
                colour_lag_s: minute.sum(metric::COLOUR_LAG_SECONDS),
            },
            certificates: certificates(minute, now_s),
            troubles: Vec::new(),
        }
    }

    /// Punches and verifies a second, over the last minute.
    pub(super) fn rates(&self) -> (f64, f64) {
        let sum = |rate: fn(&District) -> f64| self.districts.iter().map(rate).sum();
        (sum(|district| district.punches), sum(|district| district.verifies))
    }

    /// Names of districts that are parked.
    pub(super) fn parked(&self) -> Vec<String> {
        let parked = self.districts.iter().filter(|district| district.parked);
        parked.map(|district| district.name.clone()).collect()
    }
}

fn districts(minute: &Between<'_>, names: &Names) -> Vec<District> {
    let mut regions: Vec<&str> = sample::regions(minute).into_iter().collect();
    // What stands for a region that the process did not start with is told once there is one.
    let counted = |series: &Series<'_>| series.label("region") == Some(metric::OTHER) && series.value > 0.0;
    let others =
        [metric::PUNCHES, metric::VERIFIES].iter().any(|name| minute.series(name).iter().any(counted));
    regions.retain(|region| others || *region != metric::OTHER);
    // By number; what stands for the others comes last.
    regions.sort_by_key(|region| region.parse::<u32>().unwrap_or(u32::MAX));
    let district = |region: &str| {
        let here = |series: &Series<'_>| series.label("region") == Some(region);
        let [name, name_zh] =
            names.get(region).cloned().unwrap_or_else(|| [format!("Region {region}"), String::new()]);
        District {
            id: region.to_owned(),
            name,
            name_zh,
            punches: minute.rate(metric::PUNCHES, here),
            verifies: minute.rate(metric::VERIFIES, here),
            busy: minute.rate(metric::REFUSED, here),
            full: sample::district_full(minute, region),
            parked: minute.value(metric::REGION_PARKED, "region", region) > 0.0,
        }
    };
    regions.into_iter().map(district).collect()
}

fn carrier(minute: &Between<'_>, name: &str) -> Carrier {
    let here = |series: &Series<'_>| series.label("carrier") == Some(name);
    let queries = minute.grown(&format!("{}_count", metric::CARRIER_SECONDS), here);
    // Parts of one mean, so that they add up; what there was none of has none.
    let part = |seconds: f64| (queries > 0.0 && seconds > 0.0).then(|| seconds / queries);
    let wire = |own: &str| {
        let meant = |series: &Series<'_>| here(series) && series.label("own") == Some(own);
        minute.grown(&format!("{}_sum", metric::CARRIER_SECONDS), meant)
    };
    let own = minute.grown(&format!("{}_sum", metric::CARRIER_OWN_SECONDS), here);
    Carrier {
        name: name.to_owned(),
        breaker: minute.value(metric::CARRIER_BREAKER, "carrier", name) as u8,
        parked: minute.value(metric::CARRIER_PARKED, "carrier", name) > 0.0,
        asked: minute.rate(metric::CARRIER_QUERIES, here),
        failed: minute.rate(metric::CARRIER_QUERIES, |series| here(series) && sample::is_failure(series)),
        us: minute.mean(metric::CARRIER_WAIT_SECONDS, here),
        network: part(wire("yes") - own),
        them: part(own),
        // Because of them, or of the line: what did not answer cannot say.
        silent: part(wire("no")),
        outcomes: most(minute, metric::CARRIER_QUERIES, "outcome", |series| {
            here(series) && sample::is_failure(series)
        }),
    }
}

/// A counter's rates by that label, the most first.
fn most(
    minute: &Between<'_>,
    counter: &str,
    label: &str,
    meant: impl Fn(&Series<'_>) -> bool,
) -> Vec<(String, f64)> {
    let mut rates: BTreeMap<&str, f64> = BTreeMap::new();
    for series in minute.series(counter).iter().filter(|series| meant(series)) {
        let value = series.label(label).unwrap_or_default();
        rates.insert(value, minute.rate(counter, |one| meant(one) && one.label(label) == Some(value)));
    }
    let mut rates: Vec<(String, f64)> = rates
        .into_iter()
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(name, rate)| (name.to_owned(), rate))
        .collect();
    rates.sort_by(|one, other| other.1.total_cmp(&one.1));
    rates.truncate(REASONS_MAX);
    rates
}

fn certificates(minute: &Between<'_>, now_s: u64) -> Vec<Certificate> {
    let certificate = |series: &Series<'_>| Certificate {
        name: series.label("certificate").unwrap_or_default().to_owned(),
        days: ((series.value - now_s as f64) / DAY_S).floor() as i64,
    };
    let mut certificates: Vec<_> =
        minute.series(metric::CERTIFICATE_EXPIRES).iter().map(certificate).collect();
    certificates.sort_by_key(|certificate| certificate.days);
    certificates
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let carrier = carrier(&Between::new("", &text, 60.0), "x");
            [carrier.network, carrier.them, carrier.silent]
        };
        let wire = |own: &str, sum: f64, count: u32| {
            let labels = format!("{{carrier=\"x\",own=\"{own}\"}}");
            format!(
                "changtong_carrier_seconds_sum{labels} {sum}\nchangtong_carrier_seconds_count{labels} {count}\n"
            )
        };
        let own = "changtong_carrier_own_seconds_sum{carrier=\"x\"} 1\nchangtong_carrier_own_seconds_count{carrier=\"x\"} 2\n";
        assert_eq!(times(&wire("no", 9.0, 2)), [None, None, Some(4.5)]);
        let mixed = wire("no", 8.0, 2) + &wire("yes", 2.0, 2) + own;
        assert_eq!(times(&mixed), [Some(0.25), Some(0.25), Some(2.0)], "parts of one mean");
        assert_eq!(times(""), [None; 3]);
    }

    #[test]
    fn it_names_districts_carriers_and_reasons() {
        let names = [("2".to_owned(), ["Huangpu".to_owned(), "黄浦区".to_owned()])].into();
        let standing = Standing::of(&Between::new(BEFORE, AFTER, 60.0), &names, "ready", 1);
        let seen = serde_json::to_value(&standing).expect("plain values");
        let expected = serde_json::json!([["Huangpu", "黄浦区", 2.0, false], ["Region 11", "", 0.0, true],]);
        let districts = seen["districts"].as_array().expect("a list");
        let shown: Vec<_> = districts
            .iter()
            .map(|one| serde_json::json!([one["name"], one["name_zh"], one["punches"], one["parked"]]))
            .collect();
        assert_eq!(serde_json::json!(shown), expected);
        assert_eq!(standing.parked(), ["Region 11"]);
        assert_eq!(seen["codes"]["red"], 7);
        assert_eq!(seen["punches"], 120);
        assert_eq!(seen["reasons"]["rejected"], serde_json::json!([["bad-seal", 0.2], ["expired", 0.1]]));
        let carrier = &seen["carriers"][0];
        let times = [&carrier["failed"], &carrier["network"], &carrier["them"], &carrier["us"]];
        assert_eq!(serde_json::json!(times), serde_json::json!([1.0, 0.5, 1.0, null]));
        assert_eq!((&seen["log"]["full"], &seen["certificates"][0]["days"]), (&true.into(), &10.into()));
    }
}
