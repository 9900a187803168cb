//! Copies of another member's registry in the place of one.

use std::path::Path;

use protocol::Colour;

use super::tests::{catch_up, code, entry, join, member};
use super::*;
use crate::RegistryError;

#[test]
fn a_registry_with_people_of_its_own_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, _) = member(directory.path(), "a.db", true);
    let (other, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    let own =
        "INSERT INTO operators (name, authority, roles, public_key, revoked) VALUES ('li-na', '', '', '', 0)";
    other.sql(own).unwrap();
    let before = other.shared_digest().unwrap();
    assert!(matches!(other.may_join(), Err(RegistryError::NotEmpty)));
    assert!(matches!(join(&leader, &other), Err(RegistryError::NotEmpty)));
    assert_eq!(other.shared_digest().unwrap(), before);
}

#[test]
fn a_snapshot_replaces_a_registry_as_a_whole_and_keeps_what_is_this_gateways_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, stream) = member(directory.path(), "a.db", true);
    let (mut follower, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    let add = |registry: &mut Registry, n: u64| {
        registry.transaction::<_, RegistryError>(|registry| {
            registry.insert_code(code(n), entry(Colour::Green, 1))
        })
    };
    for n in 1..500 {
        add(&mut leader, n).unwrap();
    }
    join(&leader, &follower).unwrap();
    follower.note_ms(2_000).unwrap();
    let codes = crate::colours::Codes::new(0);
    follower.load_codes(&codes).unwrap();
    // A reader that reads meanwhile sees what was, then what is.
    let reader = follower.reader().unwrap();
    let before = reader.shared_digest().unwrap();
    leader
        .transaction::<_, RegistryError>(|registry| registry.sql("DELETE FROM codes WHERE id % 2 = 0"))
        .unwrap();
    add(&mut leader, 1_000).unwrap();
    let snapshot = reader.connection.unchecked_transaction().unwrap();
    let count = || -> i64 { snapshot.query_row("SELECT count(*) FROM codes", [], |row| row.get(0)).unwrap() };
    assert_eq!(count(), 499);
    join(&leader, &follower).unwrap();
    assert_eq!(count(), 499, "its transaction");
    drop(snapshot);
    assert_ne!(reader.shared_digest().unwrap(), before);
    assert_eq!(reader.shared_digest().unwrap(), leader.shared_digest().unwrap());
    assert_eq!(follower.stream_place().unwrap(), leader.stream_place().unwrap());
    assert_eq!(follower.noted_ms().unwrap(), Some(2_000));
    follower.reload_codes(&codes).unwrap();
    assert_eq!(codes.len() as u64, leader.count_codes().unwrap());
    assert!(codes.get(code(1_000)).is_some());
    // The writer goes on from there.
    add(&mut leader, 1_001).unwrap();
    catch_up(&mut follower, &stream);
    assert_eq!(follower.shared_digest().unwrap(), leader.shared_digest().unwrap());
}

#[test]
fn a_copy_of_another_place_or_other_keys_is_refused_and_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, _) = member(directory.path(), "a.db", true);
    let (follower, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    join(&leader, &follower).unwrap();
    let before = follower.stream_place().unwrap();
    leader.group(Registry::take_office).unwrap().unwrap();
    let at = |name: &str| directory.path().join(name);
    let reader = follower.reader().unwrap();
    let refused = |copy: &Path, place: &StreamPlace| reader.adopt(copy, place).unwrap_err().to_string();
    leader.copy_to(&at("place.db")).unwrap();
    assert!(refused(&at("place.db"), &before).contains("snapshot"));
    let place = leader.stream_place().unwrap();
    leader.copy_to(&at("release.db")).unwrap();
    rusqlite::Connection::open(at("release.db")).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    assert!(refused(&at("release.db"), &place).contains("run the same release"));
    std::fs::write(at("nothing.db"), b"no database").unwrap();
    refused(&at("nothing.db"), &place);
    let others = tempfile::tempdir().unwrap();
    let (mut other, _) = member(others.path(), "c.db", true);
    other.group(Registry::take_office).unwrap().unwrap();
    other.copy_to(&at("keys.db")).unwrap();
    let refused = refused(&at("keys.db"), &other.stream_place().unwrap());
    assert!(refused.contains("key"), "{refused}");
    assert_eq!(follower.stream_place().unwrap(), before);
}
