//! Old registries: fields sealed and hashed by earlier releases, and copies that hold people who have withdrawn.

use policy::{Cause, CauseKind, Stay};
use protocol::{Basis, Class, CodeId, Colour};
use runtime::clock;
use tempfile::TempDir;

use crate::causes::evidence;
use crate::codes::colours::CodeEntry;
use crate::people::Added;
use crate::personal::seal::Column;
use crate::*;

fn open(directory: &TempDir, name: &str) -> Registry {
    let keys = directory.path().join("keys");
    if !keys.exists() {
        Keys::init(&keys).unwrap();
    }
    Registry::open(&directory.path().join(name), &Keys::load(&keys).unwrap()).unwrap()
}

fn document(kind: DocumentKind, number: &str) -> DocumentNumber {
    DocumentNumber::parse(kind, number).unwrap()
}

fn person(n: u32) -> Person {
    Person {
        name: format!("Canary {n}"),
        document: document(DocumentKind::Passport, &format!("CANARY{n}")),
        phone: Phone::parse(&format!("163{n:08}")).unwrap(),
        district: "360102".to_owned(),
        community: String::new(),
    }
}

fn code(n: u32) -> CodeId {
    CodeId::issue(1, n.into()).unwrap()
}

fn add(registry: &mut Registry, n: u32, person: &Person) {
    let entry = CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1);
    let added =
        registry.transaction::<_, RegistryError>(|registry| registry.add_person(person, code(n), entry));
    assert_eq!(added.unwrap(), Added::New);
}

/// The last version in which fields were not bound to their column.
const OLD: usize = 5;

/// Rewrites everything in the registry as that version wrote it.
fn age(registry: &Registry) {
    let rows: Vec<(i64, Vec<u8>)> = registry
        .connection
        .prepare("SELECT code, sealed FROM people")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (number, sealed) in rows {
        let person = registry.open_person(CodeId::from_u64(number as u64).unwrap(), &sealed).unwrap();
        let sealed = registry.sealer.seal_old(number as u64, people::fields(&person).as_bytes()).unwrap();
        let hash = registry.sealer.hash(person.document.kind().name(), person.document.reveal());
        let sql = "UPDATE people SET document_hash = ?2, sealed = ?3 WHERE code = ?1";
        registry.connection.execute(sql, rusqlite::params![number, hash, sealed]).unwrap();
    }
    let old = |column, owner: u64, sealed: Vec<u8>, to: u64| {
        registry.sealer.seal_old(to, &registry.sealer.open(column, owner, &sealed).unwrap()).unwrap()
    };
    let (number, sealed): (i64, Vec<u8>) = pair(registry, "SELECT code, evidence FROM causes");
    let evidence = old(Column::Evidence, number as u64, sealed, number as u64);
    registry.connection.execute("UPDATE causes SET evidence = ?1", [evidence]).unwrap();
    let (hash, sealed): (Hash, Vec<u8>) = pair(registry, "SELECT phone_hash, sealed FROM stays");
    let stay = old(Column::Stay, evidence::owner(hash), sealed, u64::MAX);
    registry.connection.execute("UPDATE stays SET sealed = ?1", [stay]).unwrap();
    let old = Connection::open_in_memory().unwrap();
    schema::STEPS[..OLD].iter().for_each(|step| old.execute_batch(step).unwrap());
    let known = made(&old);
    for (kind, name) in made(&registry.connection).into_iter().filter(|one| !known.contains(one)) {
        registry.connection.execute_batch(&format!("DROP {kind} IF EXISTS {name}")).unwrap();
    }
    let rest = "ALTER TABLE checkpoints ADD COLUMN peaks BLOB NOT NULL DEFAULT x'';
        ALTER TABLE imports DROP COLUMN known;
        ALTER TABLE imports DROP COLUMN differing;
        ALTER TABLE consents DROP COLUMN ward;
        ALTER TABLE consents DROP COLUMN scanned_s;
        ALTER TABLE causes DROP COLUMN rests_on;
        ALTER TABLE stays DROP COLUMN rests_on;
        DELETE FROM meta WHERE name IN ('reseal-cursor', 'gateway-id');
        CREATE TABLE orders (digest BLOB PRIMARY KEY, at_s INTEGER NOT NULL) STRICT, WITHOUT ROWID";
    registry.connection.execute_batch(rest).unwrap();
    registry.connection.pragma_update(None, "user_version", OLD as u32).unwrap();
}

/// Returns the tables and indexes that the steps made, each with its kind.
fn made(connection: &Connection) -> Vec<(String, String)> {
    let sql = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'";
    let mut query = connection.prepare(sql).unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn pair<A: rusqlite::types::FromSql, B: rusqlite::types::FromSql>(registry: &Registry, sql: &str) -> (A, B) {
    registry.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn stay() -> Stay {
    Stay { area: "hubei".to_owned(), last_day: "2020-02-20".parse().unwrap() }
}

#[test]
fn people_of_an_earlier_release_are_found_and_read_before_and_after_they_are_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = open(&directory, "registry.db");
    (1..=3).for_each(|n| add(&mut registry, n, &person(n)));
    let cause = Cause { kind: CauseKind::Trajectory, colour: Colour::Red, from_s: 1, until_s: 9 };
    registry
        .insert_cause(code(1), cause, "carrier", "1", Some(&Evidence { stay: stay(), mark: None }))
        .unwrap();
    registry.keep_stay(&person(1).phone, &stay(), 9).unwrap();
    age(&registry);
    drop(registry);
    let mut registry = open(&directory, "registry.db");
    let check = |registry: &Registry| {
        for n in 1..=3 {
            assert_eq!(registry.person(code(n)).unwrap().unwrap(), person(n));
            let shown = document(DocumentKind::Passport, &format!("canary{n}"));
            assert_eq!(registry.code_of_document(&shown).unwrap(), Some(code(n)));
            assert_eq!(registry.code_of_both(&person(n).phone, &shown).unwrap(), Some(code(n)));
        }
        assert_eq!(registry.stay_of(&person(1).phone, 8).unwrap(), Some(stay()));
        let sealed = registry.evidence_for_test(code(1)).unwrap();
        let evidence: Stay = registry.open_json(Column::Evidence, code(1).get(), &sealed).unwrap();
        assert_eq!(evidence, stay());
    };
    check(&registry);
    let again = registry.add_person(
        &person(1),
        code(9),
        CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1),
    );
    assert_eq!(again.unwrap(), Added::SameDocument, "one document, one code");
    let reader = registry.reader().unwrap();
    check(&reader);
    assert!(!registry.reseal_some().unwrap(), "three people are one part");
    check(&registry);
    check(&reader);
    check(&open(&directory, "registry.db"));
}

#[test]
fn a_sealed_field_opens_in_no_other_column_and_for_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let registry = open(&directory, "registry.db");
    let columns = [
        Column::Person,
        Column::Evidence,
        Column::Outcome,
        Column::OpenPhone,
        Column::Stay,
        Column::Appeal,
        Column::Order,
    ];
    for column in columns {
        let sealed = registry.sealer.seal(column, 7, b"plain").unwrap();
        for other in columns {
            assert_eq!(
                registry.sealer.open(other, 7, &sealed).is_some(),
                other == column,
                "{column:?} {other:?}"
            );
        }
        assert_eq!(registry.sealer.open(column, 8, &sealed), None);
    }
    let old = registry.sealer.seal_old(7, b"plain").unwrap();
    assert_eq!(
        registry.sealer.open(Column::Person, 7, &old),
        None,
        "nor as earlier releases sealed it, when none is left"
    );
}

#[test]
fn two_people_with_one_number_of_two_kinds_are_both_kept_and_the_first_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = open(&directory, "registry.db");
    let number = "11010519491231002X";
    for (n, kind) in [(1, DocumentKind::IdCard), (2, DocumentKind::Passport)] {
        // Earlier releases accepted them.
        add(&mut registry, n, &person(n));
        let twin = Person { document: document(kind, number), ..person(n) };
        let sealed =
            registry.sealer.seal(Column::Person, code(n).get(), people::fields(&twin).as_bytes()).unwrap();
        let hash = registry.sealer.hash(kind.name(), number);
        let sql = "UPDATE people SET document_hash = ?2, sealed = ?3 WHERE code = ?1";
        registry.connection.execute(sql, rusqlite::params![code(n).get() as i64, hash, sealed]).unwrap();
    }
    registry.set_meta("reseal-cursor", "0").unwrap();
    registry.expect_old_people().unwrap();
    assert!(!registry.reseal_some().unwrap());
    for kind in [DocumentKind::IdCard, DocumentKind::Passport] {
        assert_eq!(registry.code_of_document(&document(kind, number)).unwrap(), Some(code(1)));
        for n in [1, 2] {
            let found = registry.code_of_both(&person(n).phone, &document(kind, number)).unwrap();
            assert_eq!(found, Some(code(n)), "with its own phone");
        }
    }
}

#[test]
fn who_withdrew_does_not_come_back_with_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = open(&directory, "registry.db");
    (1..=3).for_each(|n| add(&mut registry, n, &person(n)));
    let cause = Cause { kind: CauseKind::CloseContact, colour: Colour::Red, from_s: 1, until_s: 1_000_000 };
    registry.insert_cause(code(1), cause, "cdc", "1", None).unwrap();
    registry.copy_to(&directory.path().join("backup.db")).unwrap();
    let leave = |registry: &mut Registry, n| {
        registry.transaction::<_, RegistryError>(|registry| registry.remove_person(code(n), &person(n), 100))
    };
    leave(&mut registry, 1).unwrap();
    let undone = registry.transaction::<(), RegistryError>(|registry| {
        registry.remove_person(code(2), &person(2), 100)?;
        Err(RegistryError::GroupLost)
    });
    assert!(undone.is_err());
    drop(registry);
    // A power cut in the middle of the next line.
    let list = directory.path().join("keys/withdrawn");
    let mut text = std::fs::read_to_string(&list).unwrap();
    text.push_str(&format!("{:016x}", code(2).get()));
    std::fs::write(&list, text).unwrap();
    leave(&mut open(&directory, "registry.db"), 3).unwrap();

    let restored = open(&directory, "backup.db");
    assert_eq!((restored.person(code(1)).unwrap(), restored.code(code(1)).unwrap()), (None, None));
    assert!(restored.person(code(3)).unwrap().is_none());
    assert_eq!(restored.person(code(2)).unwrap(), Some(person(2)), "who stayed is there");
    assert_eq!(restored.count_codes().unwrap(), 1);
    let left = restored.left_behind(&person(1).document, None, 200).unwrap();
    assert_eq!(left.len(), 1, "and a cause in force is bound to them as when they left");
    assert_eq!(restored.left_with(&person(1).document, &person(5).phone, 200).unwrap(), Some(false));
}

#[test]
fn who_is_not_on_the_list_is_noted_at_the_next_start_and_what_was_left_behind_ends_when_it_would_have() {
    const DAY_S: u64 = 86_400;
    let now_s = clock::now_ms() / 1000;
    for (withdrew_s, is_known) in
        [(now_s - 100 * DAY_S, true), (now_s - 200 * DAY_S, true), (now_s - DAY_S, false)]
    {
        let directory = tempfile::tempdir().unwrap();
        let mut registry = open(&directory, "registry.db");
        add(&mut registry, 1, &person(1));
        let until_s = i64::MAX as u64;
        let cause = Cause { kind: CauseKind::CloseContact, colour: Colour::Red, from_s: 1, until_s };
        registry.insert_cause(code(1), cause, "cdc", "1", None).unwrap();
        registry.copy_to(&directory.path().join("backup.db")).unwrap();
        let leave = |registry: &mut Registry| registry.remove_person(code(1), &person(1), withdrew_s);
        registry.transaction::<_, RegistryError>(leave).unwrap();
        if !is_known {
            registry.connection.execute("DELETE FROM withdrawals", []).unwrap();
        }
        drop(registry);
        std::fs::remove_file(directory.path().join("keys/withdrawn")).unwrap();
        drop(open(&directory, "registry.db"));
        let restored = open(&directory, "backup.db");
        assert_eq!(restored.people().unwrap(), 0);
        let (document, phone) = (person(1).document, person(1).phone);
        // An earlier release stored no time, so the present time counts.
        let left_s = if is_known { withdrew_s } else { now_s };
        for (days, is_bound, is_theirs) in
            [(89, true, true), (91, true, false), (183, true, false), (185, false, false)]
        {
            let then_s = left_s + days * DAY_S;
            let sql = "SELECT phone_until_s > ?1 FROM departures WHERE until_s > ?1";
            let read = |row: &rusqlite::Row<'_>| row.get::<_, bool>(0);
            let found = rusqlite::OptionalExtension::optional(restored.connection.query_row(
                sql,
                [then_s as i64],
                read,
            ));
            assert_eq!(found.unwrap(), is_bound.then_some(is_theirs), "{days} days after");
        }
        let is_bound = left_s + 184 * DAY_S > now_s;
        assert_eq!(restored.left_with(&document, &phone, now_s).unwrap().is_some(), is_bound);
    }
}

#[test]
fn looks_at_documents_that_were_kept_with_place_and_second_keep_the_day() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = open(&directory, "registry.db");
    add(&mut registry, 1, &person(1));
    // The first and the last second of a day of the city, and what an operator looked at.
    let (first_s, last_s) = (1_582_473_600, 1_582_473_600 + 86_399);
    for (at_s, act, case) in
        [(first_s, "document", "shift-7"), (last_s, "document", "shift-8"), (last_s, "why", "shift-9")]
    {
        let (operators, act, case) = ("North gate, early".to_owned(), act.to_owned(), case.to_owned());
        registry.insert_access(registry.subject(code(1)), &AccessRow { at_s, operators, act, case }).unwrap();
    }
    let step = schema::STEPS.iter().find(|step| step.contains("act = 'document'")).unwrap();
    registry.connection.execute_batch(step).unwrap();
    let rows = registry.accesses(code(1)).unwrap();
    for row in &rows[..2] {
        assert_eq!((row.at_s, &row.case[..]), (first_s, "scan"), "{row:?}");
        assert!(
            row.operators.contains("staff of a checkpoint") && !row.operators.contains("gate"),
            "{row:?}"
        );
    }
    assert_eq!((rows[2].at_s, &rows[2].operators[..]), (last_s, "North gate, early"));
}
