//! Followers: their content, and the gateways that may join.

use keys::{Keys, TokenFile};
use registry::replication::NotNow;

use super::broker::{Nats, wait_for};
use super::gateway::{AddCodes, Gateway, code, make_keys, wait_for_equality};
use crate::Lacking;
use actors::registrar::RegistrarError;

#[test]
fn a_follower_has_each_change_in_memory_and_on_disk_and_names_the_leader_to_those_who_order() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.add(1);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("a code from before it joined", || south.codes.get(code(1)));
    north.add(2);
    wait_for("a change", || south.codes.get(code(2)));
    wait_for_equality(&north, &south);
    let refused = south.refusal(3).expect("it follows");
    let RegistrarError::NotNow(NotNow::Elsewhere { name, address }) = &refused else {
        panic!("{refused}");
    };
    assert_eq!((name.as_str(), address.as_str()), ("north", "https://north.example"));
    assert!(refused.to_string().contains("do it there, at https://north.example"), "{refused}");
    // It goes on from where it was.
    south.stop();
    north.add(3);
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("a change from while it was away", || south.codes.get(code(3)));
    wait_for_equality(&north, &south);
    wait_for("new colours", || (south.standing().colours_age_s <= 1).then_some(()));
    assert_eq!(north.standing().colours_age_s, 0, "it leads");
    // A leader that ends gives the lease back.
    north.stop();
    south.wait_to_lead();
    south.add(4);
    let north = Gateway::start(directory.path(), "north", nats.url());
    wait_for("the other leader's change", || north.codes.get(code(4)));
    wait_for_equality(&south, &north);
}

#[test]
fn a_changeset_that_exceeds_the_brokers_messages_goes_in_parts() {
    let nats = Nats::start("max_payload: 4096");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    let before = north.standing().position;
    north.registrar.act_blocking(AddCodes(1..2_001)).unwrap();
    assert!(north.standing().position > before + 4, "in parts");
    let south = Gateway::start(directory.path(), "south", nats.url());
    wait_for("all codes", || (south.codes.len() == 2_000).then_some(()));
    wait_for_equality(&north, &south);
}

#[test]
fn a_gateway_with_another_key_is_refused_by_the_keys_name_and_takes_nothing() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let north = Gateway::start(directory.path(), "north", nats.url());
    north.wait_to_lead();
    north.add(1);
    let others = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    for (name, file) in [("south", "fleet.key"), ("west", "signing.pk8")] {
        let (own, fresh) = (others.path().join(name), others.path().join(format!("{name}-fresh")));
        make_keys(&fresh);
        make_keys(&own);
        for same in Keys::files(&keys).unwrap().iter().filter(|same| *same != file) {
            std::fs::copy(keys.join(same), own.join(same)).unwrap();
        }
        let other = Gateway::start_with(others.path(), &own, name, nats.url());
        let trouble = wait_for("its refusal", || other.standing().trouble);
        assert!(trouble.contains(file), "{trouble}");
        assert_eq!((other.standing().position, other.codes.len()), (0, 0));
    }
}

#[test]
fn a_token_key_that_one_of_two_gateways_lacks_is_named_and_both_go_on() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let [keys, newer] = ["keys", "newer"].map(|name| directory.path().join(name));
    make_keys(&keys);
    make_keys(&newer);
    for file in Keys::files(&keys).unwrap() {
        std::fs::copy(keys.join(&file), newer.join(&file)).unwrap();
    }
    Keys::rotate_token(&newer, Some(2), 1).unwrap();
    let key = TokenFile { file: "token-2.key".to_owned(), good_from_s: Some(2) };
    let lacking = |gateway: &str| Some(Lacking { gateway: gateway.to_owned(), key: key.clone() });
    let north = Gateway::start_with(directory.path(), &newer, "north", nats.url());
    north.wait_to_lead();
    let south = Gateway::start_with(directory.path(), &keys, "south", nats.url());
    north.add(1);
    wait_for("a change", || south.codes.get(code(1)));
    // It is noted from the lease, and changes may come before that is looked at.
    wait_for("its key", || (south.standing().lacking == lacking("south")).then_some(()));
    assert_eq!((south.standing().trouble, north.standing().lacking), (None, None));
    north.stop();
    south.wait_to_lead();
    let north = Gateway::start_with(directory.path(), &newer, "north", nats.url());
    south.add(2);
    wait_for("a change of the other leader", || north.codes.get(code(2)));
    wait_for("the other's key", || (north.standing().lacking == lacking("south")).then_some(()));
    assert_eq!(north.standing().trouble, None);
    south.stop();
    north.wait_to_lead();
    let south = Gateway::start_with(directory.path(), &newer, "south", nats.url());
    north.add(3);
    wait_for("a change", || south.codes.get(code(3)));
    wait_for("the leader", || south.standing().leader);
    assert_eq!(south.standing().lacking, None, "both have it");
}
