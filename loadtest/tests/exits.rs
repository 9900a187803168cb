//! Exit codes of runs against a stand-in that is correct or wrong in one way: 0, 97 for every error of the gateway, 98 for a
//! generator that cannot keep up, 99 for a threshold, 2 for runs that cannot be made.
#![allow(clippy::print_stdout, reason = "cargo shows what a test says when it fails")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use device::clock;
use loadtest::outcome::ProofReport;
use loadtest::scenario;
use loadtest::scenario::plan::Plan;

use support::city::{City, Ran};
use support::lie::Lie;
use support::stand_in::Manner;

const SEED: u64 = 7;
/// Deadline of the run: its own two seconds, the largest lateness of the generator, and the wait for the last answers.
const SATURATED_MAX: Duration = Duration::from_secs(90);

/// Half a second of scans and punches at one gate. The bounds of the generator are wide, for busy machines.
const SHORT: &str = r#"
name = "short"
about = "Scans and punches at one gate"
[city]
people = 3
gates = 3
[[fleet]]
class = "gate"
count = 1
[mix]
verify = 1.0
punch = 1.0
[retry]
patience_ms = 60_000
[generator]
late_p99_ms_max = 60_000.0
busy_share_max = 2.0
[[stage]]
name = "hold"
kind = "step"
rate = 200.0
seconds = 0.5
"#;

/// A person turns red early in three seconds of scans.
const COLOURS: &str = r#"
[[event]]
at_s = 0.1
do = "colours"
count = 1
"#;

fn run(manner: Manner, scenario: &str) -> Ran {
    println!("seed {SEED}");
    let city = City::start("gate", manner);
    let ran = city.run(scenario, SEED);
    println!("{manner:?}: {}", ran.said);
    ran
}

fn of(lie: Option<Lie>) -> Manner {
    Manner { lie, ..Manner::default() }
}

#[test]
fn every_lie_is_found_and_named_and_an_honest_city_passes() {
    for (lie, count, reason) in [
        (None, None, ""),
        (
            Some(Lie::Drops),
            Some((|proof| proof.lost) as fn(&ProofReport) -> u64),
            "1 acknowledged punches are lost",
        ),
        (Some(Lie::Doubles), Some(|proof| proof.doubled), "1 punches are recorded twice"),
        (Some(Lie::Reorders), Some(|proof| proof.disordered), "1 punches are out of order"),
        (Some(Lie::Moves), Some(|proof| proof.altered), "1 punches are recorded otherwise than acknowledged"),
        (
            Some(Lie::Recolours),
            Some(|proof| proof.altered),
            "1 punches are recorded otherwise than acknowledged",
        ),
        (Some(Lie::Turns), Some(|proof| proof.altered), "1 punches are recorded otherwise than acknowledged"),
        (
            Some(Lie::Retypes),
            Some(|proof| proof.altered),
            "1 punches are recorded otherwise than acknowledged",
        ),
        (
            Some(Lie::Backdates),
            Some(|proof| proof.altered),
            "1 punches are recorded otherwise than acknowledged",
        ),
        (
            Some(Lie::CallsOffline),
            Some(|proof| proof.altered),
            "1 punches are recorded otherwise than acknowledged",
        ),
        (Some(Lie::Invents), Some(|proof| proof.invented), "1 punches are recorded and were never sent"),
        (
            Some(Lie::MislabelsVerdict),
            Some(|proof| proof.wrong_verdicts),
            "1 verdicts show a wrong colour or advice",
        ),
        (
            Some(Lie::MislabelsPunch),
            Some(|proof| proof.wrong_verdicts),
            "1 verdicts show a wrong colour or advice",
        ),
        (Some(Lie::Leaks), Some(|proof| proof.leaked.len() as u64), "personal data in the gateway's metrics"),
    ] {
        let ran = run(of(lie), SHORT);
        let report = ran.report.unwrap();
        assert!(report.proof.acknowledged > 10, "{lie:?}: {:?}", report.proof);
        assert_eq!(ran.code, if lie.is_some() { 97 } else { 0 }, "{lie:?}: {:?}", report.verdict);
        assert_eq!(ran.code, i32::from(report.verdict.code));
        assert_eq!(report.verdict.reasons.join("; "), reason, "{lie:?}");
        assert_eq!(count.map_or(1, |count| count(&report.proof)), 1, "{lie:?}: {:?}", report.proof);
    }
}

#[test]
fn a_gateway_that_lets_red_people_pass_is_wrong_whatever_colour_it_shows() {
    let ran = run(of(Some(Lie::PassesRed)), SHORT);
    let report = ran.report.unwrap();
    assert_eq!(ran.code, 97, "{:?}", report.verdict);
    assert!(report.proof.wrong_verdicts > 1, "{:?}", report.proof);
}

#[test]
fn a_gateway_that_knows_no_colour_yet_has_answered_nobody() {
    let ran = run(of(Some(Lie::NeverLoads)), &SHORT.replace("[retry]", "[retry]\nagain = 0.0"));
    let report = ran.report.unwrap();
    assert_eq!(ran.code, 98, "{:?}", report.verdict);
    assert!(report.total.values().all(|kind| kind.answered == 0 && kind.failed["not-loaded"] > 10));
    assert!(report.verdict.reasons[0].starts_with("most people were not answered"), "{:?}", report.verdict);
}

#[test]
fn a_quantile_counts_those_who_left_and_wants_enough_people() {
    let threshold = "[[threshold]]\nof = \"verify\"\nfigure = \"p99_ms\"\nmax = 60000.0\n";
    // No person waits as long as an answer takes: the 99th percentile has left.
    let slow = Manner { delay: Duration::from_secs(1), ..Manner::default() };
    let impatient = SHORT
        .replace("patience_ms = 60_000", "patience_ms = 200\nagain = 0.0")
        .replace("seconds = 0.5", "seconds = 2.0");
    let ran = run(slow, &format!("{impatient}{threshold}"));
    let report = ran.report.unwrap();
    assert_eq!((ran.code, report.thresholds[0].measured), (99, None), "{:?}", report.verdict);
    let ran = run(of(None), &format!("{}{threshold}", SHORT.replace("rate = 200.0", "rate = 20.0")));
    let report = ran.report.unwrap();
    assert_eq!((ran.code, report.thresholds[0].holds), (98, true), "{:?}", report.verdict);
    assert!(report.verdict.reasons[0].contains("at least 100 wanted"), "{:?}", report.verdict);
}

#[test]
fn a_run_to_which_nobody_comes_proves_nothing() {
    let ran = run(of(None), &SHORT.replace("rate = 200.0", "rate = 0.0"));
    let reasons = ran.report.unwrap().verdict.reasons;
    assert_eq!((ran.code, &*reasons), (98, &["nobody came: such a run proves nothing".to_owned()][..]));
}

#[test]
fn an_old_colour_after_a_change_is_found() {
    let scenario = format!("{}{COLOURS}", SHORT.replace("seconds = 0.5", "seconds = 3.0"));
    for (lie, code) in [(None, 0), (Some(Lie::ShowsOldColour), 97)] {
        let ran = run(of(lie), &scenario);
        let report = ran.report.unwrap();
        assert_eq!((ran.code, report.proof.colours_changed), (code, 1), "{lie:?}: {:?}", report.verdict);
        assert_eq!(report.proof.stale_verdicts > 0, lie.is_some(), "{:?}", report.proof);
        assert_eq!(report.verdict.reasons.len(), usize::from(lie.is_some()), "{:?}", report.verdict);
    }
}

/// An answer to a person who has left, or tried again, has the colour of the time of the request. That is no stale colour.
#[test]
fn an_answer_that_comes_late_is_judged_by_when_it_was_asked_for() {
    let manner = Manner { delay: Duration::from_secs(1), ..Manner::default() };
    for again in ["0.0", "1.0"] {
        let retry = format!("patience_ms = 200\nagain = {again}\ntimes_max = 1\nthink_ms = 300");
        let scenario =
            SHORT.replace("patience_ms = 60_000", &retry).replace("seconds = 0.5", "seconds = 2.0");
        let nobody_has_to_be_answered =
            "[[threshold]]\nof = \"verify\"\nfigure = \"answered_share\"\nmin = 0.0\n";
        let ran = run(manner, &format!("{scenario}{COLOURS}{nobody_has_to_be_answered}"));
        let report = ran.report.unwrap();
        assert_eq!((ran.code, report.proof.colours_changed), (0, 1), "{:?}", report.verdict);
        let verify = &report.total[&scenario::Kind::Verify];
        assert!(verify.failed.values().sum::<u64>() > 0, "nobody waits a second: {verify:?}");
        assert!(verify.answered == 0 || verify.service.p50_ms >= 998.0, "{verify:?}");
    }
}

/// A refused device stops; the people who come to it are counted all the same.
#[test]
fn people_before_a_device_that_stopped_are_not_left_out() {
    let ran = run(of(Some(Lie::Refuses)), SHORT);
    let report = ran.report.unwrap();
    let stopped = |reason: &String| reason.starts_with("device 1 stopped");
    assert!(ran.code == 97 && report.verdict.reasons.iter().any(stopped), "{:?}", report.verdict);
    let kinds = report.total.values();
    let offered: u64 = kinds.clone().map(|kind| kind.offered).sum();
    let answered: u64 = kinds.clone().map(|kind| kind.answered).sum();
    let failed: u64 = kinds.flat_map(|kind| kind.failed.values()).sum();
    let scenario = scenario::parse(SHORT, "short").unwrap();
    assert_eq!(offered, Plan::new(&scenario, SEED).count() as u64, "{:?}", report.total);
    assert!(offered == answered + failed && failed > 10, "{:?}", report.total);
    assert!(!ran.said.contains("does not add up"), "{}", ran.said);
}

#[test]
fn a_broken_threshold_is_99() {
    let threshold = "[[threshold]]\nof = \"verify\"\nfigure = \"p50_ms\"\nmax = 20.0\n";
    let manner = Manner { delay: Duration::from_millis(30), ..Manner::default() };
    let ran = run(manner, &format!("{SHORT}{threshold}"));
    let report = ran.report.unwrap();
    assert_eq!((ran.code, report.verdict.code), (99, 99), "{:?}", report.verdict);
    assert!(report.thresholds[0].measured.unwrap() >= 30.0);
}

#[test]
fn a_saturated_generator_is_98_and_comes_to_an_end() {
    let limits = "late_p99_ms_max = 60_000.0\nbusy_share_max = 2.0";
    let scenario = SHORT.replace("rate = 200.0\nseconds = 0.5", "rate = 2_000_000.0\nseconds = 2.0");
    let from = clock::now();
    let ran = run(Manner::default(), &scenario.replace(limits, "").replace("punch = 1.0", "punch = 0.0"));
    let took = clock::since(from);
    let report = ran.report.unwrap();
    assert_eq!((ran.code, report.verdict.code), (98, 98), "{:?}", report.verdict);
    let (late, verify) = (&report.generator.late, &report.total[&scenario::Kind::Verify]);
    assert!(late.p99_ms > 100.0, "{late:?}");
    // The generator's lateness is part of every latency.
    assert_eq!((verify.offered, &verify.failed), (verify.answered, &BTreeMap::new()));
    for (latency, late) in [(verify.latency.p50_ms, late.p50_ms), (verify.latency.p99_ms, late.p99_ms)] {
        assert!(latency >= late, "{latency} ms, and the generator was {late} ms late");
    }
    assert!(
        report.verdict.reasons.iter().any(|reason| reason.contains("the generator")),
        "{:?}",
        report.verdict
    );
    assert!(took < SATURATED_MAX, "{took:?}");
}

#[test]
fn what_cannot_be_run_is_2_and_leaves_no_report() {
    let unmarked = Manner { unmarked: true, ..Manner::default() };
    let gone = City::start("gate", Manner::default());
    std::fs::remove_file(gone.path().join("fleet.json")).unwrap();
    for (ran, said) in [
        (run(of(None), &SHORT.replace("rate = 200.0", "rate = -1.0")), "scenario.toml:21: rate must be 0 to"),
        (run(of(None), &SHORT.replace("seconds", "secnods")), "scenario.toml:22"),
        (City::start("gate", of(None)).run_named("stedy", SEED), "steady"),
        (City::start("gate", of(None)).run_named("./missing.toml", SEED), "reading ./missing.toml"),
        (City::start("handheld", of(None)).run(SHORT, SEED), "too few devices of class Gate"),
        (gone.run(SHORT, SEED), "is a development city running there?"),
        (run(unmarked, SHORT), "left alone"),
    ] {
        assert_eq!(ran.code, 2, "{}", ran.said);
        assert!(ran.report.is_none() && ran.said.contains(said), "{said}: {}", ran.said);
    }
}
