//! Jumps of the wall clock, restarts, and orders to believe it.

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2026-11-29, noon in Beijing.
const NOON: u64 = 1_795_924_800_000;
const BOOT: u64 = 5_000;

/// Returns the time `ms` after noon.
fn at(ms: i64) -> u64 {
    NOON.saturating_add_signed(ms)
}

/// A reading: milliseconds after the start, wall clock, whether it is believed, believed time, certain time; times relative to noon.
type Row = (i64, i64, bool, i64, i64);

fn check(name: &str, on_record: Option<i64>, rows: &[Row]) {
    let mut belief = Belief::new(on_record.map(at), BOOT);
    for &(after, said, is_believed, now, certain) in rows {
        let reading = belief.read(at(said), BOOT + after as u64);
        let found = (reading.doubt.is_none(), reading.now_ms, reading.certain_ms, reading.wall_ms);
        assert_eq!(
            found,
            (is_believed, at(now), at(certain), at(said)),
            "{name}, {after} ms after the start"
        );
    }
}

const YEAR: i64 = 365 * DAY;
/// 1970.
const ZERO: i64 = -(NOON as i64);

#[test]
fn a_clock_is_believed_that_goes_on_from_what_is_on_record() {
    for (name, on_record, rows) in [
        ("goes evenly", Some(-60), vec![(0, 0, true, 0, 0), (DAY, DAY, true, DAY, DAY)]),
        ("a night's maintenance", Some(-DAY), vec![(0, 0, true, 0, 0)]),
        ("an hour back over the start", Some(0), vec![(0, -HOUR, true, -HOUR, -HOUR)]),
        ("nothing on record", None, vec![(0, 0, true, 0, 0), (5, 5, true, 5, 5)]),
        (
            "set by half an hour, either way",
            Some(0),
            vec![
                (0, 0, true, 0, 0),
                (1_000, HOUR / 2, true, HOUR / 2, HOUR / 2),
                (2_000, -HOUR / 2, true, -HOUR / 2, -HOUR / 2),
            ],
        ),
        (
            "eight hours ahead at the start, then right",
            Some(-1_000),
            vec![(0, 8 * HOUR, true, 8 * HOUR, 8 * HOUR), (60_000, 60_000, true, 60_000, 60_000)],
        ),
    ] {
        check(name, on_record, &rows);
    }
}

#[test]
fn a_clock_that_jumps_is_not_followed_and_is_believed_again_when_it_is_back() {
    for jump in [16 * DAY, 2 * HOUR, YEAR, 100 * YEAR, -YEAR, ZERO, -2 * DAY] {
        check(
            &format!("a jump of {jump} ms"),
            Some(-1_000),
            &[
                (0, 0, true, 0, 0),
                (10_000, 10_000 + jump, false, 10_000, 10_000),
                (20_000, 20_000 + jump, false, 20_000, 20_000),
                (3 * DAY, 3 * DAY + jump, false, 3 * DAY, 3 * DAY),
                (3 * DAY + 1_000, 3 * DAY + 1_000, true, 3 * DAY + 1_000, 3 * DAY + 1_000),
            ],
        );
    }
}

#[test]
fn a_start_long_after_the_newest_record_goes_by_the_clock_and_relies_on_nothing() {
    check(
        "three weeks",
        Some(-21 * DAY),
        &[
            (0, 0, false, 0, -21 * DAY),
            (60_000, 60_000, false, 60_000, -21 * DAY + 60_000),
            // An even run proves nothing: a wrong clock runs as evenly as a right one.
            (30 * DAY, 30 * DAY, false, 30 * DAY, 9 * DAY),
        ],
    );
}

#[test]
fn a_start_before_the_newest_record_goes_on_from_it() {
    for said in [ZERO, -YEAR, -2 * HOUR] {
        check(
            &format!("said {said}"),
            Some(0),
            &[
                (0, said, false, 0, 0),
                (60_000, said + 60_000, false, 60_000, 60_000),
                (90_000, 2 * HOUR, true, 2 * HOUR, 2 * HOUR),
            ],
        );
    }
}

#[test]
fn with_nothing_on_record_a_clock_before_the_release_is_not_believed() {
    let mut belief = Belief::new(None, BOOT);
    let reading = belief.read(10_000, BOOT);
    assert_eq!((reading.doubt, reading.is_dated), (Some(Doubt::Behind(RELEASED_MS - 10_000)), false));
    assert_eq!((reading.now_ms, reading.certain_ms), (RELEASED_MS, RELEASED_MS));
    let reading = belief.read(NOON, BOOT + 20_000);
    assert_eq!(reading, Reading::plain(NOON));
    // Once believed, it is not judged as without a record again.
    let reading = belief.read(at(-2 * DAY), BOOT + 20_000);
    assert_eq!((reading.doubt, reading.now_ms), (Some(Doubt::Behind(2 * DAY as u64)), NOON));
}

#[test]
fn the_day_is_known_once_the_clock_was_believed_in_this_life() {
    let mut belief = Belief::new(Some(NOON), BOOT);
    assert!(!belief.read(0, BOOT).is_dated);
    assert!(belief.read(NOON, BOOT).is_dated);
    let reading = belief.read(at(16 * DAY), BOOT + 1_000);
    assert!(reading.is_dated && reading.doubt.is_some_and(|doubt| doubt.step_ms() == 16 * DAY - 1_000));
    let reading = belief.read(0, BOOT + 1_000);
    assert!(reading.doubt.is_some_and(|doubt| doubt.step_ms() == ZERO - 1_000));
}

#[test]
fn an_order_makes_whatever_the_clock_says_right_from_then_on() {
    for said in [21 * DAY, -YEAR] {
        let mut belief = Belief::new(Some(NOON), BOOT);
        assert!(belief.read(at(said), BOOT).doubt.is_some());
        assert_eq!(belief.believe(at(said), BOOT + 1_000), Reading::plain(at(said)));
        assert_eq!(belief.read(at(said + 60_000), BOOT + 61_000), Reading::plain(at(said + 60_000)));
        assert!(belief.read(at(said - 2 * HOUR), BOOT + 61_000).doubt.is_some());
        assert!(belief.read(at(said + 2 * HOUR), BOOT + 61_000).doubt.is_some());
    }
}

#[test]
fn a_clock_that_is_set_on_again_and_again_gains_an_hour_a_day() {
    let mut belief = Belief::new(Some(NOON), BOOT);
    let (mut elapsed, mut said) = (0, 0);
    for _ in 0..10_000 {
        elapsed += 60_000;
        said += 60_000;
        if belief.read(at(said + HOUR / 2), BOOT + elapsed).doubt.is_none() {
            said += HOUR / 2;
        }
    }
    let days = elapsed as i64 / DAY + 1;
    assert!(said - elapsed as i64 <= days * HOUR + HOUR, "{}", said - elapsed as i64);
}

#[test]
fn whatever_a_clock_says_what_is_certain_never_runs_ahead_of_what_was_believed() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..200 {
        let mut belief = Belief::new(Some(NOON), BOOT);
        let (mut elapsed, mut days) = (0_i64, 1);
        for _ in 0..200 {
            elapsed += random.i64(0..2 * HOUR);
            days = days.max(elapsed / DAY + 1);
            let said = match random.u8(0..4) {
                0 => elapsed,
                1 => elapsed + random.i64(-YEAR..YEAR),
                2 => elapsed + random.i64(-HOUR..HOUR),
                _ => ZERO + elapsed,
            };
            let reading = belief.read(at(said), BOOT + elapsed as u64);
            let ahead = reading.certain_ms as i64 - at(elapsed) as i64;
            assert!(ahead <= DAY + days * HOUR + HOUR, "certain is {ahead} ms ahead");
            assert!(ahead >= -HOUR, "certain is {ahead} ms behind what was on record");
            assert!(reading.certain_ms <= reading.now_ms);
        }
    }
}
