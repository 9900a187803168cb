//! Whole runs of the load test against a gateway on another thread: the floor measures both sides, and `quick` fails
//! when the punch log is empty.
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::sync_channel;

use bench::floor;
use clap::Parser;
use loadtest::command::print;
use loadtest::quick;

use support::{Gateway, Nuisance, fleet, write_fleet};

#[derive(Parser)]
enum Command {
    Quick(quick::Options),
    Floor(floor::Options),
}

/// Makes a city in a temporary directory whose gateway serves until the process ends.
fn city() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet(folder.path());
    let (send, receive) = sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_gateway, endpoint) = Gateway::start(&fleet, Nuisance::default());
            send.send(endpoint.local_addr().unwrap().port()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    write_fleet(folder.path(), receive.recv().unwrap());
    folder
}

fn parse(folder: &tempfile::TempDir, arguments: &str) -> Command {
    let data = folder.path().to_str().unwrap();
    Command::parse_from(format!("loadtest {arguments} --data {data}").split_whitespace())
}

#[test]
fn the_floor_measures_both_sides_in_every_shape() {
    let city = city();
    for shape in [
        "--devices 3",
        "--devices 2 --batch 8 --in-flight 4",
        "--devices 3 --batch 4 --in-flight 2 --verify",
        "--devices 3 --rate 300",
        "--connections 2,3",
    ] {
        let Command::Floor(options) = parse(&city, &format!("floor {shape} --rounds 1 --seconds 1")) else {
            panic!("not the floor")
        };
        let report = floor::run(&options, &|words| println!("{words}")).unwrap();
        print::floor(&options, &report);
        let devices: Vec<_> = report.measured.iter().map(|measured| measured.devices).collect();
        assert_eq!(devices, options.devices, "{shape}");
        for measured in &report.measured {
            for figures in [measured.rounds[0].echo, measured.rounds[0].gateway] {
                assert!(figures.per_second > 100.0 && figures.latency_ms[0] > 0.0, "{shape}: {figures:?}");
            }
        }
        let json = floor::json(&options, &report);
        assert_eq!(json["measured"].as_array().map(Vec::len), Some(devices.len()), "{json:#}");
        assert!(json["profile"] == "dev" || json["profile"] == "release", "{json:#}");
    }
}

#[test]
fn quick_is_not_good_when_the_ledger_has_nothing() {
    let city = city();
    let export = city.path().join("export");
    let header = "lsn,device,epoch,sequence,region,place,direction,kind,code,device_time_ms,received_ms,offline,colour,advice,basis,reason";
    fs::write(&export, format!("#!/bin/sh\necho {header}\n")).unwrap();
    fs::set_permissions(&export, fs::Permissions::from_mode(0o700)).unwrap();
    let Command::Quick(options) = parse(&city, "quick --devices 3 --seconds 1 --rate 300") else {
        panic!("not quick")
    };
    let outcome = quick::run(&options).unwrap();
    print::quick(&options, &outcome);
    assert!(!outcome.is_good());
    assert_eq!((outcome.tally.offered, outcome.tally.acknowledged, outcome.unacknowledged), (300, 300, 0));
    assert_eq!((outcome.tally.wrong, outcome.proof.lost), (0, 300));
}
