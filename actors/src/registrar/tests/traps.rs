//! Traps that others fell into, on a real registry: each test is named after one. Those that have a test elsewhere are listed in the
//! end-to-end tests' `traps`.

use std::collections::BTreeSet;

use registry::lookups::{Lookup, LookupRequest, Subjects};
use registry::periods::FORM_S_MAX;
use ring::{digest, hmac};
use rusqlite::types::Value;

use super::*;
use crate::registrar::appeals::Verdict;
use crate::test_registry::TestRegistry;

const HOUR_S: u64 = 3600;

/// Visits to Wuhan that begin at these moments and last so many minutes.
fn in_wuhan(begin: &[u64], minutes: u64) -> CarrierAnswer {
    let area = Area::City(Division::parse("4201").unwrap());
    let visit = |&from_s: &u64| Visit { area, from_s, until_s: from_s + minutes * 60 };
    trajectory(begin.iter().map(visit).collect())
}

fn cdc(granted: bool) -> Verdict<'static> {
    Verdict { granted, text: "A mast across the border" }
}

#[test]
fn the_window_follows_the_citys_days_not_utcs_and_never_holds_today() {
    let midnight_s = start_of(day("2020-02-24"));
    let window = |first, last| Days { first: day(first), last: day(last) };
    let (before, after) = (window("2020-02-09", "2020-02-22"), window("2020-02-10", "2020-02-23"));
    for (name, now_s, expected) in [
        ("the last second of a day", midnight_s - 1, before),
        ("the first of the next", midnight_s, after),
        ("the last second of UTC's day", midnight_s + 8 * HOUR_S - 1, after),
        ("the first of UTC's next", midnight_s + 8 * HOUR_S, after),
        ("the last second of the day", midnight_s + DAY_S - 1, after),
    ] {
        let mut bench = Bench::new();
        let (phone, mut registrar) = (person(1).phone, bench.registrar());
        let proven = ProvenPhone::for_tests(&phone, now_s);
        let consent = registrar.consent(&proven, agreed(Flow::Apply), now_s).unwrap();
        let permit = registrar.start_query(consent, &phone, now_s).unwrap();
        assert_eq!(permit.days(), expected, "{name}");
        // A stay on the day of the query does not count yet, however long.
        let today = in_wuhan(&[start_of(policy::trajectory::day_of(now_s))], 24 * 60);
        let outcome = registrar.finish_query(&permit, &today, &[], now_s).unwrap();
        assert_eq!(outcome, QueryOutcome::Clean, "{name}");
    }
}

#[test]
fn a_border_cell_turns_nobody_red_and_who_is_red_has_a_way_back() {
    let every_day: Vec<u64> = (0..14).map(|n| at("2020-02-10") + n * DAY_S).collect();
    let mut bench = Bench::new();
    let consent = bench.asked(Flow::Apply, &person(1).phone, &in_wuhan(&every_day, 239), now());
    let code = bench.submit(&form(1, None, Some(consent)), now()).unwrap().code;
    assert_eq!(bench.shown(code), GREEN, "a mast across the border, every day of the window");

    let consent = bench.asked(Flow::Apply, &person(2).phone, &in_wuhan(&[at("2020-02-20")], 240), now());
    let code = bench.submit(&form(2, None, Some(consent)), now()).unwrap().code;
    assert_eq!(bench.shown(code), RED);
    assert_ne!(bench.codes.get(code).unwrap().next_change_s(), 0, "it ends by itself");
    let decision = bench.registry.decisions(code).unwrap().last().unwrap().id;
    let appeal = bench.registrar().appeal(code, decision, "I live at the border", now()).unwrap();
    bench.registrar().answer_appeal(appeal, cdc(true), &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(code).0, Colour::Green, "or by an appeal, at once");
    let taken = bench.submit(&form(2, Some(false), None), now() + 60).unwrap();
    assert_eq!(taken.entry.colour(), Colour::Green, "and the next form is not locked");
}

#[test]
fn the_last_write_does_not_win_on_colour() {
    let until = day("2020-03-01");
    let writes = [
        (CauseKind::Diagnosis, "hospital"),
        (CauseKind::Quarantine, "community"),
        (CauseKind::CloseContact, "cdc"),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut bench = Bench::new();
        let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
        let mut causes = [0; 3];
        let mut worst = Colour::Green;
        for which in order {
            let (kind, authority) = writes[which];
            causes[which] = bench.registrar().add_cause(code, kind, &by(authority), until, now()).unwrap();
            let set = if kind == CauseKind::Quarantine { Colour::Yellow } else { Colour::Red };
            worst = if worst == Colour::Red { worst } else { set };
            assert_eq!(bench.shown(code).0, worst, "{order:?}: a milder one after a worse one");
        }
        // What the citizen writes last changes no authority's cause.
        let consent = bench.asked(Flow::Modify, &person(1).phone, &clean(), now());
        bench.submit(&form(1, Some(false), Some(consent)), now()).unwrap();
        assert_eq!(bench.shown(code).0, Colour::Red, "{order:?}: a clean answer clears nobody else's cause");
        for (which, left) in [(0, Colour::Red), (2, Colour::Yellow), (1, Colour::Green)] {
            bench.registrar().clear_cause(causes[which], &by(writes[which].1), now()).unwrap();
            assert_eq!(bench.shown(code).0, left, "{order:?}: what is left counts");
        }
    }
}

#[test]
fn late_older_evidence_never_overwrites_newer() {
    let phone = person(1).phone;
    let late = [
        ("an older stay", hubei("2020-02-12")),
        ("clean", clean()),
        ("nothing", CarrierAnswer::Unavailable(Unavailable::TimedOut)),
        ("a new number", CarrierAnswer::NewNumber),
    ];
    for (name, answer) in late {
        let mut bench = Bench::new();
        let mut registrar = bench.registrar();
        let proven = ProvenPhone::for_tests(&phone, now());
        let older = registrar.consent(&proven, agreed(Flow::Apply), now()).unwrap();
        let permit = registrar.start_query(older, &phone, now()).unwrap();
        let newer = bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now() + 60);
        let taken = bench.submit(&form(1, None, Some(newer)), now() + 60).unwrap();
        assert_eq!(bench.shown(taken.code), RED);
        // The older query's answer comes only now, and a form is sent with it.
        bench.registrar().finish_query(&permit, &answer, &[], now() + 120).unwrap();
        let refused = bench.submit(&form(1, Some(false), Some(older)), now() + 120);
        assert!(matches!(refused, Err(RegistrarError::Form(SubmitError::Locked))), "{name}: {refused:?}");
        let again = bench.submit(&form(1, None, Some(older)), now() + 120).unwrap();
        assert_eq!(bench.shown(again.code), RED, "{name}");
        let ends_s = u64::from(bench.codes.get(again.code).unwrap().next_change_s());
        assert_eq!(ends_s, start_of(day("2020-03-06")), "{name}: it ends when the newer stay says");
        assert_eq!(bench.registry.causes(again.code).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn a_zero_is_never_a_colour_and_opens_no_gate() {
    assert!(Colour::from_number(0).is_none() && Basis::from_number(0).is_none());
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let raw = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    let tags: u32 = raw.query_row("SELECT tags FROM codes", [], |row| row.get(0)).unwrap();
    // Colour, basis and class, each cleared alone, are a damaged row; with everything cleared there is no code.
    for (mask, expected) in [(0, true), (7 << 5, false), (3 << 3, false), (7, false), (u32::MAX, true)] {
        raw.execute("UPDATE codes SET tags = ?1", [tags & !mask]).unwrap();
        let codes = Codes::new(1);
        let loaded = bench.registry.load_codes(&codes);
        assert_eq!(loaded.is_ok(), expected, "{mask:b}: {loaded:?}");
        let shown = codes.get(code).map(CodeEntry::colour);
        assert_eq!(shown, (mask == 0).then_some(Colour::Green), "{mask:b}");
    }
}

/// Returns every value in the tables: all that a thief of the files could use as a salt, and all in which a hash would be found.
fn stored(bench: &Bench) -> BTreeSet<Vec<u8>> {
    let raw = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    let mut names = raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = BTreeSet::new();
    for name in names {
        let mut query = raw.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                all.extend(match row.get::<_, Value>(column).unwrap() {
                    Value::Blob(bytes) => vec![bytes],
                    Value::Text(text) => vec![hex::decode(&text).unwrap_or_default(), text.into_bytes()],
                    Value::Integer(number) => vec![number.to_string().into_bytes()],
                    Value::Real(_) | Value::Null => Vec::new(),
                });
            }
        }
    }
    all
}

/// The trap: all numbers of eleven digits are tried in a minute, so that a hash without a secret key reveals the number.
#[test]
fn no_hash_in_the_files_can_be_made_without_the_key() {
    let (number, document) = (format!("163{:08}", 1), "CANARY1");
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let mut bench = Bench::new();
        let consent = bench.asked(Flow::Apply, &person(1).phone, &hubei("2020-02-20"), now());
        bench.submit(&form(1, None, Some(consent)), now()).unwrap();
        let values = stored(&bench);
        assert!(values.len() > 40, "{} values", values.len());
        let begins = |made: &[u8]| {
            values.range(made[..8].to_vec()..).next().is_some_and(|one| one.starts_with(&made[..8]))
        };
        let salts = values.iter().cloned().chain([Vec::new(), b"phone".to_vec(), b"+86".to_vec()]);
        for salt in salts {
            for secret in [number.as_bytes(), document.as_bytes(), &person(1).name.into_bytes()] {
                for plain in [[&salt, secret].concat(), [secret, &salt].concat()] {
                    for how in [&digest::SHA256, &digest::SHA512, &digest::SHA1_FOR_LEGACY_USE_ONLY] {
                        assert!(!begins(digest::digest(how, &plain).as_ref()), "{how:?} with {salt:?}");
                    }
                }
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), secret);
                assert!(!begins(tag.as_ref()), "a key that lies beside it: {salt:?}");
            }
        }
        let raw = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
        let hash =
            raw.query_row("SELECT phone_hash FROM people", [], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        assert!(values.contains(&hash), "and it is one of those");
        hashes.push(hash);
    }
    assert_ne!(hashes[0], hashes[1], "another city's key makes another hash of the same number");
}

/// The trap: one date after which everything goes, or nothing. An answer lasts as long as a form, a stay as long as its cause; the decision
/// and the record of looks last longer than both. Passages end with the punch log's days.
#[test]
fn each_kind_of_record_is_forgotten_by_its_own_clock() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let consent = bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let code = bench.submit(&form(1, None, Some(consent)), now()).unwrap().code;
    let by = by("cdc");
    let asked = LookupRequest { lookup: Lookup::Why, by: &by, case: "C-1", now_s: now() };
    asked.record(&mut bench.registry, &Subjects::Codes(vec![code])).unwrap();
    let ends_s = start_of(day("2020-03-06"));
    let kept = |bench: &Bench| {
        let raw = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
        let count = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        [
            count("SELECT count(*) FROM consents WHERE outcome IS NOT NULL"),
            count("SELECT count(*) FROM stays"),
            count("SELECT count(*) FROM causes WHERE evidence IS NOT NULL"),
            count("SELECT count(*) FROM decisions"),
            count("SELECT count(*) FROM accesses"),
        ]
    };
    assert_eq!(kept(&bench), [1, 1, 1, 1, 1]);
    for (name, now_s, expected) in [
        ("the form is open", now() + FORM_S_MAX - 1, [1, 1, 1, 1, 1]),
        ("the form is too old", now() + FORM_S_MAX + 1, [0, 1, 1, 1, 1]),
        ("fourteen days after everything", now() + 10 * DAY_S, [0, 1, 1, 1, 1]),
        ("the cause has ended", ends_s, [0, 0, 0, 2, 1]),
        ("seven months later", ends_s + 210 * DAY_S, [0, 0, 0, 2, 1]),
    ] {
        bench.registry.expire_due(&bench.codes, now_s as u32).unwrap();
        assert_eq!(kept(&bench), expected, "{name}");
    }
}
