//! One scan and another, and what a shift remembers.

use super::*;
use protocol::codec::Bounded;
use protocol::trajectory::{Day, TrajectoryReason, VisitedArea};
use protocol::{PlaceId, Reason, RegionId};

const RUN: u64 = 7;

fn shifts() -> Shifts {
    Shifts::new(RUN)
}

fn shift(id: u64) -> Shift {
    let (place_name, name) = (String::new(), String::new());
    Shift { id: ShiftId(id), place: PlaceId(1), region: RegionId(1), place_name, name, expires_s: 100 }
}

fn scan(at_ms: u64) -> Scan {
    let came = ScanResult::Punch(Verdict::ask_staff(Reason::NotLoaded));
    Scan { n: 1, at_ms, came, holder: None, old_digits: false }
}

fn held(text: &str) -> HeldUp<'_> {
    HeldUp { key: None, text, whose: None, follows: false }
}

fn code(n: u64) -> CodeId {
    CodeId::from_u64(n).unwrap()
}

fn keyed(text: &str, n: u64, sent_to: Option<u64>) -> HeldUp<'_> {
    HeldUp { key: Some(Key { page: 1, n, sent_to }), ..held(text) }
}

#[track_caller]
fn turn(begun: BeginOutcome) -> Turn {
    let BeginOutcome::Now(turn) = begun else { panic!("{begun:?}") };
    turn
}

/// Makes a scan at once.
fn make(shifts: &Shifts, shift: &Shift, text: &str, scan: &Scan) {
    let turn = turn(shifts.begin(shift, &held(text), scan.at_ms));
    shifts.end(shift.id, turn, Some(scan));
}

#[test]
fn a_code_held_up_for_a_while_is_one_scan() {
    let (shifts, mine) = (shifts(), shift(1));
    let first = turn(shifts.begin(&mine, &held("a"), 1_000));
    assert_eq!(shifts.begin(&mine, &held("a"), 1_100), BeginOutcome::UnderWay);
    shifts.end(mine.id, first, Some(&scan(1_000)));
    make(&shifts, &mine, "b", &scan(1_200));
    assert_eq!(
        shifts.begin(&mine, &held("a"), 3_999),
        BeginOutcome::Again(scan(1_000)),
        "in turns with another"
    );
    turn(shifts.begin(&shift(2), &held("a"), 3_999));
    let once_more = turn(shifts.begin(&mine, &held("a"), 4_000));
    shifts.end(mine.id, once_more, None);
    turn(shifts.begin(&mine, &held("a"), 4_001));
    assert_eq!(shifts.scans(mine.id, 5_000), [scan(1_200), scan(1_000)]);
}

#[test]
fn a_scan_that_ends_without_a_word_is_unsure_and_is_not_made_again_under_its_number() {
    let (shifts, mine) = (shifts(), shift(1));
    let begun = turn(shifts.begin(&mine, &keyed("a", 5, None), 1_000));
    assert_eq!(shifts.known(mine.id, (1, 5), 1_000), ScanState::UnderWay);
    shifts.unsure(mine.id, begun);
    for sent_to in [None, Some(RUN)] {
        assert_eq!(shifts.begin(&mine, &keyed("a", 5, sent_to), 60_000), BeginOutcome::Unsure);
    }
    assert_eq!(shifts.known(mine.id, (1, 5), 60_000), ScanState::Unsure);
    assert_eq!(shifts.begin(&mine, &keyed("a", 6, None), 1_100), BeginOutcome::Unsure, "held up still");
    assert_eq!(shifts.scans(mine.id, 2_000), [], "no line says that it was made");
    let later = turn(shifts.begin(&mine, &keyed("a", 7, None), 1_000 + AGAIN_MS));
    shifts.end(mine.id, later, Some(&scan(4_000)));
    shifts.unsure(mine.id, later);
    assert_eq!(shifts.known(mine.id, (1, 7), 4_000), ScanState::Made(scan(4_000)), "its end is known");
    let refused = turn(shifts.begin(&mine, &keyed("b", 8, None), 4_000));
    shifts.end(mine.id, refused, None);
    shifts.unsure(mine.id, refused);
    turn(shifts.begin(&mine, &keyed("b", 8, None), 4_001));
}

#[test]
fn a_code_that_is_renewed_in_a_persons_hand_is_the_same_persons() {
    let (shifts, mine) = (shifts(), shift(1));
    let phone = Some((code(7), Class::Person));
    let renewed = |follows| HeldUp { whose: phone, follows, ..held("later") };
    let first = turn(shifts.begin(&mine, &HeldUp { whose: phone, ..held("earlier") }, 1_000));
    shifts.end(mine.id, first, Some(&scan(1_000)));
    assert_eq!(shifts.begin(&mine, &renewed(false), 3_999), BeginOutcome::Again(scan(1_000)));
    assert_eq!(
        shifts.begin(&mine, &renewed(true), 31_000),
        BeginOutcome::Again(scan(1_000)),
        "held up all along"
    );
    turn(shifts.begin(&mine, &HeldUp { whose: Some((code(8), Class::Person)), ..held("x") }, 31_000));
    turn(shifts.begin(&mine, &HeldUp { whose: Some((code(7), Class::Paper)), ..held("y") }, 31_000));
    turn(shifts.begin(&mine, &renewed(true), 31_001));
}

#[test]
fn a_scan_that_is_sent_again_is_made_once_or_said_to_be_unsure() {
    let (shifts, mine) = (shifts(), shift(1));
    let first = turn(shifts.begin(&mine, &keyed("a", 5, None), 1_000));
    assert_eq!((first.n, shifts.next(mine.id)), (5, 6));
    assert_eq!(shifts.begin(&mine, &keyed("a", 5, Some(RUN)), 1_100), BeginOutcome::UnderWay);
    shifts.end(mine.id, first, Some(&scan(1_000)));
    assert_eq!(shifts.begin(&mine, &keyed("a", 5, Some(RUN)), 50_000), BeginOutcome::Before(scan(1_000)));
    turn(shifts.begin(&mine, &keyed("b", 5, None), 50_000));
    turn(shifts.begin(&mine, &keyed("c", 6, Some(RUN)), 50_000));
    assert_eq!(
        shifts.begin(&mine, &keyed("d", 7, Some(RUN + 1)), 50_000),
        BeginOutcome::Unsure,
        "by an earlier one"
    );
}

#[test]
fn a_page_finds_the_scan_that_it_has_numbered_and_no_other() {
    let (shifts, mine) = (shifts(), shift(1));
    let known = |n| shifts.known(mine.id, (1, n), 1_500);
    assert_eq!(known(5), ScanState::No);
    let first = turn(shifts.begin(&mine, &keyed("a", 5, None), 1_000));
    make(&shifts, &mine, "b", &scan(1_100));
    assert_eq!(known(5), ScanState::UnderWay, "the newest that was made is another one");
    assert_eq!(shifts.begin(&mine, &keyed("a", 6, None), 1_200), BeginOutcome::UnderWay);
    assert_eq!(known(6), ScanState::UnderWay, "the same person, held up still");
    shifts.end(mine.id, first, Some(&scan(1_000)));
    assert_eq!((known(5), known(6)), (ScanState::Made(scan(1_000)), ScanState::Made(scan(1_000))));
    assert_eq!(known(7), ScanState::No);
    let lost = turn(shifts.begin(&mine, &keyed("c", 8, None), 1_300));
    shifts.end(mine.id, lost, None);
    assert_eq!(known(8), ScanState::No, "nothing was recorded");
    assert_eq!(shifts.known(shift(2).id, (1, 5), 1_500), ScanState::No, "another shift's");
}

#[test]
fn people_who_show_nothing_are_each_one_more() {
    let (shifts, mine) = (shifts(), shift(1));
    for n in 1..4 {
        turn(shifts.begin(&mine, &keyed("", n, None), 1_000));
        assert_eq!(shifts.begin(&mine, &keyed("", n, None), 1_001), BeginOutcome::UnderWay, "the same press");
    }
}

#[test]
fn a_shift_remembers_its_last_scans_and_nothing_once_it_is_over() {
    let (shifts, mine) = (shifts(), shift(1));
    for at in 0..2 * REMEMBERED_MAX as u64 {
        make(&shifts, &mine, &at.to_string(), &scan(at));
    }
    let times: Vec<u64> = shifts.scans(mine.id, 30).iter().map(|scan| scan.at_ms).collect();
    assert_eq!((times.len(), times[0], times[19]), (SCANS_MAX, 127, 108));
    assert_eq!(shifts.lock()[&mine.id].scans.len(), REMEMBERED_MAX);
    turn(shifts.begin(&shift(2), &held("x"), 100_000));
    assert!(shifts.scans(mine.id, 100_000).is_empty(), "after the first one's end");
    for id in 0..2 * SHIFTS_MAX as u64 {
        turn(shifts.begin(&shift(id + 3), &held("x"), 1));
    }
    assert_eq!(shifts.lock().len(), SHIFTS_MAX);
    let none = shift(3 * SHIFTS_MAX as u64);
    assert_eq!(shifts.begin(&none, &keyed("x", 1, Some(RUN)), 1), BeginOutcome::Unsure);
}

#[test]
fn a_receipt_is_compared_with_the_code_that_was_scanned_last() {
    let (shifts, mine) = (shifts(), shift(1));
    let holder =
        |n| Some(Holder { code: code(n), class: Class::Person, name: "王＊".to_owned(), document: None });
    let scanned = |at_ms: u64, holder| {
        make(&shifts, &mine, &at_ms.to_string(), &Scan { holder, ..scan(at_ms) });
    };
    let whose = |now_ms, codes: &[CodeId]| {
        ReceiptOwner::of(shifts.last_code(mine.id, Turn { n: 0, at: None }, now_ms), codes)
    };
    assert_eq!(whose(1, &[code(7)]), ReceiptOwner::NotKnown, "nobody was scanned");
    scanned(1, holder(7));
    assert_eq!(whose(2, &[code(6), code(7)]), ReceiptOwner::Same, "a guardian's phone opens the ward's code");
    assert_eq!(whose(2, &[code(8)]), ReceiptOwner::Other, "a friend's receipt");
    assert_eq!(whose(2, &[]), ReceiptOwner::Other, "of a phone that nobody is registered with");
    assert_eq!(
        whose(2 + RECEIPT_S_MAX * 1000, &[code(7)]),
        ReceiptOwner::NotKnown,
        "that was somebody before"
    );
    scanned(3, None);
    assert_eq!(whose(4, &[code(7)]), ReceiptOwner::NotKnown, "who came last has shown nothing");
}

#[test]
fn cities_that_were_shown_are_gone_with_the_next_scan_or_after_a_minute() {
    let (shifts, mine) = (shifts(), shift(1));
    let answer = TrajectoryAnswer {
        reason: TrajectoryReason::Clean,
        first_day: Day::NONE,
        last_day: Day::NONE,
        last_stay_day: Day::NONE,
        areas: Bounded(vec![VisitedArea::parse("3601").unwrap()]),
    };
    let travel = Travel { answer, giver: None, whose: ReceiptOwner::NotKnown };
    let travel = |at_ms| Scan { came: ScanResult::Travel(Box::new(travel.clone())), ..scan(at_ms) };
    let cities = |now_ms| {
        shifts
            .scans(mine.id, now_ms)
            .iter()
            .map(|scan| match &scan.came {
                ScanResult::Travel(travel) => travel.answer.areas.0.len(),
                ScanResult::Punch(_) | ScanResult::NoTravel(_) => 0,
            })
            .collect::<Vec<_>>()
    };
    make(&shifts, &mine, "a", &travel(1));
    assert_eq!(cities(1 + CITIES_MS), [1]);
    assert_eq!(cities(2 + CITIES_MS), [0]);
    make(&shifts, &mine, "b", &travel(CITIES_MS));
    assert_eq!(cities(CITIES_MS), [1, 0]);
    make(&shifts, &mine, "c", &scan(CITIES_MS));
    assert_eq!(cities(CITIES_MS), [0, 0, 0]);
}
