//! The knowledge of gateways about each other: their list, and the numbers of devices that come from one to another.

use async_nats::jetstream::kv::Operation;
use futures_util::StreamExt;
use ledger::Missing;
use protocol::{DeviceId, Epoch, Sequence};
use runtime::lock::lock;

use super::broker::{Nats, wait_for};
use super::gateway::{Gateway, addresses};

const EPOCH: Epoch = Epoch(7);

fn held(gateway: &Gateway, device: u64, recorded: u64, acknowledged: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let device = (DeviceId(device), EPOCH);
    runtime.block_on(gateway.peers.held(device, Sequence(recorded), Sequence(acknowledged))).0
}

fn records(gateway: &Gateway, device: u64, upto: u64) {
    lock(&gateway.log).marks.insert((DeviceId(device), EPOCH), Sequence(upto));
}

fn wait_for_list(gateways: &[&Gateway], names: &[&str]) {
    let expected: Vec<String> = names.iter().map(|name| format!("{name}.example:7443")).collect();
    for gateway in gateways {
        wait_for("the list", || (addresses(gateway) == expected).then_some(()));
    }
}

#[test]
fn what_another_gateway_has_is_held_and_what_none_has_is_lost() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [north, south, west] =
        ["north", "south", "west"].map(|name| Gateway::start(directory.path(), name, nats.url()));
    wait_for_list(&[&north, &south, &west], &["north", "south", "west"]);
    records(&north, 1, 90);
    records(&south, 1, 30);
    records(&south, 2, 15);
    // An answer may come too late on a busy machine, and then nothing is taken for lost.
    let (from, to) = (Sequence(16), Sequence(20));
    for (device, acknowledged, expected) in [(1, 25, 25), (1, 90, 90), (2, 20, 15), (3, 20, 0)] {
        wait_for("an answer of all", || (held(&west, device, 0, acknowledged) == expected).then_some(()));
    }
    for gateway in [&north, &south] {
        assert_eq!(lock(&gateway.log).lost, []);
    }
    // What seemed unconfirmed meanwhile is settled by itself, and only what no log has is lost.
    let waits = directory.path().join("west.data/unconfirmed.json");
    wait_for("nothing that waits", || (!waits.exists()).then_some(()));
    let lost = Missing { device: DeviceId(2), epoch: EPOCH, from, to };
    for missing in &lock(&west.log).lost {
        assert!(missing.device.0 == 3 || *missing == lost, "{missing:?}");
    }
}

#[test]
fn the_word_of_a_gateway_that_only_the_device_has_told_settles_nothing() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let start = |name| Gateway::start(directory.path(), name, nats.url());
    let (north, south, west) = (start("north"), start("south"), start("west"));
    wait_for_list(&[&north, &south, &west], &["north", "south", "west"]);
    south.stop();
    wait_for("an answer of the others", || (held(&north, 1, 100, 150) == 150).then_some(()));
    records(&north, 1, 151);
    wait_for("an answer of the others", || (held(&west, 1, 0, 151) == 151).then_some(()));
    records(&west, 1, 152);
    // The file is written after all that waits was asked about.
    assert_eq!(held(&north, 2, 10, 77), 77);
    let file = directory.path().join("north.data/unconfirmed.json");
    wait_for("the file", || std::fs::read_to_string(&file).ok().filter(|text| text.contains("77")));
    let south = Gateway::start_knowing(directory.path(), "south", nats.url(), |log| {
        log.marks.insert((DeviceId(1), EPOCH), Sequence(140));
        log.marks.insert((DeviceId(2), EPOCH), Sequence(77));
    });
    wait_for("nothing that waits", || (!file.exists()).then_some(()));
    let (from, to) = (Sequence(141), Sequence(150));
    assert_eq!(lock(&north.log).lost, [Missing { device: DeviceId(1), epoch: EPOCH, from, to }]);
    drop(south);
}

#[test]
fn a_gateway_that_was_taken_from_the_list_while_it_runs_is_in_it_again() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for_list(&[&north, &south], &["north", "south"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entered = runtime.block_on(async {
        let client = async_nats::connect(nats.url()).await.unwrap();
        let bucket = async_nats::jetstream::new(client).get_key_value("CHANGTONG_MEMBERS").await.unwrap();
        let mut entries = bucket.watch("south").await.unwrap();
        bucket.delete("south").await.unwrap();
        entries.next().await.unwrap().unwrap();
        entries.next().await.unwrap().unwrap().operation
    });
    assert_eq!(entered, Operation::Put);
    wait_for_list(&[&north, &south], &["north", "south"]);
}

#[test]
fn what_a_gateway_that_is_away_may_have_waits_for_it_also_over_a_restart() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let start = |name| Gateway::start(directory.path(), name, nats.url());
    let (north, south) = (start("north"), start("south"));
    wait_for_list(&[&north, &south], &["north", "south"]);
    south.stop();
    for device in [1, 2, 3] {
        assert_eq!(held(&north, device, 10, 50), 50, "it may be there");
    }
    let file = directory.path().join("north.data/unconfirmed.json");
    wait_for("the file", || {
        std::fs::read_to_string(&file).ok().filter(|text| text.matches("50").count() == 3)
    });
    north.stop();
    let north = start("north");
    wait_for_list(&[&north], &["north", "south"]);
    assert_eq!(lock(&north.log).lost, []);
    let south = Gateway::start_knowing(directory.path(), "south", nats.url(), |log| {
        log.marks.insert((DeviceId(1), EPOCH), Sequence(60));
        log.marks.insert((DeviceId(2), EPOCH), Sequence(40));
    });
    wait_for("what is lost", || (lock(&north.log).lost.len() == 2).then_some(()));
    let missing = |device, from| Missing {
        device: DeviceId(device),
        epoch: EPOCH,
        from: Sequence(from),
        to: Sequence(50),
    };
    assert_eq!(lock(&north.log).lost, [missing(2, 41), missing(3, 11)]);
    wait_for("nothing that waits", || (!file.exists()).then_some(()));
    drop(south);
}

#[test]
fn without_the_broker_nothing_is_taken_for_lost() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    wait_for_list(&[&north], &["north"]);
    wait_for("an answer", || (held(&north, 1, 0, 5) == 0).then_some(()));
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for_list(&[&north, &south], &["north", "south"]);
    nats.kill();
    assert_eq!(held(&north, 2, 0, 5), 5);
    nats.restart();
    wait_for("the loss", || (lock(&north.log).lost.len() == 1).then_some(()));
    assert_eq!(lock(&north.log).lost[0].device, DeviceId(2));
    assert_eq!(addresses(&south).len(), 2);
}
