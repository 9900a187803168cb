//! Taking back what was declared: the form does exactly what the pages offer; and the end of a colour.

use policy::Correction;

use super::signin::{form_at, number, proven};
use super::*;

const HOUR_S: u64 = 3600;
const WAIT_S: u64 = 24 * HOUR_S;

impl Bench {
    /// Returns the correction that a policy offers to the holder of the code.
    fn offered(&mut self, code: CodeId, consent: Option<ConsentId>, now_s: u64) -> Option<Correction> {
        let registrar = self.registrar();
        let phone = registrar.registry.person(code).unwrap().unwrap().phone;
        let (outcome, whose) = registrar.form_of(code, (consent, &phone), now_s).unwrap();
        let why = registrar.why(code).unwrap().unwrap();
        registrar.policy().unwrap().correction_of(&why.in_force(now_s), outcome.field(whose), now_s)
    }

    /// Returns the ends of the declared causes in force.
    fn declared(&self, code: CodeId, now_s: u64) -> Vec<u64> {
        let rows = self.registry.causes(code).unwrap().into_iter();
        let mine = rows.filter(|row| row.is_in_force(now_s) && row.cause.kind.basis() == Basis::Declared);
        mine.map(|row| row.cause.until_s).collect()
    }

    /// Sends a modification that says no, checks that it comes to what was offered before, and returns the offer.
    fn says_no(&mut self, n: u32, phone: u32, consent: Option<ConsentId>, now_s: u64) -> Option<Correction> {
        let code = self.registry.code_of_document(&person(n).document).unwrap().unwrap();
        let (offered, before) = (self.offered(code, consent, now_s), self.declared(code, now_s));
        let taken = self.submit(&Form { consent, ..form_at(n, phone, now_s) }, now_s);
        let after = self.declared(code, now_s);
        match offered {
            Some(Correction::Locked) => {
                assert!(matches!(taken, Err(RegistrarError::Form(_))), "{taken:?}");
                return offered;
            }
            Some(Correction::Ends) => assert!(after.len() < before.len(), "{before:?} {after:?}"),
            Some(Correction::EndsLater { until_s }) => {
                assert!(after.contains(&until_s) && !before.contains(&until_s), "{before:?} {after:?}");
            }
            Some(Correction::EndsSooner | Correction::Waits | Correction::Appeal) => {
                assert_eq!(after, before)
            }
            None => assert!(after.is_empty()),
        }
        taken.expect("a No is taken");
        offered
    }
}

impl Bench {
    /// Returns the time until which the query's outcome outlasts the holder's declaration.
    fn outlasting(&mut self, code: CodeId, now_s: u64) -> Option<u64> {
        let registrar = self.registrar();
        let phone = registrar.registry.person(code).unwrap().unwrap().phone;
        let (outcome, whose) = registrar.form_of(code, (None, &phone), now_s).unwrap();
        let why = registrar.why(code).unwrap().unwrap();
        registrar.policy().unwrap().outlasting(&why.in_force(now_s), outcome.field(whose), now_s)
    }
}

fn later(now_s: u64) -> Option<Correction> {
    Some(Correction::EndsLater { until_s: now_s + WAIT_S })
}

#[test]
fn a_declared_yes_is_taken_back_and_so_is_one_that_is_said_again_afterwards() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    assert_eq!(bench.says_no(1, 1, None, now()), later(now()));
    assert_eq!(bench.says_no(1, 1, None, now() + HOUR_S), Some(Correction::Waits));
    let again_s = now() + 2 * HOUR_S;
    bench.submit(&Form { declared: Some(true), ..form_at(1, 1, again_s) }, again_s).unwrap();
    assert_eq!(
        bench.says_no(1, 1, None, again_s + HOUR_S),
        later(again_s + HOUR_S),
        "the second Yes has its own way back"
    );
    let turn = bench.registrar().why(code).unwrap().unwrap().next_colour_change(again_s + HOUR_S).unwrap();
    assert_eq!(
        (turn.at_s, turn.to),
        (again_s + HOUR_S + WAIT_S, Colour::Green),
        "and the colour ends with it, not before"
    );
}

#[test]
fn a_no_ends_what_was_declared_and_nobody_is_told_that_the_colour_ends_with_it() {
    // The last day of a quarantine that the CDC set, and what the code is when the declaration has ended.
    for (last, outlasts, then) in [("2020-03-16", true, Colour::Yellow), ("2020-02-24", false, Colour::Green)]
    {
        let mut bench = Bench::new();
        let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
        assert_eq!(bench.outlasting(code, now()), None, "nothing is beside it");
        let by = by("cdc");
        bench.registrar().add_cause(code, CauseKind::Quarantine, &by, day(last), now()).unwrap();
        let until_s = bench.registry.causes(code).unwrap().pop().unwrap().cause.until_s;
        let expected = outlasts.then_some(until_s);
        // Without the No the declaration is what lasts longest: it is of what the No leaves that is told.
        assert_eq!(bench.outlasting(code, now()), expected, "{last}");
        assert_eq!(bench.says_no(1, 1, None, now()), later(now()), "{last}");
        assert_eq!(bench.outlasting(code, now() + HOUR_S), expected, "{last}");
        let codes = bench.restarted(now() + WAIT_S);
        assert_eq!(codes.get(code).unwrap().colour(), then, "{last}");
    }
    let mut bench = Bench::new();
    let code = bench.applied(1, now());
    let by = by("cdc");
    bench.registrar().add_cause(code, CauseKind::Quarantine, &by, day("2020-03-16"), now()).unwrap();
    assert_eq!(bench.outlasting(code, now()), None, "nothing was declared");
}

#[test]
fn a_stay_that_locks_the_form_leaves_no_no_to_offer() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    bench.asked(Flow::Modify, &person(1).phone, &hubei("2020-02-20"), now());
    assert_eq!(bench.says_no(1, 1, None, now()), Some(Correction::Locked), "found, and no form sent since");
    let (me, new) = (proven(1, now()), proven(9, now()));
    bench.registrar().change_phone(code, &me, &new, now()).unwrap();
    assert_eq!(bench.says_no(1, 9, None, now()), Some(Correction::Locked), "another phone does not open it");
}

#[test]
fn a_clean_answer_ends_what_was_declared_at_once() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let consent = bench.asked(Flow::Modify, &person(1).phone, &clean(), now());
    assert_eq!(bench.says_no(1, 1, Some(consent), now()), Some(Correction::Ends));
    assert_eq!(bench.shown(code), GREEN);
}

#[test]
fn a_declared_red_that_came_with_an_import_is_taken_back_by_its_holder() {
    let mut bench = Bench::new();
    let code = bench.imported_as(1, 1, RED_DECLARED);
    bench.registrar().confirm_document(&proven(1, now()), &person(1).document, now()).unwrap();
    assert_eq!(bench.says_no(1, 1, None, now()), later(now()), "before any form was sent here");
    assert_eq!(bench.shown(code), RED_DECLARED, "not at once");
    let codes = bench.restarted(now() + WAIT_S);
    assert_eq!(codes.get(code).unwrap().colour(), Colour::Green);

    let verified = bench.imported_as(2, 2, RED);
    bench.registrar().confirm_document(&proven(2, now()), &person(2).document, now()).unwrap();
    assert_eq!(bench.says_no(2, 2, None, now()), None, "nobody declared that one");
    assert_eq!(bench.shown(verified), RED);
}

#[test]
fn a_guardians_word_that_a_ward_was_along_is_left_to_an_appeal() {
    let mut bench = Bench::new();
    let guardian = Some(bench.applied(1, now()));
    let agreed = ConsentTerms { beneficiary: Beneficiary::Ward(None), ..agreed(Flow::Apply) };
    let mut registrar = bench.registrar();
    let consent = registrar.consent(&proven(1, now()), agreed, now()).unwrap();
    let permit = registrar.start_query(consent, &number(1), now()).unwrap();
    registrar.finish_query(&permit, &hubei("2020-02-20"), &[], now()).unwrap();
    let along =
        Form { guardian, consent: Some(consent), along: true, declared: None, ..form_at(2, 1, now()) };
    let ward = bench.submit(&along, now()).unwrap().code;
    assert_eq!(bench.shown(ward), RED_DECLARED);
    assert_eq!(bench.says_no(2, 1, None, now()), Some(Correction::Appeal));
}

#[test]
fn a_yes_that_ends_before_the_wait_is_left_alone() {
    let mut bench = Bench::new();
    bench.submit(&form(1, Some(true), None), now()).unwrap();
    let late_s = start_of(day("2020-03-10")) - 2 * HOUR_S;
    assert_eq!(bench.says_no(1, 1, None, late_s), Some(Correction::EndsSooner));
}
