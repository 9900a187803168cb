//! The load test's scenarios and drills of several gateways, shortened: three gateways and three brokers that it starts itself, one fault, and
//! the proof over all punch logs. The tests judge what is lost, doubled, wrong or different, never speed.

use std::fs;
use std::process::Command;

use loadtest::outcome::{Exit, FleetReport, REPORT_FILE, Report};
use loadtest::scenario::SHIPPED;

/// True if all of them run, as in `tests/run --long`.
const ALL: bool = option_env!("CHANGTONG_ALL_FAULTS").is_some();
/// The length and the rate of a shortened run.
const SHORT: [&str; 4] = ["--seconds", "16", "--rate", "120"];

/// Runs a scenario or drill and reads its report. Limits of time are not judged.
fn run(name: &str) -> Report {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == name).expect("it is shipped");
    let folder = tempfile::tempdir().expect("a directory");
    let (file, out) = (folder.path().join("scenario.toml"), folder.path().join("out"));
    let text = shipped.text.replace("late_p99_ms_max = 500.0", "late_p99_ms_max = 60000.0");
    fs::write(&file, text.replace("people = 20000", "people = 2000")).expect("written");
    let mut command = Command::new(tests::binary().with_file_name("loadtest"));
    command.arg("run").arg(&file).args(SHORT).arg("--out").arg(&out);
    let output = command.output().expect("the load test runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let report = Report::read(&out.join(REPORT_FILE)).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    eprintln!("{}", said.concat());
    assert!(
        matches!(report.verdict.exit, Exit::Pass | Exit::Threshold),
        "{name}: {:?}",
        report.verdict.reasons
    );
    assert!(report.events.iter().all(|event| event.done), "{:?}", report.events);
    assert!(report.proof.acknowledged > 100, "{:?}", report.proof);
    let fleet = of(&report);
    assert!(fleet.registries_equal && fleet.orders > 0 && fleet.forms > 0, "{fleet:?}");
    report
}

fn of(report: &Report) -> &FleetReport {
    report.fleet.as_ref().expect("several gateways")
}

#[test]
fn when_the_leader_dies_another_one_leads_and_nothing_acknowledged_is_lost() {
    let report = run("fleet-leader");
    let fleet = of(&report);
    assert_eq!(fleet.gateways, ["north", "south", "east"]);
    assert!(fleet.leaders.len() >= 2 && fleet.leaders[0].gateway == "north", "{:?}", fleet.leaders);
    assert_eq!(fleet.promises.len(), 2, "{:?}", fleet.promises);
}

#[test]
fn a_leader_that_is_cut_off_takes_nothing_and_the_others_of_the_fleet_hold() {
    let mut names = vec!["fleet-partition"];
    if ALL {
        let others = SHIPPED.iter().map(|shipped| shipped.name).filter(|name| name.starts_with("fleet-"));
        names.extend(others.filter(|name| !["fleet-partition", "fleet-leader"].contains(name)));
    }
    for name in names {
        let report = run(name);
        if name == "fleet-partition" {
            assert!(of(&report).leaders.len() >= 2, "{:?}", of(&report).leaders);
        }
    }
}

#[test]
fn each_fault_of_a_fleet_is_shipped() {
    let shipped = |name: &str| SHIPPED.iter().any(|shipped| shipped.name == name && !shipped.drill);
    for name in
        ["leader-dies", "gateway-dies", "broker-minority", "broker-majority", "partition", "rolling-upgrade"]
    {
        assert!(shipped(&format!("fleet-{name}")), "{name}");
    }
}
