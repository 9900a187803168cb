//! The simulated world as a pure function: same seed, same answers; each demo person's story gives its outcome; shares and
//! windows are as configured.

mod client;
mod served;

use std::time::Duration;

use jiff::civil::Date;
use policy::trajectory::{Area, CarrierAnswer, Days, days_after, start_of};
use policy::{Policy, QueryOutcome};
use registry::{DocumentKind, DocumentNumber};

use super::numbers::{Holder, MadeUpNumber};
use super::*;

const TODAY: Date = Date::constant(2020, 2, 24);

fn policy() -> Policy {
    Policy::development()
}

fn number(text: &str) -> MadeUpNumber {
    MadeUpNumber::parse(text).expect(text)
}

/// Asks as a gateway does: the carrier of the range, then the others.
fn ask_all(world: &World, text: &str, asked: Days, today: Date) -> (Option<SimulatedCarrier>, CarrierAnswer) {
    for carrier in SimulatedCarrier::ALL {
        let answer = world.answer(carrier, number(text), asked, today);
        if answer != CarrierAnswer::NotSubscriber {
            return (Some(carrier), answer);
        }
    }
    (None, CarrierAnswer::NotSubscriber)
}

fn expected_of(outcome: &QueryOutcome, answer: &CarrierAnswer) -> Expected {
    match outcome {
        QueryOutcome::Stay(_) => Expected::Stay,
        QueryOutcome::Clean => Expected::Clean,
        QueryOutcome::Partial { .. } => Expected::Partial,
        QueryOutcome::NewNumber => Expected::NewNumber,
        QueryOutcome::Unanswerable if *answer == CarrierAnswer::NotSubscriber => Expected::NotSubscriber,
        QueryOutcome::Unanswerable => Expected::Unanswerable,
        QueryOutcome::Unavailable(_) | QueryOutcome::NotAsked => {
            panic!("a simulated carrier always has an answer")
        }
    }
}

#[test]
fn every_demo_person_gives_what_it_says_on_any_day() {
    let (world, policy) = (World::new(2020), policy());
    for offset in [0, 1, 29, 366, 2400] {
        let today = days_after(TODAY, offset);
        for person in demo_people() {
            let (carrier, answer) = ask_all(&world, person.phone, policy.window(today), today);
            let outcome = policy.outcome(&answer, today);
            assert_eq!(expected_of(&outcome, &answer), person.expected, "{} on {today}", person.case);
            assert_eq!(carrier, person.carrier, "{} on {today}", person.case);
        }
    }
}

#[test]
fn demo_people_have_valid_documents_and_nobody_is_there_twice() {
    let mut seen = std::collections::HashSet::new();
    for person in demo_people() {
        let document =
            DocumentNumber::parse(DocumentKind::IdCard, person.document).expect("a constant number");
        assert_eq!(person.parsed_phone().reveal(), person.phone);
        assert_eq!(document.reveal(), person.document);
        assert!(seen.insert(person.phone) && seen.insert(person.document), "{}", person.case);
    }
    for expected in [
        Expected::Stay,
        Expected::Clean,
        Expected::Partial,
        Expected::NewNumber,
        Expected::Unanswerable,
        Expected::NotSubscriber,
    ] {
        assert!(demo_people().iter().any(|person| person.expected == expected), "{expected:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_answers_and_another_seed_others() {
    let asked = policy().window(TODAY);
    let all = |seed| {
        let world = World::new(seed);
        let one = |n: u32| ask_all(&world, &format!("163{n:08}"), asked, TODAY);
        (0..2_000).map(one).collect::<Vec<_>>()
    };
    assert!(all(7) == all(7));
    let differ = all(7).iter().zip(all(8)).filter(|(one, other)| *one != other).count();
    assert!(differ > 200, "{differ}");
}

#[test]
fn answers_hold_no_day_that_was_not_asked_for_and_visits_are_in_order() {
    let (world, policy) = (World::new(3), policy());
    let cities = include_str!("../../data/cities.csv");
    for days in [1, 3, 14, 30] {
        let asked = Days { first: days_after(TODAY, -days), last: days_after(TODAY, -1) };
        for n in 0..3_000 {
            let text = format!("164{:08}", n * 7_919);
            let (_, answer) = ask_all(&world, &text, asked, TODAY);
            let CarrierAnswer::Trajectory(trajectory) = answer else { continue };
            assert!(asked.covers(trajectory.covered), "{n}");
            let (mut at_s, end_s) =
                (start_of(trajectory.covered.first), start_of(days_after(trajectory.covered.last, 1)));
            for visit in &trajectory.visits {
                assert!(
                    at_s <= visit.from_s && visit.from_s < visit.until_s && visit.until_s <= end_s,
                    "{n}"
                );
                at_s = visit.until_s;
                if let Area::City(city) = visit.area {
                    assert!(city.is_city() && cities.contains(&format!("\n{city},")), "{city}");
                }
            }
        }
    }
    // Today is not covered yet: it counts with a day's delay.
    let asked = Days { first: days_after(TODAY, -13), last: TODAY };
    let (_, answer) = ask_all(&world, "16399990001", asked, TODAY);
    assert!(matches!(policy.outcome(&answer, days_after(TODAY, 1)), QueryOutcome::Partial { .. }));
}

#[test]
fn a_day_looks_the_same_in_whichever_window_it_is_asked_for() {
    let world = World::new(5);
    let window =
        |first: i32, last: i32| Days { first: days_after(TODAY, first), last: days_after(TODAY, last) };
    let (long, short) = (window(-14, -1), window(-9, -4));
    let visits = |text: &str, asked| {
        let answer = world.answer(SimulatedCarrier::Mobile, number(text), asked, TODAY);
        let CarrierAnswer::Trajectory(trajectory) = answer else { return None };
        (trajectory.covered == asked).then_some(trajectory.visits)
    };
    let mut trips = 0;
    for n in 0..2_000 {
        let text = format!("163{n:08}");
        let (Some(of_long), Some(of_short)) = (visits(&text, long), visits(&text, short)) else { continue };
        assert!(trajectory::clip(of_long, short) == of_short, "{n}");
        trips += usize::from(of_short.len() > 1);
    }
    assert!(trips > 50, "{trips} with a trip");
}

#[test]
fn a_city_has_every_outcome_in_plausible_shares() {
    let (world, policy) = (World::new(2020), policy());
    let asked = policy.window(TODAY);
    let total = 30_000;
    let mut counts = [0_u32; 6];
    let (mut ported, mut short) = (0, 0);
    for n in 0..total {
        let text = format!("{}{:08}", ["163", "164", "168"][n % 3], n * 3_001);
        let (carrier, answer) = ask_all(&world, &text, asked, TODAY);
        let plan = SimulatedCarrier::ALL[n % 3];
        ported += u32::from(carrier.is_some_and(|carrier| carrier != plan));
        if let CarrierAnswer::Trajectory(trajectory) = &answer {
            short += u32::from(trajectory.visits.iter().any(|visit| visit.until_s - visit.from_s < 4 * 3600));
        }
        counts[expected_of(&policy.outcome(&answer, TODAY), &answer) as usize] += 1;
    }
    let per_mille = |count: u32| f64::from(count) * 1000.0 / total as f64;
    let [stay, clean, partial, new, unanswerable, nobody] = counts.map(per_mille);
    let shown = format!("{counts:?}, {ported} ported, {short} with a short visit");
    assert!((3.0..15.0).contains(&stay), "stays: {shown}");
    assert!(clean > 950.0, "clean: {shown}");
    assert!((3.0..20.0).contains(&partial), "partial: {shown}");
    assert!((0.3..5.0).contains(&new), "new: {shown}");
    assert!((3.0..7.0).contains(&unanswerable), "unanswerable: {shown}");
    assert!((1.0..3.5).contains(&nobody), "nobody's: {shown}");
    assert!((30.0..50.0).contains(&per_mille(ported)), "{shown}");
    assert!(per_mille(short) > 50.0, "{shown}");
}

#[test]
fn after_a_port_the_old_carrier_denies_and_the_new_one_covers_less() {
    let world = World::new(11);
    let mut found = 0;
    for n in 0..40_000 {
        let number = number(&format!("163{n:08}"));
        let (before, after) = (world.holder(number, days_after(TODAY, -14)), world.holder(number, TODAY));
        let (Holder::Held(old, _), Holder::Held(new, since)) = (before, after) else { continue };
        if old == new {
            continue;
        }
        found += 1;
        let asked = Days { first: days_after(TODAY, -14), last: days_after(TODAY, -1) };
        assert_eq!(world.answer(old, number, asked, TODAY), CarrierAnswer::NotSubscriber);
        let answer = world.answer(new, number, asked, TODAY);
        if let CarrierAnswer::Trajectory(trajectory) = answer {
            assert_eq!(trajectory.covered.first, since);
        } else {
            assert_eq!(answer, CarrierAnswer::NewNumber, "only in the first days");
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn only_numbers_that_nobody_has_are_made_up() {
    for real in ["13800000000", "17000000000", "16200000000", "1630000000", "163000000001", "1630000000a", ""]
    {
        assert!(MadeUpNumber::parse(real).is_none(), "{real}");
    }
    let table = include_str!("../../data/made-up.csv");
    let ranges: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("phone,")).collect();
    let mut answered: Vec<_> = SimulatedCarrier::ALL.iter().flat_map(|carrier| carrier.prefixes()).collect();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(&ranges), "{ranges:?}");
}
