//! A clock that is set back by less than an hour, which is believed: what was done before stays done.

use registry::Attempt;

use super::*;

const BACK_S: u64 = 50 * 60;

#[test]
fn a_cause_that_is_set_is_in_force_and_one_that_is_cleared_is_not_when_the_clock_is_set_back() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(false), None), now()).unwrap().code;
    let (cdc, until) = (by("cdc"), day("2020-03-01"));
    let red = bench.registrar().add_cause(code, CauseKind::CloseContact, &cdc, until, now()).unwrap();
    assert_eq!(bench.shown(code), RED);

    // Another job, a turn of the clock and a restart, all at times before the cause was set.
    let before = now() - BACK_S;
    let other = bench.registrar().add_cause(code, CauseKind::Quarantine, &cdc, until, before).unwrap();
    assert_eq!(bench.shown(code), RED);
    bench.registrar().clear_cause(other, &cdc, before + 1).unwrap();
    assert_eq!(bench.shown(code), RED, "the other one stays");
    let restarted = bench.restarted(before + 2);
    assert_eq!(restarted.get(code).unwrap().colour(), Colour::Red);

    bench.codes = restarted;
    bench.registrar().clear_cause(red, &cdc, now() + 60).unwrap();
    assert_eq!(bench.shown(code), GREEN_DECLARED);
    bench.submit(&form(1, Some(false), None), now() + 60 - BACK_S).unwrap();
    assert_eq!(bench.shown(code), GREEN_DECLARED, "it does not come back for an hour");
    assert_eq!(bench.restarted(now() + 61 - BACK_S).get(code).unwrap().colour(), Colour::Green);
}

#[test]
fn consents_are_proven_though_the_clock_was_set_back_between_them_and_their_use() {
    let mut bench = Bench::new();
    let phone = person(1).phone;
    let proven = ProvenPhone::for_tests(&phone, now());
    let consent = bench.registrar().consent(&proven, agreed(Flow::Apply), now()).unwrap();
    let permit = bench.registrar().start_query(consent, &phone, now() - BACK_S).unwrap();
    let attempt = Attempt { carrier: "china-mobile".to_owned(), outcome: "answered", took_ms: 5 };
    bench.registrar().finish_query(&permit, &clean(), &[attempt], now() - BACK_S - 60).unwrap();
    let report = bench.registry.verify_consents().unwrap();
    assert_eq!((report.used, report.answered), (1, 1));
}
