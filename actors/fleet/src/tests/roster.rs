//! Operators' orders about the fleet, and a name that two gateways have.

use super::broker::{Nats, wait_for};
use super::gateway::{Gateway, wait_for_equality};
use crate::RosterError;

#[test]
fn a_gateway_that_is_promoted_leads_and_nothing_else_does_meanwhile() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let start = |name| Gateway::start(directory.path(), name, nats.url());
    let north = start("north");
    north.wait_to_lead();
    let others = [start("south"), start("west")];
    let [south, west] = &others;
    for gateway in &others {
        wait_for("its gateways", || (gateway.standing().gateways.len() == 3).then_some(()));
        wait_for_equality(&north, gateway);
    }
    wait_for("its gateways", || (north.standing().gateways.len() == 3).then_some(()));
    assert!(matches!(south.roster.promote("west".to_owned()), Err(RosterError::NotLeading)));
    assert!(matches!(north.roster.promote("north".to_owned()), Err(RosterError::Leads(_))));
    assert!(matches!(north.roster.promote("east".to_owned()), Err(RosterError::Unknown(_))));
    for (from, to, n) in [(&north, west, 1), (west, south, 2)] {
        let name = to.standing().name;
        wait_for("the order", || from.roster.promote(name.clone()).ok());
        to.wait_to_lead();
        wait_for("the change", || {
            let leaders = [&north, south, west].iter().filter(|gateway| gateway.standing().leads).count();
            assert!(leaders <= 1, "{leaders} lead");
            to.refusal(n).is_none().then_some(())
        });
        wait_for_equality(to, from);
    }
    for gateway in [north].into_iter().chain(others) {
        gateway.stop();
    }
}

#[test]
fn a_gateway_that_is_promoted_and_dies_at_once_leaves_the_lead_to_any() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let start = |name| Gateway::start(directory.path(), name, nats.url());
    let north = start("north");
    north.wait_to_lead();
    let south = start("south");
    wait_for("both", || (north.standing().gateways.len() == 2).then_some(()));
    wait_for_equality(&north, &south);
    wait_for("the order", || north.roster.promote("south".to_owned()).ok());
    south.stop();
    let is_silent = |error: RosterError| matches!(error, RosterError::Silent(_)).then_some(());
    wait_for("a leader that misses it", || {
        north.roster.promote("south".to_owned()).err().and_then(is_silent)
    });
    wait_for("the change", || north.refusal(1).is_none().then_some(()));
    wait_for("the removal", || north.roster.remove("south".to_owned()).ok());
    wait_for("the list", || (north.standing().gateways.len() == 1).then_some(()));
    assert!(matches!(north.roster.remove("south".to_owned()), Err(RosterError::Unknown(_))));
    north.stop();
}

#[test]
fn of_two_gateways_with_one_name_the_later_one_does_nothing_until_the_first_ends() {
    let nats = Nats::start("");
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let north = Gateway::start(first.path(), "north", nats.url());
    north.wait_to_lead();
    let south = Gateway::start(first.path(), "south", nats.url());
    wait_for("both", || (north.standing().gateways.len() == 2).then_some(()));
    assert!(matches!(north.roster.remove("south".to_owned()), Err(RosterError::Runs(_))));
    let namesake = Gateway::start_with(second.path(), &first.path().join("keys"), "north", nats.url());
    let trouble = wait_for("its trouble", || namesake.standing().trouble);
    assert!(trouble.contains("has the name north"), "{trouble}");
    north.add(1);
    wait_for_equality(&north, &south);
    assert!(!namesake.standing().leads && namesake.standing().position == 0);
    assert!(namesake.refusal(2).is_some());
    north.stop();
    wait_for("it follows", || namesake.has(1).then_some(()));
    namesake.stop();
    south.stop();
}
