//! Causes stay with people: another document, another kind, another phone, or leaving and coming back does not get rid of them; and
//! strangers are not told whether another person is or was registered.

use policy::PolicyInEffect;
use protocol::{Advice, Reason, RegionId, Scanned};

use super::signin::{form_at, number, proven};
use super::*;
use crate::judge::{Judge, PlaceKinds};

fn with(document: DocumentNumber, form: Form) -> Form {
    Form { person: Person { document, ..form.person }, ..form }
}

fn document(kind: DocumentKind, number: &str) -> DocumentNumber {
    DocumentNumber::parse(kind, number).unwrap()
}

impl Bench {
    fn reddened(&mut self, code: CodeId) -> i64 {
        let until = day("2020-03-01");
        self.registrar().add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now()).unwrap()
    }

    fn scanned(&self, scan: &Scanned) -> (Advice, Reason) {
        self.codes.set_loaded();
        let policy = PolicyInEffect::new(Policy::development());
        let (tokens, legacy) = (self.keys.token_keys(), self.keys.legacy());
        let judge = Judge::new(self.codes.clone(), tokens, legacy, 1, policy, PlaceKinds::default());
        let verdict =
            judge.judge((RegionId(1), protocol::DeviceId(1)), std::iter::once(scan), now() * 1000)[0].verdict;
        (verdict.advice, verdict.reason)
    }
}

#[test]
fn a_red_person_gets_no_second_own_code_on_the_same_phone() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    bench.reddened(code);
    for form in [
        form_at(2, 1, now()),
        with(document(DocumentKind::IdCard, "11010519491231002X"), form_at(1, 1, now())),
        with(document(DocumentKind::HkMacauPermit, "H12345678"), form_at(1, 1, now())),
    ] {
        let refused = bench.submit(&form, now());
        assert!(matches!(refused, Err(RegistrarError::OwnCode)), "{refused:?}");
    }
    let ward = bench.submit(&Form { guardian: Some(code), ..form_at(2, 1, now()) }, now()).unwrap();
    assert_eq!(ward.entry.class(), Class::Ward, "whoever scans it looks at the ward's document");
}

#[test]
fn one_number_is_one_document_whatever_kind_is_claimed() {
    let mut bench = Bench::new();
    let number = "11010519491231002X";
    let card = with(document(DocumentKind::IdCard, number), form_at(1, 1, now()));
    let code = bench.submit(&card, now()).unwrap().code;
    bench.reddened(code);
    let passport = |phone| with(document(DocumentKind::Passport, number), form_at(1, phone, now()));
    let refused = bench.submit(&passport(2), now());
    assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{refused:?}");
    assert_eq!(bench.submit(&passport(1), now()).unwrap().code, code, "with the phone it is a modification");
    assert_eq!(bench.shown(code), RED);
}

#[test]
fn an_imported_red_is_not_left_behind_by_applying_with_another_document() {
    let mut bench = Bench::new();
    bench.imported_as(1, 1, (Colour::Red, Basis::Verified));
    bench.imported(2, 2);
    let refused = bench.submit(&form_at(9, 1, now()), now());
    assert!(matches!(refused, Err(RegistrarError::OwnCode)), "{refused:?}");
    bench.submit(&form_at(8, 2, now()), now()).expect("a number that was given to somebody else");
    let refused = bench.registrar().confirm_document(&proven(2, now()), &person(2).document, now());
    assert!(matches!(refused, Err(RegistrarError::OwnCode)), "two own codes on one phone: {refused:?}");
}

#[test]
fn leaving_and_coming_back_with_another_document_brings_the_causes_back() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let cause = bench.reddened(code);
    bench.registrar().withdraw_person(code, &proven(1, now()), now()).unwrap();
    let again = bench.submit(&form_at(2, 1, now()), now()).unwrap().code;
    assert_eq!(bench.shown(again), RED, "the same phone");
    // The first document stays bound, too.
    let refused = bench.submit(&form_at(1, 3, now()), now());
    assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{refused:?}");
    bench.registrar().withdraw_person(again, &proven(1, now()), now()).unwrap();
    let back = bench.applied(1, now());
    assert_eq!(bench.shown(back), RED);
    bench.registrar().clear_cause(cause, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(back), GREEN_DECLARED);
    // When all of it has ended, the phone and the document are free again.
    let over_s = start_of(day("2020-03-02"));
    bench.restarted(over_s);
    bench.submit(&form_at(2, 4, over_s), over_s).unwrap();
}

#[test]
fn a_phone_that_was_left_with_a_cause_gives_no_green_code_until_it_ends() {
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    bench.reddened(code);
    bench.registrar().change_phone(code, &proven(1, now()), &proven(9, now()), now()).unwrap();
    let refused = bench.submit(&form_at(2, 1, now()), now());
    assert!(matches!(refused, Err(RegistrarError::OwnCode)), "{refused:?}");
    let over_s = start_of(day("2020-03-02"));
    bench.restarted(over_s);
    bench.submit(&form_at(2, 1, over_s), over_s).expect("the number is somebody else's now");
    let taken = bench.registrar().change_phone(code, &proven(9, over_s), &proven(1, over_s), over_s);
    assert!(matches!(taken, Err(RegistrarError::OwnCode)), "nor is one taken over: {taken:?}");
}

#[test]
fn a_stranger_is_told_the_same_of_who_is_registered_who_withdrew_and_how_often_they_may_ask() {
    let mut bench = Bench::new();
    bench.applied(1, now());
    let phone = person(2).phone;
    bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let code = bench.submit(&form(2, None, None), now()).unwrap().code;
    bench.registrar().withdraw_person(code, &proven(2, now()), now()).unwrap();
    for n in [1, 2] {
        let unsaid = bench.submit(&Form { declared: None, ..form_at(n, 5, now()) }, now());
        assert!(
            matches!(unsaid, Err(RegistrarError::Form(SubmitError::DeclarationMissing))),
            "{n}: {unsaid:?}"
        );
    }
    for n in [1, 2, 1, 2, 1] {
        is_told_of_another_phone(&mut bench, n);
    }
    let refused = bench.submit(&form_at(7, 5, now()), now());
    assert!(matches!(refused, Err(RegistrarError::Tries)), "of nobody's document neither: {refused:?}");
    assert!(bench.registrar().codes_of(&proven(5, now()), now()).unwrap().is_empty());
    let tomorrow_s = now() + DAY_S;
    bench.submit(&form_at(7, 5, tomorrow_s), tomorrow_s).unwrap();
}

fn is_told_of_another_phone(bench: &mut Bench, n: u32) {
    let refused = bench.submit(&form_at(n, 5, now()), now());
    assert!(matches!(refused, Err(RegistrarError::OtherPhone)), "{n}: {refused:?}");
}

#[test]
fn the_tries_of_documents_are_not_reset_by_leaving() {
    let mut bench = Bench::new();
    bench.applied(1, now());
    for _ in 0..DOCUMENT_TRIES_MAX {
        is_told_of_another_phone(&mut bench, 1);
    }
    let own = bench.imported(5, 5);
    bench.registry.set_proven(own, now()).unwrap();
    bench.registrar().withdraw_person(own, &proven(5, now()), now()).unwrap();
    let refused = bench.submit(&form_at(1, 5, now()), now());
    assert!(matches!(refused, Err(RegistrarError::Tries)), "{refused:?}");
}

#[test]
fn what_was_unknown_or_declared_before_a_red_is_so_again_after_it() {
    for before in [(Colour::Unknown, Basis::Nothing), GREEN_DECLARED, GREEN] {
        let mut bench = Bench::new();
        let code = bench.imported_as(1, 1, before);
        let cause = bench.reddened(code);
        assert_eq!(bench.shown(code), RED);
        bench.registrar().clear_cause(cause, &by("cdc"), now()).unwrap();
        assert_eq!(bench.shown(code), before, "cleared");
        bench.reddened(code);
        let codes = bench.restarted(start_of(day("2020-03-02")));
        let entry = codes.get(code).unwrap();
        assert_eq!((entry.colour(), entry.basis()), before, "ended by the clock");
    }
}

#[test]
fn a_document_that_nobody_verified_is_looked_at() {
    let mut bench = Bench::new();
    let foreign = bench.applied(1, now());
    let card = with(document(DocumentKind::IdCard, "11010519491231002X"), form_at(2, 2, now()));
    let card = bench.submit(&card, now()).unwrap().code;
    let (look, pass) = (Advice::CheckDocument, Advice::Pass);
    assert_eq!(bench.scanned(&Scanned::SignedIn(foreign)), (look, Reason::DocumentClass));
    assert_eq!(bench.scanned(&Scanned::SignedIn(card)), (pass, Reason::Clear));
    let cause = bench.reddened(foreign);
    bench.registrar().clear_cause(cause, &by("cdc"), now()).unwrap();
    assert_eq!(bench.scanned(&Scanned::SignedIn(foreign)).0, look, "also after another colour");
    bench.codes = bench.restarted(now());
    assert_eq!(bench.scanned(&Scanned::SignedIn(foreign)).0, look, "and a restart");
}

#[test]
fn an_earlier_text_goes_with_the_document_and_is_good_no_more_once_its_holder_signs_in() {
    for by_a_guardian in [false, true] {
        let mut bench = Bench::new();
        let text = "OLD-PASS-0001";
        let code = bench.keys.legacy().code(1, text).unwrap();
        let entry = CodeEntry::new(Colour::Green, Basis::Verified, Class::Imported, 0, 1);
        let add = |registry: &mut Registry| registry.add_person(&person(1), code, entry);
        bench.registry.transaction::<_, RegistryError>(add).unwrap();
        bench.codes.put(code, entry);
        let scan = Scanned::Text(text.to_owned());
        assert_eq!(bench.scanned(&scan), (Advice::CheckDocument, Reason::DocumentClass));
        if by_a_guardian {
            let guardian = bench.submit(&form_at(2, 1, now()), now()).unwrap().code;
            let me = proven(1, now());
            bench.registrar().confirm_ward(guardian, &me, &person(1).document, now()).unwrap();
        } else {
            bench.registrar().confirm_document(&proven(1, now()), &person(1).document, now()).unwrap();
        }
        assert_eq!(bench.scanned(&scan), (Advice::NotAPassCode, Reason::NotACode));
        assert!(bench.codes.get(code).is_some_and(|entry| entry.colour() == Colour::Green));
    }
}

#[test]
fn a_query_that_crosses_midnight_is_judged_with_the_window_that_was_asked_for() {
    let mut bench = Bench::new();
    let (phone, late_s) = (number(1), start_of(day("2020-02-24")) + DAY_S - 2);
    let mut registrar = bench.registrar();
    let consent =
        registrar.consent(&ProvenPhone::for_tests(&phone, late_s), agreed(Flow::Apply), late_s).unwrap();
    let permit = registrar.start_query(consent, &phone, late_s).unwrap();
    let covered = permit.days();
    let stay = |on: &str| {
        let (area, from_s) = (Area::City(Division::parse("4201").unwrap()), at(on));
        let visits = vec![Visit { area, from_s, until_s: from_s + 5 * 3600 }];
        CarrierAnswer::Trajectory(Trajectory { covered, visits })
    };
    // The first day of the window that was asked for is not one of the next day's.
    let outcome = registrar.finish_query(&permit, &stay("2020-02-10"), &[], late_s + 5).unwrap();
    assert!(matches!(outcome, QueryOutcome::Stay(_)), "{outcome:?}");
    let clean = CarrierAnswer::Trajectory(Trajectory { covered, visits: Vec::new() });
    let consent =
        registrar.consent(&ProvenPhone::for_tests(&number(2), late_s), agreed(Flow::Apply), late_s).unwrap();
    let permit = registrar.start_query(consent, &number(2), late_s).unwrap();
    assert_eq!(registrar.finish_query(&permit, &clean, &[], late_s + 5).unwrap(), QueryOutcome::Clean);
}
