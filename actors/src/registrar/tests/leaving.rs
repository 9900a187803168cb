//! Printed codes, units, and people who withdraw their data.

use policy::PlaceKind;
use policy::PolicyInEffect;
use protocol::limits::TOKEN_SKEW_S;
use protocol::place::PlaceCode;
use protocol::{Advice, Reason, RegionId, Scanned};
use registry::UnitState;

use super::signin::{form_at, proven};
use super::*;
use crate::judge::{Judge, PlaceKinds};

impl Bench {
    fn judged(&self, token: [u8; 18], codes: &Codes, now_s: u64) -> (Advice, Reason) {
        codes.set_loaded();
        let policy = PolicyInEffect::new(Policy::development());
        let (tokens, legacy) = (self.keys.token_keys(), self.keys.legacy());
        let judge = Judge::new(codes.clone(), tokens, legacy, 1, policy, PlaceKinds::default());
        let scans = [Scanned::Token(token), Scanned::Text(protocol::token::to_text(&token))];
        let [one, text] = judge.judge((RegionId(1), protocol::DeviceId(1)), scans.iter(), now_s * 1000)[..]
        else {
            panic!("two")
        };
        assert_eq!(one, text, "however it is scanned");
        (one.verdict.advice, one.verdict.reason)
    }
}

#[test]
fn a_withdrawn_paper_is_good_no_more_and_one_made_afterwards_is() {
    let mut bench = Bench::new();
    let (code, me) = (bench.imported(1, 1), proven(1, now()));
    bench.registrar().confirm_document(&me, &person(1).document, now()).unwrap();
    let tokens = bench.keys.token_keys();
    let key = tokens.get(bench.keys.current_paper()).unwrap();
    let lost = bench.registrar().paper(code, &me, now()).unwrap().seal(key);
    let codes = bench.codes.clone();
    let good = (Advice::CheckDocument, Reason::DocumentClass);
    assert_eq!(bench.judged(lost, &codes, now() + 300 * DAY_S), good, "good for long, with the document");
    assert!(bench.registrar().withdraw_papers(code, &proven(2, now()), now()).is_err(), "by a stranger");
    assert_eq!(bench.judged(lost, &codes, now()), good);
    bench.registrar().withdraw_papers(code, &me, now()).unwrap();
    let new = bench.registrar().paper(code, &me, now()).unwrap().seal(key);
    let restarted = bench.restarted(now());
    for codes in [codes, restarted] {
        assert_eq!(bench.judged(lost, &codes, now()), (Advice::NotAPassCode, Reason::Expired));
        assert_eq!(bench.judged(new, &codes, now()), good, "within {TOKEN_SKEW_S} s");
    }
    let phone = tokens.get(bench.keys.current_token(0)).unwrap();
    let token = protocol::token::Token { code, issued_at_s: now() as u32, class: Class::Person };
    let codes = bench.codes.clone();
    assert_eq!(
        bench.judged(phone.seal(token), &codes, now()).0,
        Advice::Pass,
        "the phone's own code is untouched"
    );
}

#[test]
fn a_unit_applies_an_operator_decides_and_its_link_leads_to_the_place() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let me = proven(1, now());
    let unit = (RegionId(3), PlaceKind::Workplace, "洪都机械厂");
    let mut registrar = bench.registrar();
    assert!(registrar.apply_for_unit(code, &proven(2, now()), unit, now()).is_err(), "by a stranger");
    for bad in [
        (RegionId(999), PlaceKind::Workplace, "x"),
        (RegionId(3), PlaceKind::Station, "x"),
        (RegionId(3), PlaceKind::Village, "\u{202e}"),
    ] {
        assert!(registrar.apply_for_unit(code, &me, bad, now()).is_err(), "{bad:?}");
    }
    let id = registrar.apply_for_unit(code, &me, unit, now()).unwrap();
    let other =
        registrar.apply_for_unit(code, &me, (RegionId(3), PlaceKind::Vehicle, "bus 7"), now()).unwrap();
    let place = bench.registry.decide_unit(id, true, "li-na", now()).unwrap().unwrap();
    assert_eq!(bench.registry.decide_unit(other, false, "li-na", now()).unwrap(), None);
    assert!(bench.registry.decide_unit(id, false, "li-na", now()).is_err(), "decided once");
    let units = bench.registrar().units_of(code, &me, now()).unwrap();
    let states: Vec<_> = units.iter().map(|unit| (unit.state, unit.place)).collect();
    assert_eq!(states, [(UnitState::Approved, Some(place.id)), (UnitState::Refused, None)]);
    let link = place.link.unwrap();
    let scanned = PlaceCode::from_link(&link.to_link("code.example")).unwrap();
    assert_eq!(bench.registry.place_of_link(scanned).unwrap(), Some(place.clone()));
    assert_ne!(link.get(), u64::from(place.id.0), "the link is not the number");
    assert_eq!(bench.registry.place_of_link(PlaceCode::from_random(1)).unwrap(), None);
}

#[test]
fn withdrawing_deletes_the_person_and_says_what_stays() {
    let mut bench = Bench::new();
    let (code, me) = (bench.applied(1, now()), proven(1, now()));
    bench.registrar().consent(&me, agreed(Flow::Modify), now()).unwrap();
    let refused = bench.registrar().withdraw_person(code, &proven(2, now()), now());
    assert!(matches!(refused, Err(RegistrarError::NotYours)), "{refused:?}");
    let remains = bench.registrar().withdraw_person(code, &me, now()).unwrap();
    assert_eq!((remains.decisions, remains.causes_until_s, remains.stay_until_s), (1, None, None));
    assert_eq!((bench.codes.get(code), bench.registry.code(code).unwrap()), (None, None), "not registered");
    assert_eq!(bench.restarted(now()).get(code), None, "nor after a restart");
    assert_eq!(bench.registry.count_codes().unwrap(), 0);
    assert_eq!(bench.registry.code_of_document(&person(1).document).unwrap(), None);
    assert!(bench.registry.codes_of_phone(&person(1).phone).unwrap().is_empty());
    assert_eq!(bench.registry.person(code).unwrap(), None);
    let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM consents WHERE length(phone_hash) > 0"), 0);
    assert_eq!(count("SELECT count(*) FROM consents"), 1, "queries are still counted");
    assert_eq!(count("SELECT count(*) FROM decisions"), 1);
    let again = bench.submit(&form_at(1, 1, now()), now()).unwrap();
    assert!(again.is_new && again.code != code, "who comes back is somebody new");
}

#[test]
fn withdrawing_does_not_shake_off_a_lock() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let code = bench.submit(&form(1, None, None), now()).unwrap().code;
    let until = day("2020-02-28");
    let contact =
        bench.registrar().add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now()).unwrap();
    let remains = bench.registrar().withdraw_person(code, &proven(1, now()), now()).unwrap();
    let end_s = start_of(day("2020-03-06"));
    assert_eq!((remains.causes_until_s, remains.stay_until_s), (Some(end_s), Some(end_s)));
    let refused = bench.submit(&form_at(1, 1, now()), now());
    assert!(matches!(refused, Err(RegistrarError::Form(SubmitError::Locked))), "{refused:?}");
    let again = bench.submit(&Form { declared: None, ..form_at(1, 1, now()) }, now()).unwrap();
    assert_eq!((again.is_new, bench.shown(again.code)), (true, RED));
    assert!(bench.registrar().clear_cause(contact, &by("community"), now()).is_err());
    bench.registrar().clear_cause(contact, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(again.code), RED, "clearing one leaves the other");
    assert_eq!(
        bench.restarted(end_s).get(again.code).unwrap().colour(),
        Colour::Green,
        "and it ends on time"
    );
}

#[test]
fn what_is_kept_of_who_withdrew_is_gone_when_it_ends_or_is_cleared() {
    for cleared in [false, true] {
        let mut bench = Bench::new();
        let code = bench.applied(1, now());
        let until = day("2020-03-01");
        let id =
            bench.registrar().add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now()).unwrap();
        bench.registrar().withdraw_person(code, &proven(1, now()), now()).unwrap();
        let later_s = if cleared { now() } else { start_of(day("2020-03-02")) };
        if cleared {
            assert_eq!(bench.registrar().clear_cause(id, &by("cdc"), now()).unwrap(), code);
        }
        assert_eq!(bench.codes.get(code), None);
        bench.restarted(later_s);
        let store = rusqlite::Connection::open(bench.directory.path().join("registry.db")).unwrap();
        let kept: i64 = store.query_row("SELECT count(*) FROM leftovers", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, i64::from(cleared), "kept until its end");
        let again = bench.submit(&form_at(1, 1, later_s), later_s).unwrap().code;
        assert_eq!(bench.shown(again), GREEN_DECLARED);
    }
}

#[test]
fn an_imported_red_is_not_shaken_off_by_withdrawing() {
    let mut bench = Bench::new();
    let code = CodeId::issue(1, 5).unwrap();
    let entry = CodeEntry::new(Colour::Red, Basis::Verified, Class::Imported, 0, 1);
    let add = |registry: &mut Registry| registry.add_person(&person(1), code, entry);
    bench.registry.transaction::<_, RegistryError>(add).unwrap();
    let me = proven(1, now());
    bench.registrar().confirm_document(&me, &person(1).document, now()).unwrap();
    let remains = bench.registrar().withdraw_person(code, &me, now()).unwrap();
    assert_eq!(
        remains.causes_until_s,
        Some(now() + 184 * DAY_S),
        "a colour without an end is not kept for ever"
    );
    let again = bench.applied(1, now());
    assert_eq!(bench.shown(again).0, Colour::Red);
}

#[test]
fn who_has_wards_does_not_leave_them_behind() {
    let mut bench = Bench::new();
    let (guardian, me) = (bench.applied(1, now()), proven(1, now()));
    let ward = Form { guardian: Some(guardian), ..form_at(2, 1, now()) };
    let ward = bench.submit(&ward, now()).unwrap().code;
    let refused = bench.registrar().withdraw_person(guardian, &me, now());
    assert!(matches!(refused, Err(RegistrarError::HasWards)), "{refused:?}");
    bench.registrar().withdraw_person(ward, &me, now()).unwrap();
    bench.registrar().withdraw_person(guardian, &me, now()).unwrap();
    assert_eq!(bench.registry.people().unwrap(), 0);
}

#[test]
fn a_query_under_way_when_its_holder_withdraws_keeps_nothing() {
    let mut bench = Bench::new();
    let (code, me) = (bench.applied(1, now()), proven(1, now()));
    let mut registrar = bench.registrar();
    let consent = registrar.consent(&me, agreed(Flow::Modify), now()).unwrap();
    let permit = registrar.start_query(consent, &person(1).phone, now()).unwrap();
    registrar.withdraw_person(code, &me, now()).unwrap();
    let late = registrar.finish_query(&permit, &hubei("2020-02-20"), &[], now());
    assert!(matches!(late, Err(RegistrarError::Consent)), "{late:?}");
    assert_eq!(bench.registry.stay_of(&person(1).phone, now()).unwrap(), None);
    assert_eq!(bench.registry.verify_consents().unwrap().withdrawn, 1);
}

#[test]
fn what_came_back_with_its_holder_can_be_appealed() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let until = day("2020-02-28");
    bench.registrar().add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now()).unwrap();
    bench.registrar().withdraw_person(code, &proven(1, now()), now()).unwrap();
    let again = bench.applied(1, now());
    assert_eq!(bench.shown(again), RED);
    let decision = bench.registry.decisions(again).unwrap()[0].clone();
    assert_eq!(decision.authority, "cdc");
    bench.registrar().appeal(again, decision.id, "I was not there", now()).unwrap();
    assert_eq!(bench.registry.open_appeals("cdc").unwrap().len(), 1);
}

#[test]
fn a_lock_that_no_form_was_sent_for_is_not_shaken_off_by_another_phone_or_by_withdrawing() {
    for withdraws in [false, true] {
        let mut bench = Bench::new();
        let (code, me) = (bench.applied(1, now()), proven(1, now()));
        bench.asked(Flow::Modify, &person(1).phone, &hubei("2020-02-20"), now());
        if withdraws {
            bench.registrar().withdraw_person(code, &me, now()).unwrap();
        } else {
            bench.registrar().change_phone(code, &me, &proven(9, now()), now()).unwrap();
        }
        let stranger = bench.submit(&form_at(1, 8, now()), now());
        assert!(matches!(stranger, Err(RegistrarError::OtherPhone)), "is not told of it: {stranger:?}");
        let phone = if withdraws { 1 } else { 9 };
        let refused = bench.submit(&form_at(1, phone, now()), now());
        assert!(matches!(refused, Err(RegistrarError::Form(SubmitError::Locked))), "{refused:?}");
        let sent = Form { declared: None, ..form_at(1, phone, now()) };
        let taken = bench.submit(&sent, now()).unwrap();
        assert_eq!(bench.shown(taken.code), RED);
        let decision = bench.registry.decisions(taken.code).unwrap().pop().unwrap();
        let appeal = bench.registrar().appeal(taken.code, decision.id, "a border cell", now()).unwrap();
        let granted = crate::registrar::appeals::Verdict { granted: true, text: "so it was" };
        bench.registrar().answer_appeal(appeal, granted, &by("cdc"), now()).unwrap();
        bench.submit(&form_at(1, phone, now()), now()).unwrap();
        assert_eq!(bench.shown(taken.code), GREEN_DECLARED, "an appeal takes the lock away");
    }
}
