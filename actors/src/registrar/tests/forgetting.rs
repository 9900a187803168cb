//! Forgetting by the clock, a part at a time, and the counts that stay.

use registry::{Attempt, CONSENT_DAYS, ConsentReport};

use super::*;
use crate::test_registry::TestRegistry;

const CARRIER: &str = "china-mobile";

fn ask(bench: &mut Bench, n: u32, now_s: u64) -> ConsentId {
    let phone = person(n).phone;
    let mut registrar = bench.registrar();
    let proven = ProvenPhone::for_tests(&phone, now_s);
    let consent = registrar.consent(&proven, agreed(Flow::Scan), now_s).unwrap();
    let permit = registrar.start_query(consent, &phone, now_s).unwrap();
    let attempt = |outcome| Attempt { carrier: CARRIER.to_owned(), outcome, took_ms: 3 };
    let attempts = [attempt("busy"), attempt("answered")];
    registrar.finish_query(&permit, &hubei("2020-02-20"), &attempts, now_s + 1).unwrap();
    consent
}

#[test]
fn consents_are_forgotten_as_passages_are_and_go_on_being_counted() {
    let mut bench = Bench::new();
    // More than are forgotten in one transaction.
    for n in 0..1_100 {
        let proven = ProvenPhone::for_tests(&person(n).phone, now());
        bench.registrar().consent(&proven, agreed(Flow::Apply), now()).unwrap();
    }
    for n in 0..20 {
        ask(&mut bench, n, now());
    }
    let withdrawn = ask(&mut bench, 21, now());
    bench.registrar().withdraw_consent(withdrawn, &person(21).phone).unwrap();
    let later = now() + DAY_S;
    ask(&mut bench, 22, later);
    let before = bench.registry.verify_consents().unwrap();
    assert_eq!((before.consents, before.used, before.withdrawn, before.answered), (1_122, 22, 1, 22));
    assert_eq!((before.forgotten, before.attempts.clone()), (0, vec![(CARRIER.to_owned(), 44)]));

    let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    let count = |table: &str| {
        store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let codes = bench.codes.clone();
    for (name, now_s, consents, attempts) in [
        ("within their time", now() + CONSENT_DAYS * DAY_S, 1_122, 44),
        ("fourteen days later", now() + CONSENT_DAYS * DAY_S + 1, 1, 2),
        ("a day later still", later + CONSENT_DAYS * DAY_S + 1, 0, 0),
    ] {
        bench.registry.expire_due(&codes, now_s as u32).unwrap();
        assert_eq!((count("consents"), count("attempts")), (consents, attempts), "{name}");
        let forgotten = 1_122 - consents as u64;
        let expected = ConsentReport { forgotten, ..before.clone() };
        assert_eq!(bench.registry.verify_consents().unwrap(), expected, "{name}");
    }
    assert!(bench.registry.consents_of(&person(1).phone, 10).unwrap().is_empty());
}

#[test]
fn a_consent_that_is_not_as_it_has_to_be_is_kept_and_named() {
    let mut bench = Bench::new();
    let bad = ask(&mut bench, 1, now());
    ask(&mut bench, 2, now());
    let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    store.execute("UPDATE consents SET used_s = NULL WHERE id = ?1", [bad.0]).unwrap();
    let codes = bench.codes.clone();
    bench.registry.expire_due(&codes, (now() + 15 * DAY_S) as u32).unwrap();
    let kept: Vec<i64> = store
        .prepare("SELECT id FROM consents")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(kept, [bad.0]);
    let error = bench.registry.verify_consents().unwrap_err().to_string();
    assert_eq!(error, "consent 1: a carrier was asked, but the consent was not used");
}
