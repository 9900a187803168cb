//! Tables of the policy's edge cases.

use std::path::Path;

use protocol::Basis;

use super::*;
use crate::trajectory::{CarrierAnswer, Trajectory, Unavailable, Visit, day_of, start_of};

const HOUR_S: u64 = 3600;

fn policy() -> Policy {
    Policy::development()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn wuhan() -> Area {
    Area::City(Division::parse("4201").unwrap())
}

fn visit(area: Area, from: &str, from_hour: u64, minutes: u64) -> Visit {
    let from_s = start_of(day(from)) + from_hour * HOUR_S;
    Visit { area, from_s, until_s: from_s + minutes * 60 }
}

/// Returns the outcome of one visit with the whole window of `today` covered.
fn outcome_of(policy: &Policy, visit: Visit, today: &str) -> QueryOutcome {
    let covered = policy.window(day(today));
    let trajectory = Trajectory { covered, visits: vec![visit] };
    policy.outcome(&CarrierAnswer::Trajectory(trajectory), day(today))
}

fn stay(area: &str, last_day: &str) -> QueryOutcome {
    QueryOutcome::Stay(Stay { area: area.to_owned(), last_day: day(last_day) })
}

#[test]
fn the_window_is_fourteen_days_that_end_yesterday() {
    for (today, first, last) in [
        ("2020-02-24", "2020-02-10", "2020-02-23"),
        ("2020-03-01", "2020-02-16", "2020-02-29"),
        ("2021-03-01", "2021-02-15", "2021-02-28"),
        ("2021-01-01", "2020-12-18", "2020-12-31"),
    ] {
        assert_eq!(policy().window(day(today)), Days { first: day(first), last: day(last) }, "{today}");
    }
}

#[test]
fn a_stay_counts_from_four_hours_on_days_of_the_window() {
    let abroad = |text| Area::Country(Country::parse(text).unwrap());
    let shanghai = Area::City(Division::parse("3101").unwrap());
    let clean = QueryOutcome::Clean;
    for (name, visit, expected) in [
        ("four hours exactly", visit(wuhan(), "2020-02-20", 8, 240), stay("hubei", "2020-02-20")),
        ("a border cell's minutes", visit(wuhan(), "2020-02-20", 8, 239), clean.clone()),
        ("over midnight", visit(wuhan(), "2020-02-20", 22, 240), stay("hubei", "2020-02-21")),
        ("to midnight and no further", visit(wuhan(), "2020-02-20", 20, 240), stay("hubei", "2020-02-20")),
        ("the window's first day", visit(wuhan(), "2020-02-10", 0, 300), stay("hubei", "2020-02-10")),
        ("the day before it", visit(wuhan(), "2020-02-09", 0, 300), clean.clone()),
        ("into the first day", visit(wuhan(), "2020-02-09", 20, 300), stay("hubei", "2020-02-10")),
        ("yesterday", visit(wuhan(), "2020-02-23", 8, 300), stay("hubei", "2020-02-23")),
        ("today does not count yet", visit(wuhan(), "2020-02-24", 0, 300), clean.clone()),
        ("from yesterday into today", visit(wuhan(), "2020-02-23", 22, 300), stay("hubei", "2020-02-23")),
        ("a city elsewhere", visit(shanghai, "2020-02-20", 0, 6000), clean.clone()),
        ("abroad, however short", visit(abroad("IT"), "2020-02-20", 8, 1), stay("abroad", "2020-02-20")),
        ("a country that is not listed", visit(abroad("FR"), "2020-02-20", 8, 300), clean.clone()),
        ("Hong Kong is a row of its own", visit(abroad("HK"), "2020-02-20", 8, 300), clean),
    ] {
        assert_eq!(outcome_of(&policy(), visit, "2020-02-24"), expected, "{name}");
    }
}

#[test]
fn a_stay_that_a_carrier_cuts_into_pieces_is_one_stay() {
    let policy = policy();
    let answer = |pieces: &[(&str, u64, u64)]| {
        let visits = pieces.iter().map(|&(on, hour, minutes)| visit(wuhan(), on, hour, minutes)).collect();
        let trajectory = Trajectory { covered: policy.window(day("2020-02-24")), visits };
        policy.outcome(&CarrierAnswer::Trajectory(trajectory), day("2020-02-24"))
    };
    let cut_at_midnight = [("2020-02-20", 22, 120), ("2020-02-21", 0, 120)];
    assert_eq!(answer(&cut_at_midnight), stay("hubei", "2020-02-21"));
    let with_a_gap = [("2020-02-20", 20, 120), ("2020-02-21", 0, 120)];
    assert_eq!(answer(&with_a_gap), QueryOutcome::Clean, "two border cells' minutes are no stay");
}

#[test]
fn an_area_counts_on_the_days_on_which_it_is_in_effect() {
    let text = DEVELOPMENT.replace("from = 2020-01-01", "from = 2020-02-15\nuntil = 2020-02-18");
    let policy = Policy::parse(&text, Path::new("p")).unwrap();
    for (name, visit, expected) in [
        ("before it was added", visit(wuhan(), "2020-02-14", 0, 600), QueryOutcome::Clean),
        ("on its first day", visit(wuhan(), "2020-02-15", 0, 600), stay("hubei", "2020-02-15")),
        ("on its last day", visit(wuhan(), "2020-02-18", 0, 600), stay("hubei", "2020-02-18")),
        ("after it was removed", visit(wuhan(), "2020-02-19", 0, 600), QueryOutcome::Clean),
        ("all through it", visit(wuhan(), "2020-02-12", 0, 14_400), stay("hubei", "2020-02-18")),
    ] {
        assert_eq!(outcome_of(&policy, visit, "2020-02-24"), expected, "{name}");
    }
    assert_eq!(policy.areas_in_effect(day("2020-02-20")).collect::<Vec<_>>(), ["abroad"]);
}

#[test]
fn the_latest_stay_counts_whatever_the_order() {
    let policy = policy();
    let mut visits = vec![visit(wuhan(), "2020-02-12", 0, 600), visit(wuhan(), "2020-02-19", 0, 600)];
    for _ in 0..2 {
        visits.reverse();
        let covered = Days { first: day("2020-02-12"), last: day("2020-02-19") };
        let trajectory = CarrierAnswer::Trajectory(Trajectory { covered, visits: visits.clone() });
        let found = policy.outcome(&trajectory, day("2020-02-24"));
        assert_eq!(found, stay("hubei", "2020-02-19"), "a stay is a stay though days are missing");
    }
}

#[test]
fn a_gap_is_partial_and_never_clean() {
    for (first, last, expected) in [
        ("2020-02-10", "2020-02-23", QueryOutcome::Clean),
        ("2020-01-01", "2020-03-01", QueryOutcome::Clean),
        ("2020-02-11", "2020-02-23", covered("2020-02-11", "2020-02-23")),
        ("2020-02-10", "2020-02-22", covered("2020-02-10", "2020-02-22")),
        ("2020-02-20", "2020-03-23", covered("2020-02-20", "2020-02-23")),
        ("2020-01-01", "2020-01-10", QueryOutcome::Partial { covered: None }),
    ] {
        let covered = Days { first: day(first), last: day(last) };
        let answer = CarrierAnswer::Trajectory(Trajectory { covered, visits: Vec::new() });
        assert_eq!(policy().outcome(&answer, day("2020-02-24")), expected, "{first} to {last}");
    }
}

fn covered(first: &str, last: &str) -> QueryOutcome {
    QueryOutcome::Partial { covered: Some(Days { first: day(first), last: day(last) }) }
}

/// The table of outcomes: the field's state, and for yes, no and no declaration the kind of the cause, if any, and the basis of green.
#[test]
fn every_row_of_the_outcome_table() {
    use CauseKind::{Declaration, Trajectory as Found};
    type Row = Result<(Option<CauseKind>, Basis), SubmitError>;
    let red = |kind, basis| -> Row { Ok((Some(kind), basis)) };
    let green = |basis| -> Row { Ok((None, basis)) };
    let missing = || -> Row { Err(SubmitError::DeclarationMissing) };
    let declares = || [red(Declaration, Basis::Declared), green(Basis::Declared), missing()];
    let locked = [red(Found, Basis::Verified), Err(SubmitError::Locked), red(Found, Basis::Verified)];
    let clean = [red(Declaration, Basis::Declared), green(Basis::Verified), green(Basis::Verified)];
    let unavailable = |why| (QueryOutcome::Unavailable(why), StayField::Declare, true, declares());
    let now_s = start_of(day("2020-02-24")) + 9 * HOUR_S;
    for (outcome, field, link, expected) in [
        (stay("hubei", "2020-02-20"), StayField::LockedYes, false, locked),
        (QueryOutcome::Clean, StayField::No, false, clean),
        (QueryOutcome::Partial { covered: None }, StayField::Declare, true, declares()),
        (covered("2020-02-11", "2020-02-23"), StayField::Declare, true, declares()),
        (QueryOutcome::NewNumber, StayField::Declare, true, declares()),
        (QueryOutcome::Unanswerable, StayField::Declare, true, declares()),
        unavailable(Unavailable::TimedOut),
        unavailable(Unavailable::Unreachable),
        unavailable(Unavailable::Refused),
        unavailable(Unavailable::Garbage),
        unavailable(Unavailable::Busy),
        unavailable(Unavailable::Paused),
        (QueryOutcome::NotAsked, StayField::Declare, false, declares()),
    ] {
        assert_eq!(
            (outcome.field(Applicant::Owner), outcome.offers_travel_page()),
            (field, link),
            "{outcome:?}"
        );
        for (declared, expected) in [Some(true), Some(false), None].into_iter().zip(expected) {
            let submitted = policy().submit(&outcome, (Applicant::Owner, declared), now_s);
            let row = submitted.map(|done| (done.cause.map(|cause| cause.kind), done.rest_basis));
            assert_eq!(row, expected, "{outcome:?} declared {declared:?}");
        }
    }
}

#[test]
fn of_a_ward_the_guardian_says_it_and_it_is_never_verified() {
    let now_s = start_of(day("2020-02-24")) + 9 * HOUR_S;
    let outcomes =
        [stay("hubei", "2020-02-20"), QueryOutcome::Clean, QueryOutcome::NotAsked, QueryOutcome::NewNumber];
    for outcome in outcomes {
        for along in [true, false] {
            let (whose, is_stay) = (Applicant::Ward { along }, matches!(outcome, QueryOutcome::Stay(_)));
            let field = if is_stay && along { StayField::LockedYes } else { StayField::Declare };
            assert_eq!(outcome.field(whose), field, "{outcome:?} along {along}");
            for declared in [Some(true), Some(false), None] {
                let submitted = policy().submit(&outcome, (whose, declared), now_s);
                let Ok(Submitted { cause, rest_basis }) = submitted else { continue };
                assert_eq!(rest_basis, Basis::Declared, "{outcome:?} {declared:?}");
                assert!(cause.is_none_or(|cause| cause.kind.basis() == Basis::Declared));
            }
        }
    }
}

#[test]
fn what_a_form_gives_is_told_before_it_is_sent() {
    let (policy, now_s) = (policy(), start_of(day("2020-02-24")) + 9 * HOUR_S);
    let QueryOutcome::Stay(found) = stay("hubei", "2020-02-20") else { panic!("a stay") };
    for (found, outcome) in [(Some(&found), stay("hubei", "2020-02-20")), (None, QueryOutcome::NotAsked)] {
        let cause = policy.submit(&outcome, (Applicant::Owner, Some(true)), now_s).unwrap().cause.unwrap();
        let (colour, last) = policy.foreseen(found, day("2020-02-24")).unwrap();
        assert_eq!((colour, start_of(days_after(last, 1))), (cause.colour, cause.until_s), "{outcome:?}");
    }
}

#[test]
fn no_answer_is_never_a_no() {
    let today = day("2020-02-24");
    for why in [Unavailable::TimedOut, Unavailable::Garbage, Unavailable::Busy, Unavailable::Refused] {
        assert_eq!(
            policy().outcome(&CarrierAnswer::Unavailable(why), today).field(Applicant::Owner),
            StayField::Declare
        );
    }
    for answer in [CarrierAnswer::NewNumber, CarrierAnswer::NotSubscriber, CarrierAnswer::Unanswerable] {
        assert_eq!(
            policy().outcome(&answer, today).field(Applicant::Owner),
            StayField::Declare,
            "{answer:?}"
        );
    }
}

#[test]
fn a_cause_ends_by_the_clock_at_midnight_in_china() {
    let now_s = start_of(day("2020-02-24")) + 9 * HOUR_S;
    let until = |outcome: &QueryOutcome, declared| {
        day_of(
            policy().submit(outcome, (Applicant::Owner, declared), now_s).unwrap().cause.unwrap().until_s - 1,
        )
        .to_string()
    };
    assert_eq!(until(&stay("hubei", "2020-02-20"), None), "2020-03-05", "over a leap day");
    assert_eq!(until(&QueryOutcome::NotAsked, Some(true)), "2020-03-09");
    // On its last day the window still shows the stay, and on the next it does not.
    let visit = visit(wuhan(), "2020-02-20", 0, 600);
    assert_eq!(outcome_of(&policy(), visit, "2020-03-05"), stay("hubei", "2020-02-20"));
    assert_eq!(outcome_of(&policy(), visit, "2020-03-06"), QueryOutcome::Clean);
}

#[test]
fn a_colour_is_the_worst_of_the_causes_in_force() {
    let cause = |kind, colour, from_s, until_s| Cause { kind, colour, from_s, until_s };
    let stay = cause(CauseKind::Trajectory, Colour::Red, 100, 200);
    let said = cause(CauseKind::Declaration, Colour::Red, 100, 300);
    let apart = cause(CauseKind::Quarantine, Colour::Yellow, 150, 400);
    let green = (Colour::Green, Basis::Declared);
    let (found, declared) = ((Colour::Red, Basis::Verified), (Colour::Red, Basis::Declared));
    let yellow = (Colour::Yellow, Basis::Verified);
    for (name, causes, now_s, expected, next) in [
        ("none", vec![], 150, green, None),
        ("not yet", vec![stay], 99, green, Some(100)),
        ("its first second", vec![stay], 100, found, Some(200)),
        ("its last second", vec![stay], 199, found, Some(200)),
        ("its end", vec![stay], 200, green, None),
        ("the other was cleared", vec![said], 150, declared, Some(300)),
        ("both, then what is left", vec![stay, said, apart], 150, found, Some(200)),
        ("declared is left", vec![said, stay, apart], 200, declared, Some(300)),
        ("yellow is left", vec![stay, apart, said], 300, yellow, Some(400)),
        ("nothing is left", vec![stay, apart, said], 400, green, None),
        ("long after, as after a downtime", vec![stay, apart, said], 90_000, green, None),
        (
            "a worse one is to come",
            vec![cause(CauseKind::Diagnosis, Colour::Red, 200, 300), apart],
            160,
            yellow,
            Some(200),
        ),
        (
            "one without a duration",
            vec![cause(CauseKind::Diagnosis, Colour::Red, 200, 200)],
            100,
            green,
            None,
        ),
    ] {
        let found = standing(&causes, Basis::Declared, now_s);
        assert_eq!(((found.colour, found.basis), found.next_change_s), (expected, next), "{name}");
    }
}

#[test]
fn staff_see_a_documents_end_when_the_policy_says_so() {
    let said = |document: &str| {
        let text = DEVELOPMENT.replace("document = \"when-asked\"", document);
        let shown = Policy::parse(&text, Path::new("policy.toml")).unwrap().document_shown();
        [Advice::Pass, Advice::CheckDocument, Advice::Stop].map(|advice| shown.goes_with(advice))
    };
    assert_eq!(said("document = \"never\""), [false; 3]);
    assert_eq!(said("document = \"when-asked\""), [false, true, true]);
    assert_eq!(said("document = \"always\""), [true; 3]);
    assert_eq!(said(""), [false, true, true], "a policy of an earlier release");
}

#[test]
fn what_no_policy_may_say_is_refused_with_its_line() {
    for (from, to, expected) in [
        ("lag_days = 1 ", "lag_days = 0 ", "policy.toml:8: 0 days of lag are not 1 to 7"),
        ("days = 14    ", "days = 0     ", "policy.toml:7: 0 days of the window are not 1 to 90"),
        ("stay_hours_min = 4", "stay_hours_min = 25", "policy.toml:9: 25 hours"),
        ("stay_hours_min", "stay_hours", "policy.toml:9: unknown field `stay_hours`"),
        ("[\"42\"]", "[\"420\"]", "policy.toml:15: \"420\" is not the first two or four digits"),
        ("\"IR\"", "\"ir\"", "policy.toml:20: \"ir\" is not two capitals"),
        ("\"IR\"", "\"CN\"", "policy.toml:20: \"CN\" is not"),
        ("divisions = [\"42\"]\n", "", "area \"hubei\": it has neither divisions nor countries"),
        ("from = 2020-01-01", "from = 2020-01-01\nuntil = 2019-01-01", "it ends before it begins"),
        ("from = 2020-01-01", "from = 2020-01-01T00:00:00", "`from` is no day"),
        (
            "[cause.declaration]\ncolour = \"red\"",
            "[cause.declaration]\ncolour = \"yellow\"",
            "consent would not be free",
        ),
        ("colour = \"yellow\"", "colour = \"green\"", "a cause gives red or yellow, not \"green\""),
        ("colour = \"yellow\"", "colour = \"unknown\"", "a cause gives red or yellow"),
        ("days = 60", "days = 0", "every cause ends"),
        ("[cause.quarantine]", "[cause.isolation]", "unknown cause \"isolation\"; known are trajectory"),
        ("[cause.diagnosis]\ncolour = \"red\"\ndays = 60\n", "", "[cause.diagnosis] is missing"),
        ("\"when-asked\"", "\"sometimes\"", "never, when-asked, always, not \"sometimes\""),
        ("version = \"2020-02-24\"", "version = \"\"", "policy.toml:4: a version has"),
    ] {
        assert!(DEVELOPMENT.contains(from), "{from}");
        let text = DEVELOPMENT.replacen(from, to, 1);
        let error = Policy::parse(&text, Path::new("policy.toml")).expect_err(to).to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn advice_that_no_policy_may_give_is_refused_with_its_line() {
    let file_lines = DEVELOPMENT.lines().count();
    let row = |text: &str| format!("{DEVELOPMENT}[[advice.exception]]\n{text}\n");
    let (line, at) = (file_lines + 1, |line: usize, what: &str| format!("policy.toml:{line}: {what}"));
    for (text, expected) in [
        (
            DEVELOPMENT.replace("red = \"stop\"", "red = \"pass\""),
            "red is advised check-document, ask-staff, stop".into(),
        ),
        (
            DEVELOPMENT.replace("green = \"pass\"", "green = \"stop\""),
            "green is advised pass, check-document".into(),
        ),
        (DEVELOPMENT.replace("unknown = \"ask-staff\"", "unknown = \"pass\""), "unknown is advised".into()),
        (DEVELOPMENT.replace("unknown = \"ask-staff\"", "unknown = \"stop\""), "unknown is advised".into()),
        (DEVELOPMENT.replace("unknown = \"ask-staff\"\n", ""), "missing field `unknown`".into()),
        (row("colour = \"red\"\nadvice = \"not-a-pass-code\""), at(line + 2, "red is advised")),
        (row("colour = \"red\"\nadvice = \"pass\""), at(line + 2, "red is advised")),
        (row("colour = \"unknown\"\nadvice = \"pass\""), at(line + 2, "unknown is advised")),
        (row("colour = \"blue\"\nadvice = \"pass\""), at(line + 1, "\"blue\" is no colour; there are green")),
        (
            row("colour = \"yellow\"\nbasis = \"nothing\"\nadvice = \"stop\""),
            at(line + 2, "a basis is verified"),
        ),
        (
            row("places = [\"shed\"]\ncolour = \"yellow\"\nadvice = \"stop\""),
            at(line + 1, "\"shed\" is no kind"),
        ),
        (row("places = []\ncolour = \"yellow\"\nadvice = \"stop\""), at(line, "an empty list means nowhere")),
        (
            row("regions = []\ncolour = \"yellow\"\nadvice = \"stop\""),
            at(line, "an empty list means nowhere"),
        ),
        (row("kinds = []\ncolour = \"yellow\"\nadvice = \"stop\""), at(line + 1, "unknown field `kinds`")),
        (
            row("places = [\"school\"]\ncolour = \"green\"\nbasis = \"declared\"\nadvice = \"ask-staff\""),
            at(line, "green, declared, would get ask-staff where verified gets pass"),
        ),
        (
            row("regions = [3]\ncolour = \"yellow\"\nbasis = \"declared\"\nadvice = \"stop\""),
            at(line, "yellow, declared, would get stop"),
        ),
        (
            row("colour = \"red\"\nbasis = \"verified\"\nadvice = \"ask-staff\""),
            at(line, "red, declared, would get stop where verified gets ask-staff"),
        ),
    ] {
        let error = Policy::parse(&text, Path::new("policy.toml")).expect_err(&expected).to_string();
        assert!(error.contains(&expected), "{expected}: {error}");
    }
}
