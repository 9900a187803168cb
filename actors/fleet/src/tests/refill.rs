//! A broker that is lost with its data, and the stream that is made anew.

use super::broker::{Nats, wait_for};
use super::gateway::{Gateway, code, wait_for_equality};
use crate::Refilled;

/// Orders a refill, again after a restart of a server that asks for it.
fn refill(nats: &mut Nats, gateway: &Gateway) -> Refilled {
    match gateway.orders().refill() {
        Ok(refilled) => refilled,
        Err(trouble) => {
            assert!(trouble.to_string().contains("restart them, and order it again"), "{trouble}");
            nats.kill();
            nats.restart();
            wait_for("the broker", || gateway.orders().refill().ok())
        }
    }
}

/// Waits until a gateway tells this.
fn wait_for_trouble(gateway: &Gateway, said: &str) -> String {
    wait_for(said, || gateway.standing().trouble.filter(|trouble| trouble.contains(said)))
}

#[test]
fn a_broker_that_is_lost_is_filled_again_from_the_gateway_with_most_and_positions_go_on() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let refused = north.orders().refill().unwrap_err().to_string();
    assert!(refused.contains("leads"), "{refused}");
    north.add(1);
    let south = Gateway::start(directory.path(), "south", nats.url());
    let west = Gateway::start(directory.path(), "west", nats.url());
    wait_for("the followers", || south.codes.get(code(1)).and(west.codes.get(code(1))));
    let refused = south.orders().refill().unwrap_err().to_string();
    assert!(refused.contains("is not lost"), "{refused}");
    // One is away while the others go on.
    west.stop();
    north.add(2);
    wait_for("the follower", || south.codes.get(code(2)));
    wait_for_equality(&north, &south);
    let position = north.standing().position;
    nats.kill();
    nats.wipe();
    nats.restart();
    let west = Gateway::start(directory.path(), "west", nats.url());
    for gateway in [&north, &south, &west] {
        let trouble = wait_for_trouble(gateway, "changtong fleet refill");
        assert!(trouble.contains("do not delete any registry"), "{trouble}");
    }
    let refused = west.orders().refill().unwrap_err().to_string();
    assert!(refused.contains(&format!("has up to {position}")), "{refused}");
    let refilled = refill(&mut nats, &south);
    assert_eq!(refilled.position, position);
    let others: Vec<_> = refilled.others.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(others, ["north", "west"]);
    let leader =
        wait_for("a leader", || [&north, &south, &west].into_iter().find(|one| one.standing().leads));
    assert!(leader.standing().position > position);
    leader.add(3);
    for gateway in [&north, &south, &west] {
        wait_for("the change", || gateway.has(3).then_some(()));
        wait_for_equality(leader, gateway);
    }
    wait_for("the list of gateways", || (leader.standing().gateways.len() == 3).then_some(()));
}

#[test]
fn a_gateway_that_has_more_than_the_stream_says_so_and_joins_anew_when_it_is_ordered_to() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.add(1);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the follower", || south.codes.get(code(1)));
    wait_for_equality(&north, &south);
    south.stop();
    for n in 2..6 {
        north.add(n);
    }
    north.stop();
    nats.kill();
    nats.wipe();
    nats.restart();
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for_trouble(&south, "changtong fleet refill");
    refill(&mut nats, &south);
    south.wait_to_lead();
    south.add(10);
    // It has changes that no other gateway has.
    let north = Gateway::start(directory.path(), "north", nats.url());
    wait_for_trouble(&north, "changtong fleet join");
    for n in 11..20 {
        south.add(n);
    }
    wait_for_trouble(&north, "not the one that this registry has");
    assert!(north.has(5) && !north.has(10));
    let kept = directory.path().join("kept.db");
    let joined = north.orders().join(kept.clone()).unwrap();
    assert!(joined.position > 0 && joined.bytes > 0);
    wait_for("the stream", || north.codes.get(code(19)));
    wait_for_equality(&south, &north);
    assert!(!north.has(5) && north.codes.get(code(5)).is_none());
    assert!(kept.exists());
    let refused = south.orders().join(directory.path().join("other.db")).unwrap_err().to_string();
    assert!(refused.contains("leads"), "{refused}");
}
