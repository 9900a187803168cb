//! A look-up is on record before data is shown, and the daily limits hold.

use keys::Keys;
use protocol::{Basis, Class, Colour};

use super::*;
use crate::codes::colours::CodeEntry;
use crate::{DocumentKind, DocumentNumber, Person, Phone};

const NOW_S: u64 = 1_600_000_000;

fn registry(people: u32) -> (tempfile::TempDir, Registry, Vec<CodeId>) {
    let directory = tempfile::tempdir().unwrap();
    Keys::init(&directory.path().join("keys")).unwrap();
    let keys = Keys::load(&directory.path().join("keys")).unwrap();
    let mut registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
    let entry = CodeEntry::new(Colour::Green, Basis::Declared, Class::Person, 0, 1);
    let add = |n: u32| {
        let code = CodeId::issue(1, u64::from(n)).unwrap();
        let person = Person {
            name: format!("王{n}"),
            document: DocumentNumber::parse(DocumentKind::Passport, &format!("CANARY{n}")).unwrap(),
            phone: Phone::parse(&format!("163{n:08}")).unwrap(),
            district: "360102".to_owned(),

            community: String::new(),
        };
        registry
            .transaction::<_, RegistryError>(|registry| registry.add_person(&person, code, entry))
            .unwrap();
        code
    };
    let codes = (1..=people).map(add).collect();
    (directory, registry, codes)
}

fn by(name: &str) -> Signers {
    Signers { authority: "cdc".to_owned(), operators: name.to_owned() }
}

fn asked<'a>(lookup: Lookup, by: &'a Signers, now_s: u64) -> LookupRequest<'a> {
    LookupRequest { lookup, by, case: "A-1", now_s }
}

#[test]
fn who_looked_is_on_record_before_it_is_shown() {
    let (_directory, mut registry, codes) = registry(3);
    let by = by("li-na");
    let contact = asked(Lookup::Contact, &by, NOW_S).contact(&mut registry, codes[0]).unwrap();
    assert_eq!((contact.name.as_str(), contact.phone.as_str()), ("王1", "16300000001"));
    assert_eq!(format!("{contact:?}"), "Contact(…)");
    asked(Lookup::Passages, &by, NOW_S + 1)
        .record(&mut registry, &Subjects::Codes(codes[..2].to_vec()))
        .unwrap();
    asked(Lookup::Export, &by, NOW_S + 2).record(&mut registry, &Subjects::Everybody).unwrap();
    let acts = |code| {
        let rows = registry.accesses(code).unwrap();
        assert!(rows.iter().all(|row| row.operators == "li-na" && row.case == "A-1"));
        rows.into_iter().map(|row| row.act).collect::<Vec<_>>()
    };
    assert_eq!(acts(codes[0]), ["contact", "passages", "export"]);
    assert_eq!(acts(codes[1]), ["passages", "export"]);
    assert_eq!(acts(codes[2]), ["export"], "what concerns everybody concerns each");
}

#[test]
fn what_is_not_on_record_is_not_shown() {
    let (_directory, mut registry, codes) = registry(1);
    let by = by("li-na");
    let long = "x".repeat(65);
    for case in ["", "  ", "a\nb", &long] {
        let asked = LookupRequest { case, ..asked(Lookup::Contact, &by, NOW_S) };
        let refused = asked.contact(&mut registry, codes[0]);
        assert!(matches!(refused, Err(LookupError::Case)), "{case:?}");
    }
    let nobody = CodeId::issue(1, 99).unwrap();
    let refused = asked(Lookup::Contact, &by, NOW_S).contact(&mut registry, nobody);
    assert!(matches!(refused, Err(LookupError::NoCode(_))));
    assert_eq!(registry.accesses(codes[0]).unwrap(), []);
}

#[test]
fn a_look_up_over_quota_is_refused_and_alarms() {
    let (_directory, mut registry, codes) = registry(1);
    let (li_na, both) = (by("li-na"), by("wang-wei,li-na"));
    let look = |registry: &mut Registry, by: &Signers, now_s| {
        asked(Lookup::Passages, by, now_s).record(registry, &Subjects::Codes(codes.clone()))
    };
    for n in 0..PASSAGES_DAY_MAX {
        look(&mut registry, &li_na, NOW_S + n).unwrap();
    }
    let known = registry.accesses(codes[0]).unwrap().len();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        for by in [&li_na, &both] {
            let refused = look(&mut registry, by, NOW_S + 100).unwrap_err();
            assert!(
                refused.to_string().contains("li-na has looked at as much as one operator may"),
                "{refused}"
            );
        }
    });
    let alarm = "changtong_lookups_refused_total{lookup=\"passages\"} 2";
    assert!(recorder.handle().render().contains(alarm), "{}", recorder.handle().render());
    assert_eq!(registry.accesses(codes[0]).unwrap().len(), known, "nothing was shown, nothing is on record");
    look(&mut registry, &by("wang-wei"), NOW_S + 100).unwrap();
    look(&mut registry, &li_na, NOW_S + PASSAGES_DAY_MAX + DAY_S).unwrap();
}

#[test]
fn people_seen_in_a_day_are_limited_and_many_in_an_hour_are_a_burst() {
    let (_directory, mut registry, codes) = registry(1);
    let by = by("li-na");
    let many = vec![codes[0]; 2_400];
    assert!(!is_burst(&registry, NOW_S).unwrap());
    asked(Lookup::Passages, &by, NOW_S).record(&mut registry, &Subjects::Codes(many.clone())).unwrap();
    assert!(is_burst(&registry, NOW_S + 60).unwrap());
    asked(Lookup::Passages, &by, NOW_S + HOUR_S)
        .record(&mut registry, &Subjects::Codes(many.clone()))
        .unwrap();
    let refused = asked(Lookup::Passages, &by, NOW_S + HOUR_S).record(&mut registry, &Subjects::Codes(many));
    assert!(matches!(refused, Err(LookupError::Quota { .. })), "{refused:?}");
    assert!(!is_burst(&registry, NOW_S + 2 * HOUR_S).unwrap(), "an hour later it is over");
}

#[test]
fn names_are_masked_to_their_first_character() {
    for (name, expected) in [("王伟", "王＊"), ("Made Up", "M＊"), ("", "＊")] {
        assert_eq!(masked(name), expected);
    }
}
