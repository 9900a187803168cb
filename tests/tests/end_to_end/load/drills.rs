//! Every drill that comes with the load test, as an operator runs it: a city of its own, one fault, and the expected result. The
//! tests judge lost, doubled, wrong and missing answers, never speed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use loadtest::outcome::{Exit, REPORT_FILE, Report};
use loadtest::scenario::{self, SHIPPED};

/// Returns the load test's program, built beside the tests.
fn program() -> PathBuf {
    let program = tests::binary().with_file_name("loadtest");
    assert!(program.exists(), "{} is missing: cargo build --workspace", program.display());
    program
}

fn loadtest(words: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(program());
    command.args(words).arg("--out").arg(folder);
    command.output().expect("the load test runs")
}

/// Runs a drill and reads its report.
fn drill(name: &str) -> Report {
    let folder = tempfile::tempdir().expect("a directory");
    let output = loadtest(&["drill", name], folder.path());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let report = Report::read(&folder.path().join(REPORT_FILE)).expect("a report");
    assert_eq!(report.verdict.exit, Exit::Pass, "{:?}", report.verdict.reasons);
    let searched = report.scenario.population.receipts == 0 || report.proof.searched_for > 0;
    assert!(report.proof.acknowledged > 100 && searched, "{:?}", report.proof);
    let page = std::fs::metadata(folder.path().join("report.html")).expect("a page").len();
    assert!(page < 300 * 1024, "{page} bytes");
    report
}

/// Returns the number of packets with that fate.
fn packets(report: &Report, fate: &str) -> u64 {
    report.network.as_ref().expect("something stood between")[fate]
}

/// Returns the result of the event, in words.
fn outcome(report: &Report, at: usize) -> &str {
    &report.events[at].outcome
}

#[test]
fn a_killed_gateway_loses_nothing_that_it_acknowledged() {
    let report = drill("kill");
    assert!(outcome(&report, 0).starts_with("ready again"), "{:?}", report.events);
}

#[test]
fn a_restart_in_good_order_loses_nothing() {
    let report = drill("restart");
    assert!(outcome(&report, 0).starts_with("ended in good order"), "{:?}", report.events);
}

#[test]
fn a_full_disk_stops_punches_until_there_is_room() {
    let report = drill("disk-full");
    assert_eq!(outcome(&report, 0), "punches were refused until there was room again");
}

#[test]
fn slow_and_absent_carriers_are_not_noticed_at_the_gates() {
    let report = drill("carriers");
    assert!(report.total[&scenario::Kind::Query].answered > 0, "{:?}", report.total[&scenario::Kind::Query]);
}

#[test]
fn a_bad_network_costs_time_and_nothing_else() {
    let report = drill("bad-network");
    for fate in ["dropped", "duplicated", "corrupted", "reordered"] {
        assert!(packets(&report, fate) > 0, "{fate}: {:?}", report.network);
    }
}

#[test]
fn what_was_kept_behind_a_cut_network_follows() {
    let report = drill("partition");
    assert!(packets(&report, "dropped") > 0 && outcome(&report, 0).ends_with("what it was"));
}

#[test]
fn connections_move_with_their_devices() {
    let report = drill("rebind");
    assert_eq!((packets(&report, "rebinds"), report.generator.lost), (2, 0));
    assert_eq!(report.generator.welcomed, 110, "each device once");
}

#[test]
fn devices_that_all_reconnect_at_once_lose_nothing() {
    assert!(outcome(&drill("reconnect"), 0).ends_with("lost their connections"));
}

#[test]
fn changed_colours_are_seen_by_whatever_is_asked_afterwards() {
    let report = drill("colours");
    let proof = &report.proof;
    assert_eq!((proof.colours_changed, proof.colour_lag.count, proof.stale_verdicts), (20, 20, 0));
}

#[test]
fn every_drill_is_tested_here() {
    let source = include_str!("drills.rs");
    // Those of several gateways are in `fleets.rs`.
    let alone = SHIPPED.iter().filter(|shipped| !shipped.name.starts_with("fleet-"));
    for shipped in alone.filter(|shipped| shipped.drill) {
        assert!(source.contains(&format!("drill(\"{}\")", shipped.name)), "{} is not", shipped.name);
    }
}
