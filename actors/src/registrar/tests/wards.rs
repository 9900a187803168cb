//! Wards on their guardian's number: the number's answer is about its phone and not about them; and a refuted stay ends on every code.

use super::signin::{form_at, proven};
use super::*;
use crate::registrar::appeals::Verdict;

const GRANT: Verdict<'static> = Verdict { granted: true, text: "a mast across the border" };

struct Family {
    bench: Bench,
    guardian: CodeId,
}

/// A guardian with an own code, and the form of their ward.
impl Family {
    fn new() -> Self {
        let mut bench = Bench::new();
        let guardian = bench.applied(1, now());
        Self { bench, guardian }
    }

    fn asked_for_ward(&mut self, answer: &CarrierAnswer) -> ConsentId {
        let phone = person(1).phone;
        let mut registrar = self.bench.registrar();
        let agreed = ConsentTerms { beneficiary: Beneficiary::Ward(None), ..agreed(Flow::Apply) };
        let consent = registrar.consent(&proven(1, now()), agreed, now()).unwrap();
        let permit = registrar.start_query(consent, &phone, now()).unwrap();
        registrar.finish_query(&permit, answer, &[], now()).unwrap();
        consent
    }

    fn send(
        &mut self,
        consent: Option<ConsentId>,
        along: bool,
        declared: Option<bool>,
    ) -> Result<Taken, RegistrarError> {
        let guardian = Some(self.guardian);
        self.bench.submit(&Form { guardian, consent, along, declared, ..form_at(2, 1, now()) }, now())
    }

    /// Turns the guardian red by a stay of the phone.
    fn redden_guardian(&mut self) {
        let consent = self.bench.asked(Flow::Modify, &person(1).phone, &hubei("2020-02-20"), now());
        let form = Form { declared: None, consent: Some(consent), ..form_at(1, 1, now()) };
        self.bench.submit(&form, now()).unwrap();
        assert_eq!(self.bench.shown(self.guardian), RED);
    }

    fn grant(&mut self, code: CodeId) {
        let decisions = self.bench.registry.decisions(code).unwrap();
        let decision = decisions.iter().rfind(|row| row.cause.is_some()).unwrap().id;
        let mut registrar = self.bench.registrar();
        let appeal = registrar.appeal(code, decision, "I was not there", now()).unwrap();
        registrar.answer_appeal(appeal, GRANT, &by("cdc"), now()).unwrap();
    }
}

#[test]
fn what_a_guardians_number_answers_is_a_wards_only_by_the_guardians_word_and_never_verified() {
    for (name, answer, along, declared, expected) in [
        ("a stay, along", hubei("2020-02-20"), true, None, Some(RED_DECLARED)),
        ("a stay, along, sent as No", hubei("2020-02-20"), true, Some(false), None),
        ("a stay, at home", hubei("2020-02-20"), false, Some(false), Some(GREEN_DECLARED)),
        ("a stay, at home, yet was elsewhere", hubei("2020-02-20"), false, Some(true), Some(RED_DECLARED)),
        ("a stay, nothing said", hubei("2020-02-20"), false, None, None),
        ("clean, No", clean(), false, Some(false), Some(GREEN_DECLARED)),
        ("clean, nothing said", clean(), false, None, None),
        ("clean, along with nothing", clean(), true, None, None),
    ] {
        let mut family = Family::new();
        let consent = family.asked_for_ward(&answer);
        match (family.send(Some(consent), along, declared), expected) {
            (Ok(taken), Some(expected)) => assert_eq!(family.bench.shown(taken.code), expected, "{name}"),
            (Err(RegistrarError::Form(_)), None) => assert_eq!(family.bench.registry.people().unwrap(), 1),
            (result, _) => panic!("{name}: {result:?}"),
        }
        assert_eq!(family.bench.shown(family.guardian), GREEN_DECLARED, "{name}: asked for the ward alone");
        let own =
            family.bench.registrar().outcome(None, (&person(1).phone, Beneficiary::Owner), now()).unwrap();
        assert_eq!(own, QueryOutcome::NotAsked, "{name}: nothing is kept of it for the phone's owner");
    }
}

#[test]
fn a_guardians_stay_does_not_lock_the_form_of_a_ward() {
    let mut family = Family::new();
    family.redden_guardian();
    let ward = family.send(None, false, Some(false)).unwrap().code;
    assert_eq!(family.bench.shown(ward), GREEN_DECLARED);
    let modified = family.bench.submit(&form_at(2, 1, now()), now()).unwrap().code;
    assert_eq!((modified, family.bench.shown(ward)), (ward, GREEN_DECLARED), "nor when it is modified");
    let me = proven(1, now());
    family.bench.registrar().withdraw_person(ward, &me, now()).unwrap();
    let again = family.send(None, false, Some(false)).unwrap().code;
    assert_eq!(family.bench.shown(again), GREEN_DECLARED, "nor when it comes back");
}

#[test]
fn a_consent_is_good_for_nobody_but_whom_it_was_given_for() {
    let mut family = Family::new();
    let owners = family.bench.asked(Flow::Apply, &person(1).phone, &clean(), now());
    let refused = family.send(Some(owners), false, Some(false));
    assert!(matches!(refused, Err(RegistrarError::Consent)), "{refused:?}");
    let wards = family.asked_for_ward(&clean());
    let form = Form { consent: Some(wards), ..form_at(1, 1, now()) };
    let refused = family.bench.submit(&form, now());
    assert!(matches!(refused, Err(RegistrarError::Consent)), "{refused:?}");
    let ward = family.send(Some(wards), false, Some(false)).unwrap().code;
    let rows = family.bench.registrar().consents_of(&proven(1, now()), now()).unwrap();
    let beneficiary: Vec<Beneficiary> = rows.iter().map(|row| row.beneficiary).collect();
    assert_eq!(beneficiary, [Beneficiary::Ward(Some(ward)), Beneficiary::Owner], "the record says for whom");
    let other = Form { guardian: Some(family.guardian), consent: Some(wards), ..form_at(3, 1, now()) };
    let refused = family.bench.submit(&other, now());
    assert!(matches!(refused, Err(RegistrarError::Consent)), "another ward: {refused:?}");
    let mistaken = Form { consent: Some(owners), ..form_at(2, 1, now()) };
    let refused = family.bench.submit(&mistaken, now());
    assert!(matches!(refused, Err(RegistrarError::Ward)), "on the owner's own form: {refused:?}");
}

#[test]
fn refuted_evidence_ends_every_cause_that_rests_on_it_whoevers_code_it_is() {
    let mut family = Family::new();
    family.redden_guardian();
    let consent = family.asked_for_ward(&hubei("2020-02-20"));
    let ward = family.send(Some(consent), true, None).unwrap().code;
    let until = day("2020-03-01");
    family.bench.registrar().add_cause(ward, CauseKind::Quarantine, &by("community"), until, now()).unwrap();
    assert_eq!(family.bench.shown(ward), RED_DECLARED);
    family.grant(family.guardian);
    assert_eq!(family.bench.shown(family.guardian).0, Colour::Green);
    assert_eq!(
        family.bench.shown(ward),
        (Colour::Yellow, Basis::Verified),
        "what rests on other things stays"
    );
    let decision = family.bench.registry.decisions(ward).unwrap().pop().unwrap();
    assert_eq!((decision.authority.as_str(), decision.to), ("cdc", Colour::Yellow), "on record");
    family.bench.submit(&form_at(1, 1, now()), now()).expect("and no form is locked by it");
}

#[test]
fn evidence_is_followed_to_who_left_the_phone_and_other_evidence_stays() {
    let mut family = Family::new();
    family.redden_guardian();
    let consent = family.asked_for_ward(&hubei("2020-02-20"));
    let ward = family.send(Some(consent), true, None).unwrap().code;
    let (me, new) = (proven(1, now()), proven(9, now()));
    family.bench.registrar().change_phone(ward, &me, &new, now()).unwrap();
    let stranger = person(7).phone;
    let consent = family.bench.asked(Flow::Apply, &stranger, &hubei("2020-02-20"), now());
    let form = Form { declared: None, consent: Some(consent), ..form_at(7, 7, now()) };
    let other = family.bench.submit(&form, now()).unwrap().code;
    family.grant(family.guardian);
    assert_eq!(family.bench.shown(ward).0, Colour::Green, "with a phone of its own by now");
    assert_eq!(family.bench.shown(other), RED, "the same days in the same place, another phone");
}

/// Two stays of one phone, each of which gave its owner a cause: the one that stands keeps the form locked, whichever is refuted first,
/// with the phone or with another one.
#[test]
fn a_stay_that_was_not_refuted_keeps_the_form_locked() {
    for (later_first, phone) in [(true, 1), (false, 1), (true, 9), (false, 9)] {
        let mut bench = Bench::new();
        let code = bench.applied(1, now());
        for on in ["2020-02-18", "2020-02-20"] {
            let consent = bench.asked(Flow::Modify, &person(1).phone, &hubei(on), now());
            let form = Form { declared: None, consent: Some(consent), ..form_at(1, 1, now()) };
            bench.submit(&form, now()).unwrap();
        }
        if phone != 1 {
            let (me, new) = (proven(1, now()), proven(phone, now()));
            bench.registrar().change_phone(code, &me, &new, now()).unwrap();
        }
        let decisions = bench.registry.decisions(code).unwrap().into_iter();
        let mut decisions: Vec<_> = decisions.filter(|row| row.cause.is_some()).map(|row| row.id).collect();
        assert_eq!(decisions.len(), 2);
        if later_first {
            decisions.reverse();
        }
        let mut grant = |decision| {
            let mut registrar = bench.registrar();
            let appeal = registrar.appeal(code, decision, "I was not there", now()).unwrap();
            registrar.answer_appeal(appeal, GRANT, &by("cdc"), now()).unwrap();
            let colour = bench.shown(code).0;
            (colour, bench.submit(&form_at(1, phone, now()), now()).map(|_| ()))
        };
        let (colour, taken) = grant(decisions[0]);
        let case = (later_first, phone);
        assert!(colour == Colour::Red && matches!(taken, Err(RegistrarError::Form(_))), "{case:?} {taken:?}");
        let (colour, taken) = grant(decisions[1]);
        assert!(colour == Colour::Green && taken.is_ok(), "nothing is left of either: {case:?} {taken:?}");
    }
}

#[test]
fn a_wards_appeal_ends_the_wards_cause_alone() {
    let mut family = Family::new();
    family.redden_guardian();
    let consent = family.asked_for_ward(&hubei("2020-02-20"));
    let ward = family.send(Some(consent), true, None).unwrap().code;
    family.grant(ward);
    assert_eq!(family.bench.shown(ward), GREEN_DECLARED, "it was not along");
    assert_eq!(family.bench.shown(family.guardian), RED, "that says nothing of the phone");
}

#[test]
fn a_declared_yes_ends_after_the_policys_wait_when_its_declarer_says_no() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let hours = |hours: u64| now() + hours * 3600;
    bench.submit(&form_at(1, 1, hours(1)), hours(1)).unwrap();
    assert_eq!(bench.shown(code), RED_DECLARED, "not at once");
    let said = bench.registry.decisions(code).unwrap().pop().unwrap();
    assert_eq!((said.from, said.to, said.authority.as_str()), (Colour::Red, Colour::Red, "citizen"));
    bench.submit(&form_at(1, 1, hours(20)), hours(20)).unwrap();
    assert_eq!(bench.restarted(hours(25) - 1).get(code).unwrap().colour(), Colour::Red);
    let codes = bench.restarted(hours(25));
    let entry = codes.get(code).unwrap();
    assert_eq!((entry.colour(), entry.basis()), GREEN_DECLARED, "and saying it again moves nothing");
}

#[test]
fn a_policy_without_a_wait_leaves_a_declared_yes_to_an_appeal() {
    let text = DEVELOPMENT.replace("[correction]\nwait_hours = 24\n", "");
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let policy = Arc::new(Policy::parse(&text, Path::new("policy.toml")).unwrap());
    assert_eq!(policy.correction_wait_hours(), None);
    let mut registrar = Registrar::new(&mut bench.registry, &bench.codes, policy);
    registrar.submit(&form(1, Some(false), None), now()).unwrap();
    assert_eq!(bench.registry.decisions(code).unwrap().len(), 1);
    assert_eq!(bench.restarted(now() + 13 * DAY_S).get(code).unwrap().colour(), Colour::Red);
}

#[test]
fn what_was_found_is_not_taken_back_by_saying_no() {
    let mut family = Family::new();
    let consent = family.asked_for_ward(&hubei("2020-02-20"));
    let ward = family.send(Some(consent), true, None).unwrap().code;
    family.bench.submit(&form_at(2, 1, now()), now()).unwrap();
    let until_s = family.bench.registry.causes(ward).unwrap()[0].cause.until_s;
    assert_eq!(until_s, start_of(day("2020-03-06")), "along stays along until it ends, or an appeal");
}
