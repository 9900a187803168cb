//! Appeals: who may make and answer them, and what a granted one does.

use super::*;
use crate::registrar::appeals::{APPEAL_DAYS, Verdict};

fn decision(bench: &Bench, code: CodeId) -> i64 {
    bench.registry.decisions(code).unwrap().last().unwrap().id
}

#[test]
fn an_appeal_goes_to_the_authority_of_its_cause_and_only_it_answers() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let other = bench.submit(&form(2, Some(false), None), now()).unwrap().code;
    let until = day("2020-03-10");
    bench.registrar().add_cause(code, CauseKind::Diagnosis, &by("hospital"), until, now()).unwrap();
    let id = decision(&bench, code);
    let mut registrar = bench.registrar();
    for (whose, id, text) in
        [(other, id, "me too"), (code, 99, "which"), (code, 1, "no cause"), (code, id, " ")]
    {
        let refused = registrar.appeal(whose, id, text, now());
        assert!(matches!(refused, Err(RegistrarError::Appeal(_))), "{text}: {refused:?}");
    }
    let appeal = registrar.appeal(code, id, "It was CANARY-WORDS, not me", now()).unwrap();
    let again = registrar.appeal(code, id, "again", now()).unwrap_err().to_string();
    assert!(again.contains("under appeal already"), "{again}");
    let grant = Verdict { granted: true, text: "You are right" };
    for authority in ["cdc", "citizen"] {
        let refused = registrar.answer_appeal(appeal, grant, &by(authority), now()).unwrap_err().to_string();
        assert!(refused.contains("only the authority"), "{refused}");
    }
    assert_eq!(bench.registry.open_appeals("cdc").unwrap(), []);
    assert_eq!(bench.registry.open_appeals("hospital").unwrap().len(), 1);
    assert_eq!(bench.shown(code).0, Colour::Red);
    bench.registrar().answer_appeal(appeal, grant, &by("hospital"), now() + 60).unwrap();
    assert_eq!(bench.shown(code), GREEN_DECLARED, "granting clears the cause");
    let rows = bench.registrar().appeals(code).unwrap();
    let answer = rows[0].answer.as_ref().unwrap();
    assert_eq!((answer.by.as_str(), answer.text.as_str()), ("li-na,wang-wei", "You are right"));
    assert_eq!(bench.registry.decisions(code).unwrap().last().unwrap().authority, "hospital");
    let twice = bench.registrar().answer_appeal(appeal, grant, &by("hospital"), now() + 60);
    assert!(twice.is_err(), "answered once");
    assert!(!format!("{rows:?}").contains("CANARY") && !format!("{rows:?}").contains("right"), "{rows:?}");
    for file in std::fs::read_dir(bench.directory.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(12).any(|window| window == b"CANARY-WORDS"), "{}", path.display());
    }
}

#[test]
fn granting_clears_one_cause_and_leaves_the_others() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let declared = decision(&bench, code);
    let until = day("2020-03-10");
    bench.registrar().add_cause(code, CauseKind::CloseContact, &by("hospital"), until, now()).unwrap();
    let appeal = bench.registrar().appeal(code, declared, "a slip", now()).unwrap();
    let grant = Verdict { granted: true, text: "Yes" };
    bench.registrar().answer_appeal(appeal, grant, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(code), RED, "the close contact is left");
}

#[test]
fn a_found_stay_that_an_appeal_refutes_does_not_lock_the_next_form() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let consent = bench.asked(Flow::Apply, &phone, &hubei("2020-02-20"), now());
    let code = bench.submit(&form(1, None, Some(consent)), now()).unwrap().code;
    let id = decision(&bench, code);
    let appeal = bench.registrar().appeal(code, id, "a mast across the border", now()).unwrap();
    let refuse = Verdict { granted: false, text: "The masts say otherwise" };
    bench.registrar().answer_appeal(appeal, refuse, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(code), RED, "a refused one changes nothing");
    let appeal = bench.registrar().appeal(code, id, "and here is my ticket", now()).unwrap();
    let grant = Verdict { granted: true, text: "Your ticket shows it" };
    bench.registrar().answer_appeal(appeal, grant, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(code).0, Colour::Green, "there is a way back");
    bench.submit(&form(1, Some(false), None), now() + 60).unwrap();
    assert_eq!(bench.shown(code), GREEN_DECLARED);
}

#[test]
fn granting_an_appeal_leaves_a_stay_that_it_does_not_refute() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let first = bench.asked(Flow::Apply, &phone, &hubei("2020-02-18"), now());
    let code = bench.submit(&form(1, None, Some(first)), now()).unwrap().code;
    let refuted = decision(&bench, code);
    let second = bench.asked(Flow::Modify, &phone, &hubei("2020-02-20"), now());
    bench.submit(&form(1, None, Some(second)), now()).unwrap();
    let other = decision(&bench, code);
    assert_ne!(refuted, other, "a stay of its own");
    let grant = Verdict { granted: true, text: "on that day you were here" };
    let appeal = bench.registrar().appeal(code, refuted, "not on the eighteenth", now()).unwrap();
    bench.registrar().answer_appeal(appeal, grant, &by("cdc"), now()).unwrap();
    assert_eq!(bench.shown(code), RED, "the later stay was not refuted");
    let refused = bench.submit(&form(1, Some(false), None), now() + 60);
    assert!(matches!(refused, Err(RegistrarError::Form(_))), "and it locks the form still: {refused:?}");
    let appeal = bench.registrar().appeal(code, other, "nor on the twentieth", now()).unwrap();
    bench.registrar().answer_appeal(appeal, grant, &by("cdc"), now()).unwrap();
    bench.submit(&form(1, Some(false), None), now() + 60).expect("now nothing locks it");
}

#[test]
fn an_appeal_that_nobody_answers_is_overdue() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let id = decision(&bench, code);
    bench.registrar().appeal(code, id, "please", now()).unwrap();
    let due_s = now() + APPEAL_DAYS * DAY_S;
    assert_eq!(bench.registry.appeals_open(due_s - 1).unwrap(), (1, 0));
    assert_eq!(bench.registry.appeals_open(due_s).unwrap(), (1, 1));
}

#[test]
fn a_burst_of_manual_reds_alarms() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let until = day("2020-03-10");
    for (kind, count) in [(CauseKind::Quarantine, 200), (CauseKind::CloseContact, MANUAL_REDS_HOUR_MAX)] {
        for number in 0..count {
            let one = by(&format!("cdc-{number}"));
            bench.registrar().add_cause(code, kind, &one, until, now()).unwrap();
        }
        assert!(!is_burst_of_reds(&bench.registry, now()).unwrap(), "{kind:?}");
    }
    bench.registrar().add_cause(code, CauseKind::Diagnosis, &by("cdc"), until, now()).unwrap();
    assert!(is_burst_of_reds(&bench.registry, now()).unwrap());
    assert!(!is_burst_of_reds(&bench.registry, now() + 3600).unwrap(), "an hour later it is over");
}
