//! The flows of the notice on a real registry, with the carriers' answers given.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use keys::Keys;
use policy::trajectory::{Area, CarrierAnswer, Days, Division, Trajectory, Unavailable, Visit, start_of};
use policy::{Applicant, CauseKind, DEVELOPMENT, Policy, QueryOutcome, Stay};
use protocol::{Basis, Class, CodeId, Colour};
use registry::colours::Codes;
use registry::operator::Signers;
use registry::periods::FORM_S_MAX;
use registry::{Beneficiary, ConsentId, ConsentTerms, Detail, DocumentKind, DocumentNumber};
use registry::{Flow, Person, Phone, Registry};
use tempfile::TempDir;

use super::*;
use crate::sms::ProvenPhone;
use crate::test_registry::TestRegistry;

const DAY_S: u64 = 86_400;
const RED: (Colour, Basis) = (Colour::Red, Basis::Verified);
const RED_DECLARED: (Colour, Basis) = (Colour::Red, Basis::Declared);
const GREEN: (Colour, Basis) = (Colour::Green, Basis::Verified);
const GREEN_DECLARED: (Colour, Basis) = (Colour::Green, Basis::Declared);

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Returns nine in the morning of that day.
fn at(text: &str) -> u64 {
    start_of(day(text)) + 9 * 3600
}

fn now() -> u64 {
    at("2020-02-24")
}

struct Bench {
    directory: TempDir,
    keys: Keys,
    registry: Registry,
    codes: Codes,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        Self { directory, keys, registry, codes: Codes::new(16) }
    }

    fn registrar(&mut self) -> Registrar<'_> {
        Registrar::new(&mut self.registry, &self.codes, Arc::new(Policy::development()))
    }

    /// Returns the codes that a restart loads from the registry.
    fn restarted(&mut self, now_s: u64) -> Codes {
        self.registry = Registry::open(&self.directory.path().join("registry.db"), &self.keys).unwrap();
        let codes = Codes::new(16);
        self.registry.load_codes(&codes).unwrap();
        self.registry.expire_due(&codes, now_s as u32).unwrap();
        codes
    }

    /// Gives a consent and makes its query, with that answer.
    fn asked(&mut self, flow: Flow, phone: &Phone, answer: &CarrierAnswer, now_s: u64) -> ConsentId {
        let mut registrar = self.registrar();
        let consent = registrar.consent(&ProvenPhone::for_tests(phone, now_s), agreed(flow), now_s).unwrap();
        let permit = registrar.start_query(consent, phone, now_s).unwrap();
        registrar.finish_query(&permit, answer, &[], now_s).unwrap();
        consent
    }

    fn submit(&mut self, form: &Form, now_s: u64) -> Result<Taken, RegistrarError> {
        self.registrar().submit(form, now_s)
    }

    fn shown(&self, code: CodeId) -> (Colour, Basis) {
        let entry = self.codes.get(code).unwrap();
        assert_eq!(Some(entry), self.registry.code(code).unwrap(), "memory is what is durable");
        (entry.colour(), entry.basis())
    }
}

fn person(n: u32) -> Person {
    Person {
        name: "Canary Name".to_owned(),
        document: DocumentNumber::parse(DocumentKind::Passport, &format!("CANARY{n}")).unwrap(),
        phone: Phone::parse(&format!("163{n:08}")).unwrap(),
        district: "360102".to_owned(),
        community: String::new(),
    }
}

fn form(n: u32, declared: Option<bool>, consent: Option<ConsentId>) -> Form {
    let person = person(n);
    let proven = ProvenPhone::for_tests(&person.phone, now());
    Form { person, declared, consent, proven, guardian: None, along: false }
}

fn trajectory(visits: Vec<Visit>) -> CarrierAnswer {
    let covered = Days { first: day("2020-01-01"), last: day("2020-12-31") };
    CarrierAnswer::Trajectory(Trajectory { covered, visits })
}

fn agreed(flow: Flow) -> ConsentTerms<'static> {
    ConsentTerms { flow, beneficiary: Beneficiary::Owner, detail: Detail::Stay, text: "1" }
}

fn by(authority: &str) -> Signers {
    Signers { authority: authority.to_owned(), operators: "li-na,wang-wei".to_owned() }
}

fn hubei(on: &str) -> CarrierAnswer {
    let (area, from_s) = (Area::City(Division::parse("4201").unwrap()), at(on));
    trajectory(vec![Visit { area, from_s, until_s: from_s + 5 * 3600 }])
}

fn clean() -> CarrierAnswer {
    trajectory(Vec::new())
}

#[test]
fn each_answer_and_declaration_gives_its_colour() {
    let unavailable = || CarrierAnswer::Unavailable(Unavailable::Unreachable);
    for (name, answer, declared, expected) in [
        ("Hubei", Some(hubei("2020-02-20")), None, Some(RED)),
        ("Hubei sent as No", Some(hubei("2020-02-20")), Some(false), None),
        ("clean", Some(clean()), None, Some(GREEN)),
        ("clean, raised by the citizen", Some(clean()), Some(true), Some(RED_DECLARED)),
        ("no answer, No", Some(unavailable()), Some(false), Some(GREEN_DECLARED)),
        ("no answer, Yes", Some(unavailable()), Some(true), Some(RED_DECLARED)),
        ("no answer is not No", Some(unavailable()), None, None),
        ("a new number", Some(CarrierAnswer::NewNumber), Some(false), Some(GREEN_DECLARED)),
        ("nobody's subscriber", Some(CarrierAnswer::NotSubscriber), Some(false), Some(GREEN_DECLARED)),
        ("not asked, No", None, Some(false), Some(GREEN_DECLARED)),
        ("not asked, nothing said", None, None, None),
    ] {
        let mut bench = Bench::new();
        let phone = person(1).phone;
        let consent = answer.map(|answer| bench.asked(Flow::Apply, &phone, &answer, now()));
        match (bench.submit(&form(1, declared, consent), now()), expected) {
            (Ok(taken), Some(expected)) => assert_eq!(bench.shown(taken.code), expected, "{name}"),
            (Err(RegistrarError::Form(_)), None) => {
                assert_eq!(bench.registry.people().unwrap(), 0, "{name}: nothing has happened");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[test]
fn applying_again_does_not_shake_off_a_lock() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    assert_eq!(bench.registry.people().unwrap(), 0, "leaving the form changes nothing");
    for consent in [None, Some(bench.asked(Flow::Apply, &phone, &clean(), now()))] {
        let refused = bench.submit(&form(1, Some(false), consent), now());
        assert!(matches!(refused, Err(RegistrarError::Form(SubmitError::Locked))), "{refused:?}");
    }
    let first = bench.submit(&form(1, Some(true), None), now()).unwrap();
    let again = bench.submit(&form(1, None, None), now() + 60).unwrap();
    assert_eq!((first.code, first.is_new, again.is_new), (again.code, true, false), "one person, one code");
    assert_eq!(bench.shown(first.code), RED);
    assert_eq!(bench.registry.causes(first.code).unwrap().len(), 1, "sent twice, set once");
    let consent = bench
        .registrar()
        .consent(&ProvenPhone::for_tests(&phone, now()), agreed(Flow::Modify), now())
        .unwrap();
    bench.registrar().withdraw_consent(consent, &phone).unwrap();
    let refused = bench.submit(&form(1, Some(false), Some(consent)), now());
    assert!(matches!(refused, Err(RegistrarError::Form(SubmitError::Locked))), "{refused:?}");
}

#[test]
fn a_late_older_answer_does_not_overwrite_a_newer_one() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-12"), now());
    let outcome = bench.registrar().outcome(None, (&phone, Beneficiary::Owner), now()).unwrap();
    assert_eq!(outcome, QueryOutcome::Stay(Stay { area: "hubei".to_owned(), last_day: day("2020-02-20") }));
}

#[test]
fn green_comes_back_by_the_clock_once_also_after_a_downtime() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let consent = bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let code = bench.submit(&form(1, None, Some(consent)), now()).unwrap().code;
    let end_s = start_of(day("2020-03-06"));
    for (now_s, expected) in
        [(end_s - 1, Colour::Red), (end_s, Colour::Green), (end_s + 900 * DAY_S, Colour::Green)]
    {
        let codes = bench.restarted(now_s);
        assert_eq!(codes.get(code).unwrap().colour(), expected, "{now_s}");
    }
    let decisions = bench.registry.decisions(code).unwrap();
    let steps: Vec<_> = decisions.iter().map(|row| (row.from, row.to, row.authority.as_str())).collect();
    let expected = [(Colour::Unknown, Colour::Red, "carrier"), (Colour::Red, Colour::Green, "clock")];
    assert_eq!(steps, expected, "applied once");
    assert_eq!(decisions[0].policy, "2020-02-24");
    assert_eq!(bench.registry.stay_of(&phone, end_s).unwrap(), None, "and what it rested on is forgotten");
}

#[test]
fn a_consent_is_one_query_of_one_phone_and_nothing_else() {
    let mut bench = Bench::new();
    let (phone, other) = (person(1).phone, person(2).phone);
    let mut registrar = bench.registrar();
    let consent =
        registrar.consent(&ProvenPhone::for_tests(&phone, now()), agreed(Flow::Apply), now()).unwrap();
    assert!(registrar.start_query(consent, &other, now()).is_err(), "another phone's");
    assert!(registrar.start_query(consent, &phone, now() + FORM_S_MAX + 1).is_err(), "too old");
    let permit = registrar.start_query(consent, &phone, now()).unwrap();
    assert_eq!(permit.days(), Days { first: day("2020-02-10"), last: day("2020-02-23") });
    assert!(registrar.start_query(consent, &phone, now()).is_err(), "used");
    assert!(
        registrar.outcome(Some(consent), (&other, Beneficiary::Owner), now()).is_err(),
        "another phone's answer"
    );
    assert!(
        registrar.outcome(Some(consent), (&phone, Beneficiary::Owner), now() + FORM_S_MAX + 1).is_err(),
        "an old answer"
    );
    let waiting = registrar.outcome(Some(consent), (&phone, Beneficiary::Owner), now()).unwrap();
    assert_eq!(waiting, QueryOutcome::Unavailable(Unavailable::TimedOut), "no answer yet is no No");

    registrar.withdraw_consent(consent, &phone).unwrap();
    let late = registrar.finish_query(&permit, &hubei("2020-02-20"), &[], now());
    assert!(matches!(late, Err(RegistrarError::Consent)), "withdrawn in mid-query: {late:?}");
    assert_eq!(
        registrar.outcome(None, (&phone, Beneficiary::Owner), now()).unwrap(),
        QueryOutcome::NotAsked,
        "nothing is kept"
    );
    assert!(registrar.withdraw_consent(consent, &other).is_err());
}

#[test]
fn what_carriers_answered_is_forgotten_by_the_clock_whether_or_not_anybody_asks_again() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let proven = ProvenPhone::for_tests(&phone, now());
    bench.registrar().consent(&proven, agreed(Flow::Scan), now()).unwrap();
    let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let kept = "SELECT count(*) FROM consents WHERE outcome IS NOT NULL OR sealed_phone IS NOT NULL";
    assert_eq!((count(kept), count("SELECT count(*) FROM stays")), (2, 1));
    let codes = bench.codes.clone();
    bench.registry.expire_due(&codes, (now() + FORM_S_MAX + 1) as u32).unwrap();
    assert_eq!((count(kept), count("SELECT count(*) FROM stays")), (0, 1));
    bench.registry.expire_due(&codes, start_of(day("2020-03-06")) as u32).unwrap();
    assert_eq!(count("SELECT count(*) FROM stays"), 0);
}

#[test]
fn a_query_from_a_punch_page_changes_no_colour_now_or_later() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let consent = bench.asked(Flow::Scan, &phone, &hubei("2020-02-20"), now());
    assert_eq!(bench.shown(code), GREEN_DECLARED);
    let again = bench.registrar().outcome(Some(consent), (&phone, Beneficiary::Owner), now());
    assert!(again.is_err(), "used for nothing else");
    bench.submit(&form(1, Some(false), None), now()).unwrap();
    assert_eq!(bench.shown(code), GREEN_DECLARED);
}

#[test]
fn somebody_elses_document_opens_and_changes_nothing() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let mut stranger = form(1, Some(true), None);
    stranger.person.phone = person(2).phone;
    stranger.proven = ProvenPhone::for_tests(&stranger.person.phone, now());
    let refused = bench.submit(&stranger, now());
    assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{refused:?}");
    assert_eq!((bench.shown(code), bench.registry.people().unwrap()), (GREEN_DECLARED, 1));
}

#[test]
fn clearing_one_cause_leaves_the_others_and_only_its_authority_may() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let (until, mut registrar) = (day("2020-03-10"), bench.registrar());
    let contact = registrar.add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now()).unwrap();
    let apart = registrar.add_cause(code, CauseKind::Quarantine, &by("community"), until, now()).unwrap();
    for (id, authority) in [(contact, "community"), (apart, "cdc"), (contact, "citizen"), (999, "cdc")] {
        assert!(registrar.clear_cause(id, &by(authority), now()).is_err(), "{id} {authority}");
    }
    registrar.clear_cause(contact, &by("cdc"), now()).unwrap();
    assert!(registrar.clear_cause(contact, &by("cdc"), now()).is_err(), "cleared once");
    assert_eq!(bench.shown(code), RED_DECLARED, "the declaration is left");
    let consent = bench.asked(Flow::Modify, &person(1).phone, &clean(), now());
    bench.submit(&form(1, Some(false), Some(consent)), now()).unwrap();
    assert_eq!(bench.shown(code), (Colour::Yellow, Basis::Verified), "the quarantine is left");
    bench.registrar().clear_cause(apart, &by("community"), now()).unwrap();
    assert_eq!(bench.shown(code), GREEN, "as fast as it was set");
    let why = bench.registrar().why(code).unwrap().unwrap();
    assert_eq!((why.causes.len(), why.entry.colour()), (3, Colour::Green));
    assert_eq!(why.decisions.last().unwrap().operators, "li-na,wang-wei");
    assert!(why.causes.iter().all(|row| row.cleared_s == Some(now())));
}

#[test]
fn a_cause_by_hand_ends_within_the_days_of_its_policy() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let mut registrar = bench.registrar();
    for (kind, until) in [
        (CauseKind::CloseContact, "2020-02-23"),
        (CauseKind::CloseContact, "2020-03-17"),
        (CauseKind::Trajectory, "2020-03-01"),
        (CauseKind::Inherited, "2020-03-01"),
    ] {
        let refused = registrar.add_cause(code, kind, &by("cdc"), day(until), now());
        assert!(matches!(refused, Err(RegistrarError::Cause(_))), "{kind:?} {until}: {refused:?}");
    }
    let nobody = CodeId::from_u64(77).unwrap();
    let mut add = |code, until| {
        let added = registrar.add_cause(code, CauseKind::CloseContact, &by("cdc"), day(until), now());
        added.map_err(|error| error.to_string())
    };
    assert_eq!(add(nobody, "2020-03-01"), Err("there is no code 77".to_owned()));
    let refused = add(code, "2020-03-17").unwrap_err();
    assert!(refused.contains("is 2020-02-24 to 2020-03-16: close-contact"), "{refused}");
    let first = add(code, "2020-03-16").unwrap();
    let again = add(code, "2020-03-16").unwrap_err();
    assert!(again.contains(&format!("cause {first}, close-contact, set by cdc on 2020-02-24")), "{again}");
    add(code, "2020-03-15").expect("another day is another word");
    assert_eq!(bench.shown(code), RED);
}

#[test]
fn an_imported_red_does_not_vanish_under_a_form() {
    let mut bench = Bench::new();
    let code = CodeId::issue(1, 5).unwrap();
    let until_s = (now() + 10 * DAY_S) as u32;
    let entry = CodeEntry::new(Colour::Red, Basis::Verified, Class::Imported, until_s, 1);
    bench
        .registry
        .transaction::<_, RegistryError>(|registry| registry.add_person(&person(1), code, entry))
        .unwrap();
    let proven = ProvenPhone::for_tests(&person(1).phone, now());
    bench.registrar().confirm_document(&proven, &person(1).document, now()).unwrap();
    let consent = bench.asked(Flow::Modify, &person(1).phone, &clean(), now());
    let taken = bench.submit(&form(1, None, Some(consent)), now()).unwrap();
    assert_eq!((taken.code, taken.is_new), (code, false), "existing holders need not apply again");
    assert_eq!(bench.shown(code), RED);
    assert_eq!(taken.entry.class(), Class::Person, "the earlier text is good no more");
    let codes = bench.restarted(u64::from(until_s));
    assert_eq!(codes.get(code).unwrap().colour(), Colour::Green);
}

#[test]
fn nothing_personal_is_in_the_files_or_the_errors() {
    let mut bench = Bench::new();
    let consent = bench.asked(Flow::Apply, &person(7).phone, &hubei("2020-02-20"), now());
    let taken = bench.submit(&form(7, None, Some(consent)), now()).unwrap();
    let mut stranger = form(7, Some(true), None);
    stranger.person.phone = person(8).phone;
    stranger.proven = ProvenPhone::for_tests(&stranger.person.phone, now());
    let refused = bench.submit(&stranger, now()).unwrap_err();
    let shown = format!("{refused} {refused:?} {taken:?} {stranger:?}");
    let mut seen: Vec<(String, Vec<u8>)> = vec![("what is shown".to_owned(), shown.into_bytes())];
    for file in std::fs::read_dir(bench.directory.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            seen.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    assert!(seen.len() >= 2);
    for (name, bytes) in &seen {
        for canary in ["CANARY7", "Canary Name", "16300000007", "hubei", "16300000008"] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {name}");
        }
    }
}

mod another_policy;
mod appeals;
mod clock_steps;
mod corrections;
mod decisions;
mod forgetting;
mod leaving;
mod shedding;
mod shifts;
mod signin;
mod traps;
mod wards;
