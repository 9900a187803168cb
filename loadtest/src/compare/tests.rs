//! Comparisons of made-up runs with a known difference. The reports hold only what a comparison reads.

use std::time::Duration;

use bench::machine::Machine;

use super::*;
use crate::outcome::{
    GeneratorReport, IntervalReport, PointReport, ProofReport, REPORT_VERSION, Report, Run, StageReport,
    Verdict,
};
use crate::record::Both;
use crate::record::hlog::Interval;
use crate::scenario;

/// The length of a run: a minute after ten seconds of warm-up.
const SECONDS: u32 = 70;
const WARM_UP_S: f64 = 10.0;
const RATE: u64 = 200;

/// Makes a run with correlated latencies: a slow second is likely followed by a slow one.
fn finished(seed: u64, slower: f64, answered: f64) -> Finished {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut intervals, mut series, mut drift) = (Vec::new(), Vec::new(), 0.0);
    for second in 0..SECONDS {
        drift = 0.6 * drift + 0.05 * (random.f64() - 0.5);
        // The warm-up is slow on purpose: it must not count.
        let factor = if f64::from(second) < WARM_UP_S { 50.0 } else { slower * (1.0 + drift) };
        let (start, length) = (Duration::from_secs(second.into()), Duration::from_secs(1));
        let people = (RATE as f64 * answered * (0.95 + 0.1 * random.f64())) as u64;
        let mut both = Both::default();
        for _ in 0..people {
            // Exponential, as waiting times are.
            let ms = factor * (1.0 - 4.0 * (1.0 - random.f64()).ln());
            both.latency_us += (ms * 1000.0) as u64;
            both.service_us += (ms * 700.0) as u64;
        }
        intervals.push(Interval::new(start, length, "punch".to_owned(), &both.latency_us));
        intervals.push(Interval::new(start, length, "punch-service".to_owned(), &both.service_us));
        let one = IntervalReport { offered: RATE, answered: people, ..IntervalReport::default() };
        series.push(PointReport {
            at_s: f64::from(second) + 1.0,
            seconds: 1.0,
            kinds: [(Kind::Punch, one)].into(),
        });
    }
    Finished { name: format!("run {seed}"), report: report(series), intervals }
}

fn report(series: Vec<PointReport>) -> Report {
    let stage = |name: &str, from_s, to_s, warm_up| StageReport {
        name: name.to_owned(),
        from_s,
        to_s,
        warm_up,
        kinds: [].into(),
    };
    Report {
        version: REPORT_VERSION,
        verdict: Verdict { exit: Exit::Pass, code: 0, reasons: Vec::new() },
        run: Run { machine: Machine::default(), ..Run::default() },
        scenario: scenario::load("steady").unwrap(),
        generator: GeneratorReport::default(),
        total: [].into(),
        stages: vec![
            stage("warm-up", 0.0, WARM_UP_S, true),
            stage("rush", WARM_UP_S, 40.0, false),
            stage("quiet", 40.0, f64::from(SECONDS), false),
        ],
        series,
        proof: ProofReport::default(),
        thresholds: Vec::new(),
        events: Vec::new(),
        network: None,
        server: Vec::new(),
        fleet: None,
    }
}

fn change(comparison: &Comparison, figure: Compared) -> Change {
    comparison.figures.iter().find(|one| one.figure == figure).unwrap().change
}

#[test]
fn the_same_distribution_is_rarely_called_different() {
    let calm = (0..20).filter(|seed| {
        let (a, b) = (finished(2 * seed + 1, 1.0, 1.0), finished(2 * seed + 2, 1.0, 1.0));
        let comparison = compare([&[a], &[b]], 5.0, *seed);
        assert_eq!(comparison.figures.len(), 5);
        comparison.verdict == Some(Change::NoDifference)
    });
    let calm = calm.count();
    assert!(calm >= 18, "{calm} of 20");
}

#[test]
fn a_known_ratio_lies_in_its_range_most_of_the_time() {
    let rounds = 20u64;
    let mut within = 0;
    for seed in 0..rounds {
        let (a, b) = (finished(100 + 2 * seed, 1.0, 1.0), finished(101 + 2 * seed, 1.2, 1.0));
        let comparison = compare([&[a], &[b]], 5.0, seed);
        let median = comparison.figures.iter().find(|one| one.figure == Compared::LatencyP50Ms).unwrap();
        within += u64::from(median.low <= 1.2 && 1.2 <= median.high);
    }
    assert!(within * 10 >= rounds * 8, "{within} of {rounds}");
}

#[test]
fn slower_is_worse_one_way_and_better_the_other() {
    for seed in 0..5 {
        let run = |slower| finished(seed + if slower > 1.0 { 50 } else { 0 }, slower, 1.0);
        let worse = compare([&[run(1.0)], &[run(1.3)]], 5.0, seed);
        assert_eq!((worse.verdict, worse.code), (Some(Change::Worse), 99), "{worse:?}");
        for figure in
            [Compared::LatencyP50Ms, Compared::LatencyP99Ms, Compared::ServiceP50Ms, Compared::ServiceP99Ms]
        {
            assert_eq!(change(&worse, figure), Change::Worse, "{figure:?}");
        }
        assert_eq!(change(&worse, Compared::AnsweredRate), Change::NoDifference);
        let better = compare([&[run(1.3)], &[run(1.0)]], 5.0, seed);
        assert_eq!((better.verdict, better.code), (Some(Change::Better), 0));
        let wide = compare([&[run(1.0)], &[run(1.3)]], 60.0, seed);
        assert_eq!(wide.verdict, Some(Change::NoDifference));
    }
}

#[test]
fn fewer_answers_are_worse() {
    let comparison = compare([&[finished(1, 1.0, 1.0)], &[finished(2, 1.0, 0.8)]], 5.0, 1);
    assert_eq!(change(&comparison, Compared::AnsweredRate), Change::Worse);
    assert_eq!(comparison.code, 99);
}

#[test]
fn runs_that_differ_from_each_other_widen_the_range() {
    let side = |seed, factors: [f64; 4]| {
        let runs = factors.iter().zip(seed..);
        runs.map(|(factor, seed)| finished(seed, *factor, 1.0)).collect::<Vec<_>>()
    };
    let width = |a: &[Finished], b: &[Finished]| {
        let comparison = compare([a, b], 5.0, 1);
        assert_eq!(comparison.runs, [4, 4]);
        comparison.figures[0].high - comparison.figures[0].low
    };
    let alike = width(&side(1, [1.0; 4]), &side(11, [1.0; 4]));
    let apart = width(&side(1, [0.7, 1.3, 0.8, 1.2]), &side(11, [1.3, 0.7, 1.2, 0.8]));
    assert!(apart > 3.0 * alike, "{apart} {alike}");
}

#[test]
fn what_can_not_be_compared_says_so() {
    let good = || finished(1, 1.0, 1.0);
    let spoilt = |spoil: fn(&mut Finished)| {
        let mut run = finished(2, 1.3, 1.0);
        spoil(&mut run);
        compare([&[good()], &[run]], 5.0, 1)
    };
    for (expected, comparison) in [
        (
            "was invalid: the generator",
            spoilt(|run| {
                run.report.verdict.exit = Exit::Invalid;
                run.report.verdict.reasons = vec!["the generator was the bottleneck".to_owned()];
            }),
        ),
        ("broke a promise", spoilt(|run| run.report.verdict.exit = Exit::Correctness)),
        ("intervals after the warm-up", spoilt(|run| run.report.series.truncate(15))),
        ("one side only", spoilt(|run| run.intervals.clear())),
    ] {
        assert_eq!((comparison.verdict, comparison.code), (None, 98), "{expected}");
        assert!(comparison.warnings.iter().any(|text| text.contains(expected)), "{:?}", comparison.warnings);
    }
    for (expected, comparison) in [
        ("scenarios differ", spoilt(|run| run.report.scenario.name = "other".to_owned())),
        ("plans differ", spoilt(|run| run.report.run.plan_sha256 = "other".to_owned())),
        ("machines differ", spoilt(|run| run.report.run.machine.cores = 64)),
        ("commits differ", spoilt(|run| run.report.run.commit = Some("other".to_owned()))),
    ] {
        assert_eq!(comparison.verdict, Some(Change::Worse), "{expected}");
        assert!(comparison.warnings.iter().any(|text| text.contains(expected)), "{:?}", comparison.warnings);
    }
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let text = |seed| {
        let comparison = compare([&[finished(1, 1.0, 1.0)], &[finished(2, 1.1, 1.0)]], 5.0, seed);
        serde_json::to_string(&comparison).unwrap()
    };
    assert_eq!(text(4), text(4));
    assert_ne!(text(4), text(5));
}
