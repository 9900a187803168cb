//! A made-up run of any length for the tests of reports: a rush with a slow carrier in the middle. Nothing in it was measured.

use std::collections::BTreeMap;

use bench::machine::Machine;
use loadtest::outcome::{
    EventReport, Exit, FleetReport, GeneratorReport, IntervalReport, KindReport, LeaderReport, PointReport,
    PromiseReport, ProofReport, Quantiles, REPORT_VERSION, Report, Run, ServerSeries, StageReport,
    ThresholdReport, Verdict,
};
use loadtest::scenario::{self, Figure, Kind, Scenario, Threshold};

const SEED: u64 = 7;

/// Makes a run of that many intervals of a second. Unless it is good, the verify threshold breaks in the third quarter.
pub(crate) fn report(seconds: u32, good: bool) -> Report {
    let scenario = scenario();
    let series: Vec<_> = series(seconds, good);
    let thresholds = thresholds(good);
    let generator = GeneratorReport {
        dropped_packets: Some(0),
        welcomed: 1000,
        lost: 0,
        late: quantiles(0.05),
        busy_share: Some(0.61),
        gateway_us_each: Some(38.4),
        own_us_each: Some(51.0),
    };
    let proof = proof();
    let verdict = Verdict::of((&proof, None), (&scenario.generator, &generator), None, &thresholds);
    assert_eq!(verdict.exit, if good { Exit::Pass } else { Exit::Threshold });
    let length = f64::from(seconds);
    Report {
        version: REPORT_VERSION,
        verdict,
        run: run(length),
        scenario,
        generator,
        total: kinds(900 * u64::from(seconds), good),
        stages: [("warm-up", 0.0, 0.1), ("ramp", 0.1, 0.4), ("rush", 0.4, 0.8), ("quiet", 0.8, 1.0)]
            .map(|(name, from, to)| StageReport {
                name: name.to_owned(),
                from_s: from * length,
                to_s: to * length,
                warm_up: name == "warm-up",
                kinds: kinds((900.0 * (to - from) * length) as u64, good),
            })
            .into(),
        series,
        proof,
        thresholds,
        events: events(length),
        network: Some([("delivered".to_owned(), 1_234_567), ("dropped".to_owned(), 12_345)].into()),
        server: server(seconds),
        fleet: Some(fleet(good)),
    }
}

fn fleet(good: bool) -> FleetReport {
    let leader = |at_s, gateway: &str| LeaderReport { at_s, gateway: gateway.to_owned() };
    FleetReport {
        gateways: ["north", "south", "east"].map(str::to_owned).into(),
        leaders: vec![leader(0.0, "north"), leader(12.3, "east")],
        promises: vec![PromiseReport::new(
            "another gateway takes an order",
            5.0,
            if good { 4.1 } else { 5.2 },
        )],
        longest_wait_ms: 4_321.0,
        orders: 21,
        orders_again: 3,
        forms: 387,
        registries_equal: true,
        ..FleetReport::default()
    }
}

fn scenario() -> Scenario {
    let mut scenario = scenario::load("steady").unwrap();
    scenario.name = "morning-rush".to_owned();
    scenario.about = "Half past seven at the gates of a city, while a carrier answers slowly".to_owned();
    scenario
}

fn run(seconds: f64) -> Run {
    Run {
        started: "2026-03-06T16:00:00Z".to_owned(),
        seconds,
        seed: SEED,
        plan_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        command: "loadtest run morning-rush --seed 7".to_owned(),
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        loadtest: "0.1.0".to_owned(),
        gateway: Some("0.1.0".to_owned()),
        fronts: Some(1),
        machine: Machine {
            processor: "AMD EPYC".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.18".to_owned(),
        },
    }
}

fn quantiles(p50_ms: f64) -> Quantiles {
    Quantiles {
        count: 1000,
        p50_ms,
        p90_ms: p50_ms * 2.0,
        p99_ms: p50_ms * 6.0,
        p999_ms: p50_ms * 14.0,
        max_ms: p50_ms * 30.0,
    }
}

fn base_ms(kind: Kind) -> f64 {
    [1.4, 3.1, 9.0, 6.0, 5.0, 18.0][kind as usize]
}

fn share(kind: Kind) -> f64 {
    [0.75, 0.1, 0.03, 0.04, 0.06, 0.02][kind as usize]
}

fn kinds(people: u64, good: bool) -> BTreeMap<Kind, KindReport> {
    let one = |kind: Kind| {
        let offered = (people as f64 * share(kind)) as u64;
        let failed = if good { 0 } else { offered / 500 };
        let latency = quantiles(base_ms(kind));
        let reasons =
            [("no answer within the patience", failed - failed / 3), ("told to wait: busy", failed / 3)];
        let failed_by = reasons.map(|(why, count)| (why.to_owned(), count));
        let shares = (0..100).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 20.0));
        KindReport {
            offered,
            tries: offered + 3 * failed,
            answered: offered - failed,
            failed: failed_by.into_iter().filter(|(_, count)| *count > 0).collect(),
            service: quantiles(base_ms(kind) * 0.7),
            curve: shares
                .map(|share| (share, base_ms(kind) * (1.0 - (1.0 - share).log10().powi(3)) / 1.5))
                .collect(),
            latency,
        }
    };
    Kind::ALL.map(|kind| (kind, one(kind))).into()
}

fn series(seconds: u32, good: bool) -> Vec<PointReport> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let point = |second: u32| {
        let part = f64::from(second) / f64::from(seconds);
        let rush = if (0.4..0.8).contains(&part) { 1.0 } else { (part / 0.4).min(1.0) * 0.7 };
        let slow = if !good && (0.55..0.65).contains(&part) { 1.0 } else { 0.0 };
        let mut one = |kind: Kind| {
            let offered = (1200.0 * share(kind) * rush * (0.9 + 0.2 * random.f64())) as u64;
            let failed = (offered as f64 * slow * 0.12) as u64;
            let p50_ms = base_ms(kind) * (0.8 + 0.4 * random.f64()) * (1.0 + 2.0 * slow);
            let some = offered > 0;
            IntervalReport {
                offered,
                tries: offered + failed,
                answered: offered - failed,
                failed,
                p50_ms: some.then_some(p50_ms),
                p99_ms: some.then_some(p50_ms * (4.0 + 3.0 * random.f64()) * (1.0 + 6.0 * slow)),
            }
        };
        PointReport {
            at_s: f64::from(second) + 1.0,
            seconds: 1.0,
            kinds: Kind::ALL.map(|kind| (kind, one(kind))).into(),
        }
    };
    (0..seconds).map(point).collect()
}

fn thresholds(good: bool) -> Vec<ThresholdReport> {
    [
        (Kind::Verify, Figure::P99Ms, Some(50.0), None, if good { 12.4 } else { 71.25 }),
        (Kind::Punch, Figure::P99Ms, Some(250.0), None, 31.0),
        (Kind::Verify, Figure::AnsweredShare, None, Some(0.99), if good { 1.0 } else { 0.9878 }),
    ]
    .map(|(of, figure, max, min, value)| ThresholdReport {
        threshold: Threshold { of, figure, stage: None, max, min },
        measured: Some(value),
        people: 54_000,
        holds: max.is_none_or(|max| value <= max) && min.is_none_or(|min| value >= min),
    })
    .into()
}

fn proof() -> ProofReport {
    ProofReport {
        acknowledged: 54_000,
        recorded: 54_000,
        colours_changed: 200,
        colour_lag: quantiles(12.0),
        searched: vec!["the gateway's metrics".to_owned()],
        searched_for: 412,
        ..ProofReport::default()
    }
}

fn events(seconds: f64) -> Vec<EventReport> {
    [
        (
            0.55,
            Some(0.65),
            "carrier red-wing answers after 3,000 ms",
            "14 queries were told to come back; the other carrier went on",
        ),
        (0.85, None, "every device appears under another address", "1,000 of 1,000 connections went on"),
    ]
    .map(|(from, to, what, outcome): (f64, Option<f64>, _, _)| EventReport {
        done: true,
        from_s: from * seconds,
        to_s: to.map(|to| to * seconds),
        what: what.to_owned(),
        outcome: outcome.to_owned(),
    })
    .into()
}

fn server(seconds: u32) -> Vec<ServerSeries> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut series = |name: &str, unit: &str, level: f64| ServerSeries {
        name: name.to_owned(),
        unit: unit.to_owned(),
        points: (0..seconds)
            .map(|second| (f64::from(second) + 1.0, level * (0.7 + 0.6 * random.f64())))
            .collect(),
    };
    vec![
        series("Punches recorded", "a second", 110.0),
        series("Sync, p99", "milliseconds", 2.1),
        series("Processor", "cores", 0.6),
        series("Memory", "MiB", 180.0),
        series("Connections", "devices", 1_000.0),
        series("Refused as busy", "a second", 0.4),
    ]
}
