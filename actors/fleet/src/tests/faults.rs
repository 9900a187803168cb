//! A broker that is away, a leader that is cut off, and answers that are lost.

use actors::registrar::RegistrarError;
use registry::replication::NotNow;

use super::broker::{Nats, Way, wait_for};
use super::gateway::{Gateway, code, wait_for_equality};

#[test]
fn a_leader_that_is_cut_off_commits_nothing_and_follows_the_next_one_afterwards() {
    let nats = Nats::start("");
    let way = Way::to(nats.port);
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", way.url());
    north.wait_to_lead();
    north.add(1);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the follower", || south.codes.get(code(1)));
    way.hold(true, true);
    // It believes that it leads, and the change waits on its way.
    let refused = north.refusal(2).expect("nothing confirms it");
    assert!(matches!(refused, RegistrarError::NotNow(_)), "{refused}");
    assert!(!north.has(2));
    south.wait_to_lead();
    south.add(3);
    wait_for("its end as the leader", || (!north.standing().leads).then_some(()));
    let refused = north.refusal(4).expect("it leads no more");
    assert!(matches!(refused, RegistrarError::NotNow(_)), "{refused}");
    // The change that waited reaches the stream behind the next leader's first one.
    way.hold(false, false);
    wait_for("the other leader's change", || north.codes.get(code(3)));
    wait_for_equality(&south, &north);
    assert!(!north.has(2) && !south.has(2) && !north.has(4));
    south.add(5);
    wait_for("a change of the new leader", || north.codes.get(code(5)));
}

#[test]
fn an_append_whose_answer_is_late_is_found_in_the_stream_and_is_there_once() {
    let nats = Nats::start("");
    let way = Way::to(nats.port);
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", way.url());
    north.wait_to_lead();
    north.add(10);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the follower", || south.codes.get(code(10)));
    let before = north.standing().position;
    way.hold(false, true);
    let refused = std::thread::scope(|scope| {
        let change = scope.spawn(|| north.refusal(1).map(|error| error.to_string()));
        // The stream has it, and the leader does not know.
        wait_for("the change", || south.codes.get(code(1)));
        assert!(!north.has(1));
        way.hold(false, false);
        change.join().unwrap()
    });
    wait_for("a leader", || (north.standing().leads || south.standing().leads).then_some(()));
    wait_for("the change", || north.has(1).then_some(()));
    wait_for_equality(&north, &south);
    match refused {
        // On a machine that stood still for longer it is not certain, and then it is read from the stream.
        Some(refused) => assert_eq!(refused, NotNow::Unconfirmed.to_string()),
        None => assert_eq!(north.standing().position, before + 1, "it is there once"),
    }
}

#[test]
fn without_the_broker_changes_are_refused_reads_go_on_and_with_it_the_fleet_does() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let south = Gateway::start(directory.path(), "south", nats.url());
    north.add(1);
    wait_for("the follower", || south.codes.get(code(1)));
    nats.kill();
    let refused = north.refusal(2).expect("the broker is away");
    assert!(
        matches!(refused, RegistrarError::NotNow(_)) && refused.to_string().contains("not now"),
        "{refused}"
    );
    wait_for("the end of the lease", || (!north.standing().leads).then_some(()));
    let refused = north.refusal(2).expect("the broker is away");
    assert!(refused.to_string().contains("not now"), "{refused}");
    assert!(north.has(1) && south.codes.get(code(1)).is_some() && !north.has(2));
    wait_for("the trouble", || (!north.standing().connected && !south.standing().connected).then_some(()));
    nats.restart();
    let leader = wait_for("a leader", || [&north, &south].into_iter().find(|one| one.standing().leads));
    leader.wait_to_lead();
    leader.add(3);
    for gateway in [&north, &south] {
        wait_for("the change", || gateway.has(3).then_some(()));
    }
    wait_for_equality(&north, &south);
}

#[test]
fn a_broker_that_has_lost_its_data_is_named_and_no_gateway_begins_anew() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.add(1);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("the follower", || south.codes.get(code(1)));
    wait_for_equality(&north, &south);
    let digest = north.digest();
    nats.kill();
    nats.wipe();
    nats.restart();
    for gateway in [&north, &south] {
        wait_for("the trouble", || {
            gateway.standing().trouble.filter(|trouble| trouble.contains("do not delete any registry"))
        });
        assert!(gateway.refusal(2).is_some() && !gateway.standing().leads);
        assert_eq!(gateway.digest(), digest);
    }
}

#[test]
fn a_gateway_whose_last_change_the_broker_lost_does_not_follow_another_change_in_its_place() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let south = Gateway::start(directory.path(), "south", nats.url());
    north.add(1);
    wait_for("the follower", || south.codes.get(code(1)));
    south.stop();
    nats.kill();
    let earlier = nats.data();
    nats.restart();
    wait_for("a leader", || north.standing().leads.then_some(()));
    wait_for("the change", || north.refusal(2).is_none().then_some(()));
    let position = north.standing().position;
    nats.kill();
    nats.restore(earlier.path());
    nats.restart();
    // It finds out at its next change, if it still holds the lease.
    wait_for("the end of its lead", || {
        let refused = north.refusal(100);
        assert!(refused.is_some(), "a change behind a place that the stream has not");
        (!north.standing().leads).then_some(())
    });
    // The other one has all that the stream has, and goes on from there.
    let south = Gateway::start(directory.path(), "south", nats.url());
    south.wait_to_lead();
    wait_for("another change in that place", || {
        let _ = south.refusal(3 + south.standing().position);
        (south.standing().position >= position).then_some(())
    });
    let trouble = wait_for("the trouble", || {
        north.standing().trouble.filter(|trouble| trouble.contains("not the one that this registry has"))
    });
    assert!(trouble.starts_with(&format!("message {position} of the stream")), "{trouble}");
    assert!(north.has(2) && !north.standing().leads);
}
