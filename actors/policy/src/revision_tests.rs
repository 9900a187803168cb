//! The effect of another policy version on each kind of cause.

use std::path::Path;

use jiff::civil::Date;

use super::*;
use crate::trajectory::start_of;

const NOW: &str = "2020-03-01";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> u64 {
    start_of(day(text)) + 9 * 3600
}

fn changed(from: &str, to: &str) -> Policy {
    assert!(DEVELOPMENT.contains(from), "{from}");
    Policy::parse(&DEVELOPMENT.replacen(from, to, 1), Path::new("policy.toml")).unwrap()
}

/// Returns a cause from nine o'clock on 2020-02-24 through the day `through`.
fn cause(kind: CauseKind, colour: Colour, through: &str) -> Cause {
    Cause { kind, colour, from_s: at("2020-02-24"), until_s: start_of(days_after(day(through), 1)) }
}

/// A case: its name, the policy, the cause with its evidence, and the expected colour and last day.
type Row =
    (&'static str, Policy, (CauseKind, Colour, &'static str, Option<Stay>), Option<(Colour, &'static str)>);

fn check(rows: Vec<Row>) {
    for (name, policy, (kind, colour, through, evidence), expected) in rows {
        let old = cause(kind, colour, through);
        let revised = policy.revise(old, evidence.as_ref(), at(NOW));
        let expected = expected.map(|(colour, through)| cause(kind, colour, through));
        assert_eq!(revised, expected, "{name}");
        let again = revised.and_then(|cause| policy.revise(cause, evidence.as_ref(), at(NOW)));
        assert_eq!(again, revised, "{name}, a second time");
    }
}

fn stay(area: &str) -> Option<Stay> {
    Some(Stay { area: area.to_owned(), last_day: day("2020-02-20") })
}

fn until(through: &'static str) -> Option<(Colour, &'static str)> {
    Some((Colour::Red, through))
}

/// Returns a policy with this rule for stays and declarations, which must have the same.
fn rules(colour: &str, days: u16) -> Policy {
    let both = |row: &str| format!("[cause.trajectory]\n{row}\n\n[cause.declaration]\n{row}");
    changed(&both("colour = \"red\"\ndays = 14"), &both(&format!("colour = \"{colour}\"\ndays = {days}")))
}

#[test]
fn a_stay_and_a_declaration_follow_another_version() {
    use CauseKind::{Declaration, Trajectory};
    use Colour::{Red, Yellow};
    let found = || (Trajectory, Red, "2020-03-05", stay("hubei"));
    let abroad = (Trajectory, Red, "2020-03-05", stay("abroad"));
    let declared = || (Declaration, Red, "2020-03-09", None);
    let ended = |on: &str| changed("from = 2020-01-01", &format!("from = 2020-01-01\nuntil = {on}"));
    check(vec![
        ("the same", Policy::development(), found(), until("2020-03-05")),
        ("the same, declared", Policy::development(), declared(), until("2020-03-09")),
        ("longer", rules("red", 21), found(), until("2020-03-12")),
        ("shorter", rules("red", 10), found(), until("2020-03-01")),
        ("so short that it is over", rules("red", 9), found(), None),
        ("yellow", rules("yellow", 14), found(), Some((Yellow, "2020-03-05"))),
        ("declared, longer, from its own day", rules("red", 21), declared(), until("2020-03-16")),
        ("declared, over", rules("red", 5), declared(), None),
        ("the area ended before", ended("2020-02-19"), found(), None),
        ("the area ended on its last day", ended("2020-02-20"), found(), until("2020-03-05")),
        ("the area begins later", changed("from = 2020-01-01", "from = 2020-02-21"), found(), None),
        ("the area has another name", changed("\"hubei\"", "\"wuhan\""), found(), None),
        ("another area is gone", changed("\"hubei\"", "\"wuhan\""), abroad, until("2020-03-05")),
        (
            "without evidence: its end stays",
            rules("yellow", 21),
            (Trajectory, Red, "2020-03-05", None),
            Some((Yellow, "2020-03-05")),
        ),
    ]);
}

#[test]
fn what_an_authority_set_keeps_its_end_and_what_was_inherited_stays() {
    use CauseKind::{CloseContact, Diagnosis, Inherited, InheritedDeclared, Quarantine};
    use Colour::{Red, Yellow};
    let (end, through) = ("2020-03-10", until("2020-03-10"));
    let harder = changed("colour = \"yellow\"\ndays = 21", "colour = \"red\"\ndays = 1");
    let milder =
        changed("[cause.close-contact]\ncolour = \"red\"", "[cause.close-contact]\ncolour = \"yellow\"");
    check(vec![
        ("harder, and shorter for later ones", harder, (Quarantine, Yellow, end, None), through),
        ("milder", milder, (CloseContact, Red, end, None), Some((Yellow, end))),
        ("another kind's rule", rules("yellow", 1), (Diagnosis, Red, end, None), through),
        ("inherited", rules("yellow", 1), (Inherited, Red, end, None), through),
        ("inherited, declared", rules("yellow", 1), (InheritedDeclared, Red, end, None), through),
    ]);
}

#[test]
fn a_rule_for_the_future_takes_two_operators_though_it_changes_no_code_today() {
    let old = Policy::development();
    for (name, from, to, expected) in [
        ("another version", "version = \"", "version = \"x", 1),
        ("a cause lasts longer", "days = 60", "days = 90", 2),
        ("staff are told something else", "yellow = \"ask-staff\"", "yellow = \"check-document\"", 2),
        ("an area more", "countries = [\"IR\"", "countries = [\"FR\", \"IR\"", 2),
        ("an area from another day", "from = 2020-02-01", "from = 2020-03-01", 2),
        ("a longer window", "lag_days = 1", "lag_days = 2", 2),
        ("fewer hours", "stay_hours_min = 4", "stay_hours_min = 2", 2),
        ("another colour", "colour = \"yellow\"", "colour = \"red\"", 2),
    ] {
        assert_eq!(changed(from, to).operators_needed(&old), expected, "{name}");
    }
}
