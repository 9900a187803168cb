//! What another version makes of each kind of cause, row by row.

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

/// A cause from 2020-02-24, nine o'clock, through the day `through`.
fn cause(kind: CauseKind, colour: Colour, through: &str) -> Cause {
    Cause { kind, colour, from_s: at("2020-02-24"), until_s: start_of(days_after(day(through), 1)) }
}

#[test]
fn every_kind_of_cause_follows_another_version() {
    use CauseKind::{
        CloseContact, Declaration, Diagnosis, Inherited, InheritedDeclared, Quarantine, Trajectory,
    };
    use Colour::{Red, Yellow};
    let stay = |area: &str| Stay { area: area.to_owned(), last_day: day("2020-02-20") };
    let found = (Trajectory, Red, "2020-03-05", Some(stay("hubei")));
    let abroad = (Trajectory, Red, "2020-03-05", Some(stay("abroad")));
    let declared = (Declaration, Red, "2020-03-09", None);
    let both =
        "[cause.trajectory]\ncolour = \"red\"\ndays = 14\n\n[cause.declaration]\ncolour = \"red\"\ndays = 14";
    let rules = |colour: &str, days: u16| {
        let row = format!("colour = \"{colour}\"\ndays = {days}");
        changed(both, &format!("[cause.trajectory]\n{row}\n\n[cause.declaration]\n{row}"))
    };
    let until = |through| Some((Red, through));
    for (name, policy, (kind, colour, through, evidence), expected) in [
        ("the same", Policy::development(), found.clone(), until("2020-03-05")),
        ("the same, declared", Policy::development(), declared.clone(), until("2020-03-09")),
        ("longer", rules("red", 21), found.clone(), until("2020-03-12")),
        ("shorter", rules("red", 10), found.clone(), until("2020-03-01")),
        ("so short that it is over", rules("red", 9), found.clone(), None),
        ("yellow", rules("yellow", 14), found.clone(), Some((Yellow, "2020-03-05"))),
        ("declared, longer, from its own day", rules("red", 21), declared.clone(), until("2020-03-16")),
        ("declared, over", rules("red", 5), declared.clone(), None),
        (
            "the area ended before",
            changed("from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-19"),
            found.clone(),
            None,
        ),
        (
            "the area ended on its last day",
            changed("from = 2020-01-01", "from = 2020-01-01\nuntil = 2020-02-20"),
            found.clone(),
            until("2020-03-05"),
        ),
        ("the area begins later", changed("from = 2020-01-01", "from = 2020-02-21"), found.clone(), None),
        ("the area has another name", changed("\"hubei\"", "\"wuhan\""), found.clone(), None),
        ("another area is gone", changed("\"hubei\"", "\"wuhan\""), abroad, until("2020-03-05")),
        (
            "without evidence: its end stays",
            rules("yellow", 21),
            (Trajectory, Red, "2020-03-05", None),
            Some((Yellow, "2020-03-05")),
        ),
        (
            "an authority's cause keeps its end",
            changed("colour = \"yellow\"\ndays = 21", "colour = \"red\"\ndays = 1"),
            (Quarantine, Yellow, "2020-03-10", None),
            until("2020-03-10"),
        ),
        (
            "a contact's, milder",
            changed("[cause.close-contact]\ncolour = \"red\"", "[cause.close-contact]\ncolour = \"yellow\""),
            (CloseContact, Red, "2020-03-10", None),
            Some((Yellow, "2020-03-10")),
        ),
        (
            "another kind's rule",
            rules("yellow", 1),
            (Diagnosis, Red, "2020-03-10", None),
            until("2020-03-10"),
        ),
        ("inherited", rules("yellow", 1), (Inherited, Red, "2020-03-10", None), until("2020-03-10")),
        (
            "inherited, declared",
            rules("yellow", 1),
            (InheritedDeclared, Red, "2020-03-10", None),
            until("2020-03-10"),
        ),
    ] {
        let old = cause(kind, colour, through);
        let revised = policy.revise(old, evidence.as_ref(), at(NOW));
        let expected = expected.map(|(colour, through)| cause(kind, colour, through));
        assert_eq!(revised, expected, "{name}");
        let again = revised.and_then(|cause| policy.revise(cause, evidence.as_ref(), at(NOW)));
        assert_eq!(again, revised, "{name}, a second time");
    }
}

#[test]
fn two_operators_for_many_codes_for_anybody_who_turns_red_and_for_what_staff_are_told() {
    let old = Policy::development();
    let told = changed("yellow = \"ask-staff\"", "yellow = \"check-document\"");
    let longer = changed("days = 60", "days = 90");
    let (green, red) = (usize::from(Colour::Green.number()) - 1, usize::from(Colour::Red.number()) - 1);
    let diff = |moved, to_green, to_red| {
        let mut diff = PolicyDiff { codes: 1_000, moved, ..PolicyDiff::default() };
        diff.recoloured[red][green] = to_green;
        diff.recoloured[green][red] = to_red;
        diff
    };
    for (name, new, diff, expected) in [
        ("nothing changes", &longer, diff(0, 0, 0), 1),
        ("as many as one may", &longer, diff(50, 50, 0), 1),
        ("one more", &longer, diff(50, 51, 0), 2),
        ("one more that only lasts longer", &longer, diff(101, 0, 0), 2),
        ("one turns red", &longer, diff(0, 0, 1), 2),
        ("staff are told something else", &told, diff(0, 0, 0), 2),
    ] {
        assert_eq!(new.operators_needed(&old, &diff), expected, "{name}");
    }
}
