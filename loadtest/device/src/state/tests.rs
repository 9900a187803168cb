//! The device's state against a model of a gateway that is slow, full, and forgets connections but never
//! its record. Every case runs from a printed seed.

use std::collections::VecDeque;

use protocol::message::BusyReason;
use protocol::{Direction, PlaceId, Reason, Scanned};

use super::*;

const SEEDS: u64 = 400;
const PUNCHES: u64 = 300;

fn punch(tag: u64) -> Punch {
    Punch {
        scanned: Scanned::Nothing,
        direction: Direction::In,
        place: PlaceId(tag as u32),
        device_time_ms: tag,
        offline: None,
    }
}

fn verdicts(first: u64, count: usize) -> Verdicts {
    Verdicts {
        first: Sequence(first),
        as_of_ms: 7,
        verdicts: Bounded(vec![Verdict::ask_staff(Reason::NotLoaded); count]),
    }
}

fn welcome(recorded: u64, window_punches: u32, batch_punches_max: u32) -> Welcome {
    Welcome {
        gateway_time_ms: 0,
        recorded: Sequence(recorded),
        window_punches,
        batch_punches_max,
        idle_ms: 1000,
    }
}

fn connected(window_punches: u32, batch_punches_max: u32, punches: u64) -> DeviceState {
    let mut state = DeviceState::new(Epoch(1));
    state.connected(&welcome(0, window_punches, batch_punches_max)).unwrap();
    for tag in 1..=punches {
        state.push(RegionId(1), punch(tag), tag);
    }
    state
}

fn sent(state: &mut DeviceState, now_ms: u64) -> Vec<(u64, usize)> {
    std::iter::from_fn(|| state.next_batch(now_ms))
        .map(|(_, batch)| (batch.first.0, batch.punches.0.len()))
        .collect()
}

#[test]
fn batches_keep_to_the_window_the_batch_limit_and_one_region() {
    let mut state = connected(10, 4, 20);
    assert_eq!(sent(&mut state, 0), [(1, 4), (5, 4), (9, 2)]);
    state.verdicts(RequestId(1), &verdicts(1, 3), &mut Vec::new()).unwrap();
    assert_eq!(sent(&mut state, 0), [(11, 3)]);

    let mut state = connected(10, 10, 2);
    state.push(RegionId(2), punch(3), 3);
    assert_eq!(sent(&mut state, 0), [(1, 2), (3, 1)]);
}

#[test]
fn answers_that_cannot_be_true_are_refused_and_change_nothing() {
    for (first, count, expected) in [
        (1, 5, StateError::NotSent { last: 5, sent: 4 }),
        (2, 1, StateError::Skipped { first: 2, expected: 1 }),
        (0, 1, StateError::Skipped { first: 0, expected: 1 }),
        (5, 1, StateError::NotSent { last: 5, sent: 4 }),
    ] {
        let mut state = connected(4, 4, 8);
        sent(&mut state, 0);
        let mut out = Vec::new();
        assert_eq!(state.verdicts(RequestId(1), &verdicts(first, count), &mut out), Err(expected));
        assert!(out.is_empty() && state.acknowledged() == Sequence(0));
    }
}

#[test]
fn what_was_sent_on_an_earlier_connection_only_counts_when_sent_again() {
    let mut state = connected(8, 8, 8);
    sent(&mut state, 0);
    state.connected(&welcome(8, 8, 8)).unwrap();
    assert_eq!(
        state.verdicts(RequestId(1), &verdicts(1, 8), &mut Vec::new()),
        Err(StateError::NotSent { last: 8, sent: 0 })
    );
    assert_eq!(sent(&mut state, 0), [(1, 8)]);
    assert_eq!(state.resent(), 8);
    state.verdicts(RequestId(1), &verdicts(1, 8), &mut Vec::new()).unwrap();
    assert_eq!(state.unacknowledged(), 0);
}

#[test]
fn busy_holds_back_and_sends_that_request_and_all_after_it_again() {
    let mut state = connected(8, 2, 8);
    let requests: Vec<_> =
        std::iter::from_fn(|| state.next_batch(0)).map(|(request, batch)| (request, batch.first.0)).collect();
    let busy = Busy { retry_after_ms: 50, reason: BusyReason::Region };
    assert!(state.busy(requests[2].0, &busy, 100));
    assert!(!state.busy(requests[3].0, &busy, 100), "it goes again anyway");
    assert!(state.busy(requests[1].0, &busy, 120), "an earlier one may be answered later");
    assert_eq!(state.paused_until_ms(120), Some(170));
    assert_eq!(sent(&mut state, 169), []);
    assert_eq!(sent(&mut state, 170), [(3, 2), (5, 2), (7, 2)]);
}

#[test]
fn a_gap_sends_again_once_from_what_is_missing() {
    let mut state = connected(8, 2, 8);
    let requests: Vec<_> = std::iter::from_fn(|| state.next_batch(0)).map(|(request, _)| request).collect();
    state.verdicts(RequestId(1), &verdicts(1, 2), &mut Vec::new()).unwrap();
    assert!(state.gap(requests[2], &Gap { expected: Sequence(3) }));
    assert!(!state.gap(requests[3], &Gap { expected: Sequence(3) }));
    let passed_over = state.verdicts(requests[3], &verdicts(7, 2), &mut Vec::new());
    assert_eq!((passed_over, state.acknowledged()), (Ok(()), Sequence(2)), "it goes again");
    assert_eq!(sent(&mut state, 0), [(3, 2), (5, 2), (7, 2)]);
}

#[test]
fn a_gateway_that_knows_more_than_the_device_is_refused_until_a_new_epoch() {
    let mut state = connected(8, 1, 2);
    state.next_batch(0).unwrap();
    assert_eq!(state.connected(&welcome(1, 8, 8)), Ok(()));
    let ahead = StateError::RecordedAhead { recorded: 2, sent: 1 };
    assert_eq!(state.connected(&welcome(2, 8, 8)), Err(ahead), "what it never sent is not its own");
    state.start_epoch(Epoch(2));
    state.connected(&welcome(0, 8, 8)).unwrap();
    assert_eq!(sent(&mut state, 0), [(1, 2)]);
}

#[test]
fn draining_sends_nothing_new_and_takes_what_comes() {
    let mut state = connected(4, 2, 8);
    sent(&mut state, 0);
    state.verdicts(RequestId(1), &verdicts(1, 2), &mut Vec::new()).unwrap();
    state.drain();
    assert_eq!(sent(&mut state, 0), []);
    assert!(state.awaits_answers());
    state.verdicts(RequestId(1), &verdicts(3, 2), &mut Vec::new()).unwrap();
    assert!(!state.awaits_answers());
}

/// The gateway's side: its record outlives connections, requests in flight do not.
struct Model {
    recorded: Vec<u64>,
    arriving: VecDeque<(RequestId, PunchBatch)>,
    leaving: VecDeque<(RequestId, Reply)>,
}

enum Reply {
    Verdicts(u64, usize),
    Busy(u32),
    Gap(u64),
}

impl Model {
    fn serve(&mut self, busy: bool) {
        let Some((request, batch)) = self.arriving.pop_front() else { return };
        let (first, expected) = (batch.first.0, self.recorded.len() as u64 + 1);
        let said = if busy {
            Reply::Busy(5)
        } else if first > expected {
            Reply::Gap(expected)
        } else {
            for (sequence, punch) in (first..).zip(&batch.punches.0) {
                match self.recorded.get(sequence as usize - 1) {
                    Some(recorded) => assert_eq!(*recorded, punch.device_time_ms, "a sequence changed"),
                    None => self.recorded.push(punch.device_time_ms),
                }
            }
            Reply::Verdicts(first, batch.punches.0.len())
        };
        self.leaving.push_back((request, said));
    }

    /// Reorders answers: a refusal may overtake the answer to an earlier request. Verdicts never overtake.
    fn shuffle(&mut self, random: &mut fastrand::Rng) {
        if self.leaving.len() < 2 {
            return;
        }
        let at = random.usize(..self.leaving.len() - 1);
        if !matches!(self.leaving[at + 1].1, Reply::Verdicts(..)) {
            self.leaving.swap(at, at + 1);
        }
    }
}

fn hear(state: &mut DeviceState, model: &mut Model, now_ms: u64, out: &mut Vec<Acknowledged>) {
    let Some((request, said)) = model.leaving.pop_front() else { return };
    match said {
        Reply::Verdicts(first, count) => {
            state.verdicts(request, &verdicts(first, count), out).expect("the model's verdicts are true");
        }
        Reply::Busy(retry_after_ms) => {
            state.busy(request, &Busy { retry_after_ms, reason: BusyReason::Ledger }, now_ms);
        }
        Reply::Gap(expected) => {
            state.gap(request, &Gap { expected: Sequence(expected) });
        }
    }
}

fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let window = random.u32(1..40);
    let limits = |model: &Model| welcome(model.recorded.len() as u64, window, 1 + window / 3);
    let mut model = Model { recorded: Vec::new(), arriving: VecDeque::new(), leaving: VecDeque::new() };
    let mut state = DeviceState::new(Epoch(1));
    state.connected(&limits(&model)).unwrap();
    let (mut pushed, mut acknowledged) = (0, Vec::new());
    for now_ms in 0..200_000 {
        if acknowledged.len() as u64 == PUNCHES {
            break;
        }
        match random.u8(0..20) {
            0..=4 if pushed < PUNCHES => {
                pushed += 1;
                state.push(RegionId(random.u16(1..3)), punch(pushed), pushed);
            }
            0..=8 => model.arriving.extend(state.next_batch(now_ms)),
            9..=13 => model.serve(random.u8(..) < 20),
            14 => model.shuffle(&mut random),
            15 if random.u8(..) < 40 => {
                let halfway = random.usize(..=model.arriving.len());
                (0..halfway).for_each(|_| model.serve(false));
                model.arriving.clear();
                model.leaving.clear();
                state = state.clone();
                state.connected(&limits(&model)).unwrap();
            }
            _ => hear(&mut state, &mut model, now_ms, &mut acknowledged),
        }
        assert!(acknowledged.len() <= model.recorded.len(), "seed {seed}: acknowledged before recorded");
    }
    let expected: Vec<_> = (1..=PUNCHES).collect();
    assert_eq!(model.recorded, expected, "seed {seed}: the record");
    let acknowledged: Vec<_> = acknowledged.iter().map(|one| (one.sequence.0, one.tag)).collect();
    assert_eq!(acknowledged, (1..=PUNCHES).map(|one| (one, one)).collect::<Vec<_>>(), "seed {seed}");
}

#[test]
fn every_punch_is_acknowledged_once_in_order_and_only_when_recorded() {
    for seed in 0..SEEDS {
        run(seed);
    }
}

#[test]
fn refused_punches_are_set_aside_and_their_numbers_go_to_those_that_follow() {
    for (code, detail, aside, resent) in [
        (ErrorCode::PlaceDenied, 1, vec![5], vec![(4, 3)]),
        (ErrorCode::ScanDenied, 0, vec![4], vec![(4, 3)]),
        (ErrorCode::RegionDenied, 1, vec![5, 6], vec![(4, 2)]),
        (ErrorCode::BadBody, 0, vec![4, 5, 6], vec![(4, 1)]),
        (ErrorCode::PlaceDenied, 3, vec![], vec![]),
    ] {
        let mut state = connected(64, 3, 7);
        let requests: Vec<_> = std::iter::from_fn(|| state.next_batch(0)).map(|(id, _)| id).collect();
        state.verdicts(requests[0], &verdicts(1, 3), &mut Vec::new()).unwrap();
        let error = Error { code: code.number(), detail, text: String::new() };
        assert_eq!(state.refused(requests[1], &error), !aside.is_empty(), "{code}");
        let tags: Vec<_> = state.take_set_aside().iter().map(|aside| aside.tag).collect();
        assert_eq!((tags, sent(&mut state, 0)), (aside, resent), "{code} {detail}");
    }
}
