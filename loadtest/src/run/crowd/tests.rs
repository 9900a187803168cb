//! People before a device in simulated time: scans, repeated tries and leaving, and for many seeds that each person's visit ends
//! exactly once in any order of events.

use device::clock;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn retry(again: f64, times_max: u8) -> Retry {
    Retry { patience_ms: 1000, again, times_max, think_ms: 200 }
}

fn visit(kind: Kind, luck: u64) -> Visit {
    Visit { at: Duration::ZERO, stage: 0, kind, post: 0, person: 0, luck }
}

/// Adds a person who is due at that moment.
fn comes(crowd: &mut Crowd, kind: Kind, now: Instant) {
    crowd.come(visit(kind, 1), now, now);
}

fn reasons(crowd: &mut Crowd, now: Instant) -> Vec<Option<&'static str>> {
    std::iter::from_fn(|| crowd.overdue(now)).map(|ended| ended.reason).collect()
}

#[test]
fn people_are_scanned_in_their_order_and_punches_even_without_a_connection() {
    let (mut crowd, start) = (Crowd::new(retry(0.0, 0)), clock::now());
    [Kind::Verify, Kind::Punch, Kind::Query, Kind::Punch]
        .into_iter()
        .for_each(|kind| comes(&mut crowd, kind, start));
    let mut next = |connected| crowd.next_ready(connected).map(|(this, visit)| (this.person, visit.kind));
    assert_eq!(next(false), Some((1, Kind::Punch)));
    assert_eq!(next(true), Some((3, Kind::Punch)));
    assert_eq!(next(false), None);
    assert_eq!(next(true), Some((0, Kind::Verify)));
    assert_eq!(next(true), Some((2, Kind::Query)));
    assert_eq!(next(true), None);
}

#[test]
fn a_scan_that_came_to_nothing_goes_first() {
    let (mut crowd, start) = (Crowd::new(retry(0.0, 0)), clock::now());
    (0..3).for_each(|_| comes(&mut crowd, Kind::Verify, start));
    let (first, _) = crowd.next_ready(true).unwrap();
    crowd.back(first);
    assert_eq!(crowd.next_ready(true).map(|(this, _)| this), Some(first));
}

#[test]
fn whoever_has_waited_long_enough_leaves_and_a_query_is_waited_for_longer() {
    let (mut crowd, start) = (Crowd::new(retry(0.0, 3)), clock::now());
    comes(&mut crowd, Kind::Query, start);
    comes(&mut crowd, Kind::Verify, start);
    assert_eq!(crowd.wake(), Some(start + 1000 * MS));
    assert_eq!(reasons(&mut crowd, start + 999 * MS), []);
    assert_eq!(reasons(&mut crowd, start + 1000 * MS), [Some("no-answer")]);
    assert_eq!(reasons(&mut crowd, start + 14_999 * MS), []);
    assert_eq!(reasons(&mut crowd, start + 15_000 * MS), [Some("no-answer")]);
    assert!(crowd.is_empty() && crowd.next_ready(true).is_none());
}

#[test]
fn people_come_again_so_often_and_then_leave_with_the_last_reason() {
    let (mut crowd, mut now) = (Crowd::new(retry(1.0, 2)), clock::now());
    comes(&mut crowd, Kind::Verify, now);
    for number in 1..=2 {
        let (this, _) = crowd.next_ready(true).unwrap();
        assert_eq!(this.number, number);
        assert_eq!(crowd.refused(this, "busy", now), None);
        let again = crowd.later.peek().unwrap().0.0;
        assert!((100 * MS..=300 * MS).contains(&(again - now)), "{:?}", again - now);
        crowd.come_again(again - MS);
        assert!(!crowd.somebody_is_ready());
        crowd.come_again(again);
        now = again;
    }
    let (this, _) = crowd.next_ready(true).unwrap();
    assert_eq!(crowd.refused(this, "not-loaded", now).unwrap().reason, Some("not-loaded"));
    assert!(crowd.is_empty());
}

#[test]
fn whoever_is_gone_to_come_again_is_not_scanned_meanwhile_and_once_afterwards() {
    let (mut crowd, start) = (Crowd::new(retry(1.0, 3)), clock::now());
    comes(&mut crowd, Kind::Verify, start);
    assert_eq!(reasons(&mut crowd, start + 1000 * MS), []);
    assert!(crowd.next_ready(true).is_none(), "the place in the line is lost");
    crowd.come_again(start + 1300 * MS);
    assert!(crowd.next_ready(true).is_some() && crowd.next_ready(true).is_none());
}

#[test]
fn a_late_refusal_of_an_earlier_try_means_nothing() {
    let (mut crowd, start) = (Crowd::new(retry(1.0, 3)), clock::now());
    comes(&mut crowd, Kind::Verify, start);
    let (first, _) = crowd.next_ready(true).unwrap();
    assert_eq!(reasons(&mut crowd, start + 1000 * MS), []);
    assert_eq!(crowd.refused(first, "busy", start + 1001 * MS), None);
    assert_eq!(crowd.leave(first, "connection"), None);
    crowd.back(first);
    crowd.come_again(start + 2000 * MS);
    let (second, _) = crowd.next_ready(true).unwrap();
    assert_eq!((second.number, crowd.next_ready(true), crowd.later.len()), (2, None, 0));
}

#[test]
fn an_answer_to_an_earlier_try_counts_from_when_that_was_sent() {
    let (mut crowd, start) = (Crowd::new(retry(1.0, 3)), clock::now());
    comes(&mut crowd, Kind::Verify, start);
    let (first, _) = crowd.next_ready(true).unwrap();
    assert_eq!(reasons(&mut crowd, start + 1000 * MS), []);
    crowd.come_again(start + 1300 * MS);
    let (second, _) = crowd.next_ready(true).unwrap();
    let ended = crowd.answered(first, start).unwrap();
    assert_eq!((ended.sent, ended.intended, ended.reason), (Some(start), start, None));
    assert_eq!(crowd.answered(second, start + 1300 * MS), None);
}

/// In any order of events, each person who came has one end.
#[test]
fn everybody_who_came_ends_exactly_once() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut crowd = Crowd::new(retry(random.f64(), random.u8(0..4)));
        let (mut now, mut came, mut ended) = (clock::now(), 0, Vec::new());
        let mut under_way: Vec<(Try, Instant)> = Vec::new();
        for _ in 0..500 {
            now += MS * random.u32(0..100);
            crowd.come_again(now);
            ended.extend(std::iter::from_fn(|| crowd.overdue(now)));
            let old = (!under_way.is_empty()).then(|| under_way[random.usize(..under_way.len())]);
            match (random.u8(0..6), old) {
                (0 | 1, _) => {
                    let kind = [Kind::Verify, Kind::Punch, Kind::Query][random.usize(..3)];
                    // Each has an intended time of its own, so that ends can be told apart.
                    crowd.come(visit(kind, random.u64(..)), now + Duration::from_nanos(came), now);
                    came += 1;
                }
                (2, _) => under_way.extend(crowd.next_ready(random.bool()).map(|(this, _)| (this, now))),
                (3, Some((this, sent))) => ended.extend(crowd.answered(this, sent)),
                (4, Some((this, _))) => ended.extend(crowd.refused(this, "busy", now)),
                (5, Some((this, _))) if random.u8(..) < 20 => ended.extend(crowd.leave(this, "connection")),
                (_, Some((this, _))) => crowd.back(this),
                (_, None) => {}
            }
        }
        ended.extend(crowd.everybody_leaves("run-over"));
        assert!(crowd.is_empty() && crowd.overdue(now + 60_000 * MS).is_none(), "seed {seed}");
        assert_eq!(ended.len() as u64, came, "seed {seed}");
        let mut whose: Vec<_> = ended.iter().map(|one| one.intended).collect();
        whose.sort_unstable();
        whose.dedup();
        assert_eq!(whose.len() as u64, came, "seed {seed}: somebody ended twice");
        let unanswered = |one: &Ended| one.reason.is_some() == one.sent.is_none();
        assert!(ended.iter().all(unanswered), "seed {seed}");
    }
}
