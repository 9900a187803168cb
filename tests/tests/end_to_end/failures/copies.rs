//! The second copy of a gateway's punches: what was acknowledged with it outlives the machine, and without the broker nothing is.

use std::path::Path;

use device::{Device, DeviceState, Fleet};
use protocol::{Colour, Epoch};
use tests::members::{Member, run};
use tests::nats::Nats;
use tests::walk::{endpoint, punch};
use tests::{City, block_on, wait_for};

use super::members::{green, shown_by};

/// The punches of one gate.
const PUNCHES: usize = 20;

/// Makes the recovery keys in a file; returns the line for the configurations.
pub(super) fn recovery_key(file: &Path) -> String {
    let (status, out, err) = run(&["fleet", "recovery-key", "--out", file.to_str().expect("plain")]);
    assert!(status.success() && out.starts_with("recovery_key = \""), "{out}{err}");
    out
}

/// Has a gate punch at this gateway, until all is acknowledged.
fn punch_at(fleet: &Fleet, gate: usize, epoch: u32) {
    let (place, region) = fleet.devices[gate].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(fleet);
        let state = DeviceState::new(Epoch(epoch));
        let mut gate = Device::new(&endpoint, fleet, &fleet.devices[gate], state).expect("good certificates");
        for _ in 0..PUNCHES {
            gate.punch(region, punch(place), 0);
        }
        gate.connect().await.expect("a connection");
        gate.settle().await.expect("acknowledged");
    });
}

#[test]
fn what_a_lost_gateway_acknowledged_is_read_from_its_copy() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    assert!(city.terminate().success(), "{}", city.log());
    let key = root.path().join("recovery.key");
    let lines = recovery_key(&key) + "acknowledge = \"replicated\"\n";
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.configure(&lines);
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, root.path(), "south", &nats.url());
    south.configure(&lines);
    south.start();
    south.wait_for_all_of(&north);
    let at_south = south.fleet();
    for (gate, epoch) in [(0, 1), (1, 1), (0, 2)] {
        punch_at(&at_south, gate, epoch);
    }
    // At once: what was acknowledged is in the copy.
    south.kill();
    south.lose();

    let key = key.to_str().expect("plain");
    let words = ["fleet", "recover", "south", "--case", "C-7", "--key", key];
    let (status, out, err) = north.order_by_file(&words);
    assert!(status.success() && err.contains("on record"), "{out}{err}");
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows[0].starts_with("lsn,device,epoch,sequence,"), "{out}");
    assert_eq!(rows.len(), 1 + 3 * PUNCHES, "{out}{err}");
    for epoch in ["1", "2"] {
        let of_first = |row: &&&str| row.split(',').nth(2) == Some(epoch);
        assert_eq!(rows.iter().filter(of_first).count(), if epoch == "1" { 2 * PUNCHES } else { PUNCHES });
    }
    // Under its name another log finds what it had, and leaves it.
    south.start();
    let trouble = wait_for("the refusal", || {
        let standing = south.standing()?;
        standing["copy"]["trouble"].as_str().map(str::to_owned)
    });
    assert!(trouble.contains("changtong fleet recover south"), "{trouble}");
}

#[test]
fn without_the_broker_replicated_punches_are_busy_and_verifies_go_on() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let mut nats = Nats::start();
    assert!(city.terminate().success(), "{}", city.log());
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.configure(&(recovery_key(&root.path().join("recovery.key")) + "acknowledge = \"replicated\"\n"));
    north.start();
    north.wait_to_lead();
    let fleet = north.fleet();
    let code = green(&city)[0].parse().expect("a number");
    punch_at(&fleet, 0, 1);
    assert!(north.metric("changtong_fleet_copy_age_seconds", "") < 60.0);
    let refused = || north.metric("changtong_punches_refused_total", "reason=\"ledger\"");
    let before = refused();
    nats.kill();
    std::thread::scope(|scope| {
        let punches = scope.spawn(|| punch_at(&fleet, 0, 2));
        wait_for("punches that are busy", || (refused() > before).then_some(()));
        assert!(!punches.is_finished(), "nothing is acknowledged");
        // The colours are in memory.
        assert_eq!(shown_by(&fleet, 1, code), Colour::Green);
        wait_for("the cause", || {
            let standing = north.standing()?;
            standing["copy"]["trouble"].as_str().map(str::to_owned)
        });
        nats.restart();
        punches.join().expect("acknowledged when the broker is back");
    });
}
