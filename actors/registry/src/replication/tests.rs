//! Changes that go from one registry to another, without a broker.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keys::Keys;
use protocol::{Basis, Class, CodeId, Colour};

use super::tables::{LOCAL, LOCAL_ROWS, REPLICATED};
use super::*;
use crate::colours::CodeEntry;

/// A stream in memory: positions from 1.
#[derive(Default)]
pub(super) struct Stream {
    sent: Mutex<Vec<Changes>>,
    leads: AtomicBool,
    is_away: AtomicBool,
    has_diverged: AtomicBool,
}

impl Outbox for Stream {
    fn refusal(&self) -> Option<NotNow> {
        (!self.leads.load(Ordering::SeqCst)).then_some(NotNow::NoLeader)
    }

    fn append(&self, changes: &Changes) -> Result<Sent, NotNow> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(NotNow::Unconfirmed);
        }
        let mut sent = self.sent.lock().unwrap();
        sent.push(changes.clone());
        Ok(sent_at(sent.len() as u64))
    }

    fn diverged(&self) {
        self.has_diverged.store(true, Ordering::SeqCst);
    }
}

fn sent_at(position: u64) -> Sent {
    Sent { position, message: format!("message {position}") }
}

impl Stream {
    fn step(&self, position: u64) -> Step {
        let changes = self.sent.lock().unwrap()[position as usize].clone();
        Step { after: position, upto: sent_at(position + 1), changes }
    }
}

pub(super) fn member(directory: &Path, name: &str, leads: bool) -> (Registry, Arc<Stream>) {
    let keys = directory.join("keys");
    if !keys.exists() {
        Keys::init(&keys).unwrap();
    }
    let path = directory.join(name);
    let mut registry = Registry::open(&path, &Keys::load(&keys).unwrap()).unwrap();
    let stream = Arc::new(Stream::default());
    stream.leads.store(leads, Ordering::SeqCst);
    registry.replicate_by(Arc::clone(&stream) as Arc<dyn Outbox>).unwrap();
    (registry, stream)
}

pub(super) fn catch_up(follower: &mut Registry, stream: &Stream) -> Applied {
    let mut applied = Applied::default();
    while (follower.position().unwrap() as usize) < stream.sent.lock().unwrap().len() {
        let step = stream.step(follower.position().unwrap());
        follower.group(|registry| registry.apply_step(&step, &mut applied)).unwrap().unwrap();
    }
    applied
}

/// Puts a copy of the leader's registry in the place of the follower's.
pub(super) fn join(leader: &Registry, follower: &Registry) -> Result<u64, RegistryError> {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.db");
    leader.copy_to(&copy).unwrap();
    follower.reader().unwrap().adopt(&copy, &leader.stream_place().unwrap())
}

pub(super) fn code(n: u64) -> CodeId {
    CodeId::issue(1, n).unwrap()
}

pub(super) fn entry(colour: Colour, version: u32) -> CodeEntry {
    CodeEntry::new(colour, Basis::Declared, Class::Person, 0, version)
}

#[test]
fn every_table_goes_to_the_fleet_or_is_named_as_local_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, _) = member(directory.path(), "a.db", true);
    let mut query =
        registry.connection.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'").unwrap();
    let names: BTreeSet<String> = query
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .filter(|name: &String| !name.starts_with("sqlite_"))
        .collect();
    let known = REPLICATED.iter().copied().chain(LOCAL.iter().map(|&(name, _)| name));
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    assert_eq!(names, known);
    assert_eq!(REPLICATED.len() + LOCAL.len(), known.len());
    assert!(LOCAL.iter().chain(LOCAL_ROWS).all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn a_change_of_any_table_is_noted_once_however_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let (mut registry, stream) = member(directory.path(), "a.db", true);
    registry.group(Registry::take_office).unwrap().unwrap();
    for (number, table) in REPLICATED.iter().enumerate() {
        // A row of any table, taken as it is or made up, is written again in each way.
        let read = tables::read(&registry.connection).unwrap();
        let columns = &read[number].columns;
        let kinds = made_up(&registry, table, columns);
        registry
            .connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
            .unwrap();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), kinds.join(", "));
        let first = read[number].key[0].clone();
        let (update, delete) = (
            format!("UPDATE {table} SET {first} = {first}"),
            format!(
                "DELETE FROM {table} WHERE {first} = {}",
                kinds[columns.iter().position(|c| *c == first).unwrap()]
            ),
        );
        for sql in [insert, update, delete] {
            let before = stream.sent.lock().unwrap().len();
            registry.transaction::<_, RegistryError>(|registry| registry.sql(&sql)).unwrap();
            let sent = stream.sent.lock().unwrap();
            assert_eq!(sent.len(), before + 1, "{sql} was not sent");
            assert!(sent[before].tables.iter().any(|changed| changed.table == *table), "{sql}");
        }
    }
}

/// Makes up a value for each column of a table by its type.
fn made_up(registry: &Registry, table: &str, columns: &[String]) -> Vec<String> {
    let kind = |column: &String| {
        let sql = "SELECT type FROM pragma_table_info(?1) WHERE name = ?2";
        let kind: Option<String> = registry.connection.query_row(sql, [table, column], |row| row.get(0)).ok();
        match kind.as_deref() {
            Some("TEXT") => "'made up'".to_owned(),
            Some("BLOB") => "x'0102'".to_owned(),
            Some(_) | None => "12345".to_owned(),
        }
    };
    columns.iter().map(kind).collect()
}

#[test]
fn without_a_fleet_no_trigger_exists_and_a_follower_has_none() {
    let directory = tempfile::tempdir().unwrap();
    Keys::init(&directory.path().join("keys")).unwrap();
    let keys = Keys::load(&directory.path().join("keys")).unwrap();
    let alone = Registry::open(&directory.path().join("alone.db"), &keys).unwrap();
    let triggers = |registry: &Registry| -> i64 {
        let sql = "SELECT (SELECT count(*) FROM temp.sqlite_schema WHERE type = 'trigger') + (SELECT count(*) FROM main.sqlite_schema WHERE type = 'trigger')";
        registry.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(triggers(&alone), 0);
    let (mut registry, stream) = member(directory.path(), "a.db", true);
    registry.group(Registry::take_office).unwrap().unwrap();
    assert_eq!(triggers(&registry), 4 * REPLICATED.len() as i64);
    stream.leads.store(false, Ordering::SeqCst);
    registry.group(|_| ()).unwrap();
    assert_eq!(triggers(&registry), 0);
}

#[test]
fn a_follower_has_what_the_leader_has_after_each_change() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, stream) = member(directory.path(), "a.db", true);
    let (mut follower, _) = member(directory.path(), "b.db", false);
    leader.insert_code(code(1), entry(Colour::Green, 1)).unwrap();
    leader.group(Registry::take_office).unwrap().unwrap();
    assert!(
        stream.sent.lock().unwrap()[0].begins_a_term(),
        "the founder's rows do not go through the stream"
    );
    join(&leader, &follower).unwrap();
    assert_eq!(follower.code(code(1)).unwrap(), Some(entry(Colour::Green, 1)));
    let equal = |leader: &Registry, follower: &Registry| {
        assert_eq!(leader.shared_digest().unwrap(), follower.shared_digest().unwrap());
        assert_eq!(leader.position().unwrap(), follower.position().unwrap());
    };
    equal(&leader, &follower);

    // A unique value changes hands within a transaction, in both orders of the rows.
    let swap = |a: u32, b: u32| {
        format!(
            "UPDATE policies SET version = 'x' WHERE id = {a}; UPDATE policies SET version = 'v{a}' WHERE id = {b}; UPDATE policies SET version = 'v{b}' WHERE id = {a};"
        )
    };
    for sql in [
        "INSERT INTO policies (version, text, activated_s, operators) VALUES ('v1', '', 0, ''), ('v2', '', 0, '')",
        &swap(1, 2),
        "INSERT INTO policies (version, text, activated_s, operators) VALUES ('v3', '', 0, ''); DELETE FROM policies WHERE id = 3",
        "INSERT OR REPLACE INTO policies (id, version, text, activated_s, operators) VALUES (9, 'v1', '', 0, '')",
        "UPDATE past_consents SET used = used + 1",
        "UPDATE codes SET tags = 0",
        "DELETE FROM policies",
    ] {
        leader.transaction::<_, RegistryError>(|registry| registry.sql(sql)).unwrap();
        catch_up(&mut follower, &stream);
        equal(&leader, &follower);
    }
    // A number that was given to a row that is gone again is not given twice by the next leader.
    let next = |registry: &Registry| changes::counter(&registry.connection, "policies").unwrap();
    assert_eq!((next(&leader), next(&follower)), (Some(9), Some(9)));
}

#[test]
fn what_is_refused_or_not_confirmed_is_not_committed_and_what_does_not_follow_is_not_applied() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, stream) = member(directory.path(), "a.db", true);
    let (mut follower, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    let refused = follower.group(|registry| registry.apply_step(&stream.step(0), &mut Applied::default()));
    assert!(matches!(refused.unwrap(), Err(RegistryError::OutOfStep { position: 0 })), "it has not joined");
    join(&leader, &follower).unwrap();
    let add = |registry: &mut Registry, n: u64| {
        registry.transaction::<_, RegistryError>(|registry| {
            registry.insert_code(code(n), entry(Colour::Green, 1))
        })
    };
    stream.is_away.store(true, Ordering::SeqCst);
    let refused = add(&mut leader, 1).unwrap_err();
    assert!(matches!(refused, RegistryError::NotNow(NotNow::Unconfirmed)), "{refused}");
    assert_eq!((leader.code(code(1)).unwrap(), leader.position().unwrap()), (None, 1));
    stream.is_away.store(false, Ordering::SeqCst);
    assert!(add(&mut leader, 1).unwrap());
    assert!(add(&mut leader, 2).unwrap());
    let refused = add(&mut follower, 3).unwrap_err();
    assert!(matches!(refused, RegistryError::NotNow(NotNow::NoLeader)), "{refused}");

    // A step that is left out, one twice, and another release's.
    let mut applied = Applied::default();
    let mut apply = |follower: &mut Registry, step: &Step| {
        follower
            .group(|registry| registry.step("test", |registry| registry.apply_step(step, &mut applied)))
            .unwrap()
    };
    assert!(matches!(apply(&mut follower, &stream.step(2)), Err(RegistryError::OutOfStep { position: 1 })));
    apply(&mut follower, &stream.step(1)).unwrap();
    assert!(matches!(apply(&mut follower, &stream.step(1)), Err(RegistryError::OutOfStep { position: 2 })));
    let mut other = stream.step(2);
    other.changes.version += 1;
    assert!(matches!(apply(&mut follower, &other), Err(RegistryError::OtherRelease { .. })));
    assert_eq!(follower.position().unwrap(), 2);
    apply(&mut follower, &stream.step(2)).unwrap();
    assert_eq!(leader.shared_digest().unwrap(), follower.shared_digest().unwrap());
}

#[test]
fn local_rows_stay_and_a_transaction_of_local_rows_alone_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, stream) = member(directory.path(), "a.db", true);
    let (mut follower, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    leader.note_ms(1_000).unwrap();
    follower.note_ms(2_000).unwrap();
    join(&leader, &follower).unwrap();
    leader.group(|registry| registry.set_meta("vouched", "1 2")).unwrap().unwrap();
    assert_eq!(stream.sent.lock().unwrap().len(), 1);
    leader.group(|registry| registry.set_meta("city", "made up")).unwrap().unwrap();
    assert_eq!(stream.sent.lock().unwrap().len(), 2);
    catch_up(&mut follower, &stream);
    assert_eq!(follower.noted_ms().unwrap(), Some(2_000));
    assert_eq!(follower.meta("city").unwrap().as_deref(), Some("made up"));
    assert_eq!(leader.shared_digest().unwrap(), follower.shared_digest().unwrap());
}

#[test]
fn a_fleets_registry_takes_no_change_while_its_gateway_does_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, _) = member(directory.path(), "a.db", true);
    assert!(!leader.has_joined().unwrap());
    leader.group(Registry::take_office).unwrap().unwrap();
    assert!(leader.has_joined().unwrap());
    drop(leader);
    let keys = Keys::load(&directory.path().join("keys")).unwrap();
    let mut at_rest = Registry::open(&directory.path().join("a.db"), &keys).unwrap();
    at_rest.rest().unwrap();
    let change = |registry: &mut Registry| registry.transaction(|registry| registry.set_meta("city", "x"));
    let refused = change(&mut at_rest).unwrap_err();
    assert!(matches!(refused, RegistryError::NotNow(NotNow::AtRest)), "{refused}");
    let mut alone = Registry::open(&directory.path().join("alone.db"), &keys).unwrap();
    alone.rest().unwrap();
    assert!(alone.has_joined().unwrap());
    change(&mut alone).unwrap();
}

#[test]
fn changes_that_follow_on_another_message_than_was_applied_are_refused_and_take_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut leader, stream) = member(directory.path(), "a.db", true);
    let (mut follower, _) = member(directory.path(), "b.db", false);
    leader.group(Registry::take_office).unwrap().unwrap();
    join(&leader, &follower).unwrap();
    leader.group(Registry::take_office).unwrap().unwrap();
    catch_up(&mut follower, &stream);
    // A leader that never had the stream's last message goes on behind another one.
    leader.group(Registry::take_office).unwrap().unwrap();
    let mut step = stream.step(2);
    assert_eq!(step.changes.previous, follower.stream_place().unwrap().message);
    step.changes.previous = "another message".to_owned();
    let before = follower.shared_digest().unwrap();
    let mut applied = Applied::default();
    let refused = follower
        .group(|registry| registry.step("test", |registry| registry.apply_step(&step, &mut applied)))
        .unwrap();
    assert!(matches!(refused, Err(RegistryError::OtherStream { position: 2 })), "{refused:?}");
    assert_eq!((follower.position().unwrap(), follower.shared_digest().unwrap()), (2, before));
    catch_up(&mut follower, &stream);
    assert_eq!(follower.position().unwrap(), 3);
}
