//! The comparison of two gateway programs on copies of a city at rest. No figure is judged.

use std::fs;

use bench::floor::verdict::Verdict;
use bench::floor::{self, Options, Outcome};
use tests::{City, binary};

fn options(city: &City) -> Options {
    Options {
        devices: vec![2, 3],
        batch: 1,
        in_flight: 1,
        rate: None,
        verify: false,
        rounds: 1,
        seconds: 1,
        goal: Some(0.5),
        against: Some(binary()),
        program: None,
        pin: false,
        data: city.data(),
        commit: Some("abc".to_owned()),
        json: false,
    }
}

#[test]
fn two_programs_take_turns_on_copies_of_a_city_at_rest_and_leave_nothing_behind() {
    let mut city = City::start(100, 4);
    let options = options(&city);
    let run = || floor::run(&options, &|words| eprintln!("{words}"));
    let error = format!("{:#}", run().expect_err("the city runs"));
    assert!(error.contains("end it: two programs are compared on copies"), "{error}");
    assert!(city.terminate().success(), "an orderly end");
    let beside = || {
        let parent = city.data().parent().expect("a directory").to_owned();
        let mut names: Vec<_> =
            fs::read_dir(parent).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let before = beside();
    let report = run().expect("a run");
    let table = floor::table(&options, &report);
    println!("{table}");
    assert!(report.gateways.len() == 2 && report.gateways[0] == report.gateways[1], "{:?}", report.gateways);
    assert!(report.gateways[0].contains(", commit "), "{:?}", report.gateways);
    for (measured, devices) in report.measured.iter().zip([2, 3]) {
        assert_eq!((measured.devices, measured.rounds.len()), (devices, 1));
        let other = measured.rounds[0].other.expect("the other program's turn");
        assert!(other.per_second > 0.0 && other.server_cpu.is_some(), "{other:?}");
        let verdict = measured.compared(|figures| Some(figures.per_second));
        assert_eq!(verdict, Some(Verdict::TooFew { rounds: 1 }));
    }
    assert_eq!(report.outcome(&options), Outcome::Unknown);
    let json = floor::json(&options, &report).to_string();
    for text in [&table, &json] {
        assert!(text.contains(&report.machine.kernel) && text.contains("abc"), "{text}");
        assert!(text.contains(report.profile) && text.contains(&report.gateways[0]), "{text}");
    }
    assert_eq!(beside(), before, "files are left");
}
