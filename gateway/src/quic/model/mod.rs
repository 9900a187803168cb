//! The device's stream as the specification has it, as a model that random interleavings of everything that can happen are held
//! against: the session's own stream on one side, the load generator's own device on the other.

mod beyond;
mod rules;
mod world;

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runtime::clock;
use world::{Seen, World};

use super::metrics::QuicMetrics;

/// From so many cases on their average is what it usually is.
const ENOUGH_CASES: u32 = 1_000;
/// The longest course of events.
const OPS_MAX: usize = 120;

/// The punch of a person.
#[derive(Clone, Copy, Debug)]
enum What {
    Good,
    /// At a place that the device may not speak for.
    Elsewhere,
    /// Of a kind that its class may not send.
    SignedIn,
}

/// An event that can happen next. Regions are told apart by `false` and `true`; what cannot happen now does nothing.
#[derive(Clone, Copy, Debug)]
enum Op {
    Push(bool, What),
    /// The device sends so many batches.
    Send(u8),
    /// The gateway reads so many frames in one go.
    Read(u8),
    /// The gateway looks at what has landed.
    Turn,
    /// The device hears so many answers.
    Hear(u8),
    Judge(bool),
    Panic(bool),
    Park(bool, bool),
    FillRegion(bool, bool),
    FillLog(bool),
    Forget(bool),
    Write(u8),
    Find(bool),
    Wait(u8),
    Connect,
    Lose,
    Drain,
    Crash,
    Epoch,
    /// From its next connection on the device may speak for the second region, or not.
    Allow(bool),
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![12 => Just(What::Good), 1 => Just(What::Elsewhere), 1 => Just(What::SignedIn)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => (any::<bool>(), what()).prop_map(|(region, what)| Op::Push(region, what)),
        12 => (1..4u8).prop_map(Op::Send),
        12 => (1..6u8).prop_map(Op::Read),
        10 => Just(Op::Turn),
        10 => (1..4u8).prop_map(Op::Hear),
        12 => any::<bool>().prop_map(Op::Judge),
        4 => any::<bool>().prop_map(Op::Panic),
        2 => any::<(bool, bool)>().prop_map(|(region, parked)| Op::Park(region, parked)),
        3 => any::<(bool, bool)>().prop_map(|(region, full)| Op::FillRegion(region, full)),
        2 => any::<bool>().prop_map(Op::FillLog),
        2 => any::<bool>().prop_map(Op::Forget),
        12 => (1..4u8).prop_map(Op::Write),
        3 => any::<bool>().prop_map(Op::Find),
        6 => any::<u8>().prop_map(Op::Wait),
        4 => Just(Op::Connect),
        1 => Just(Op::Lose),
        1 => Just(Op::Drain),
        1 => Just(Op::Crash),
        1 => Just(Op::Epoch),
        2 => any::<bool>().prop_map(Op::Allow),
    ]
}

/// Some thousands, or as many as the runner of long tests says.
fn cases() -> u32 {
    option_env!("CHANGTONG_STREAM_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(4_000)
}

/// Another each time; `CHANGTONG_STREAM_SEED` at build time replays one.
fn seed() -> u64 {
    option_env!("CHANGTONG_STREAM_SEED").and_then(|seed| seed.parse().ok()).unwrap_or_else(clock::now_ms)
}

#[test]
fn whatever_happens_each_punch_is_acknowledged_once_in_order_and_no_device_is_silent_for_good() {
    let (cases, seed) = (cases(), seed());
    println!("seed {seed}, {cases} cases");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let (metrics, begun, seen) = (QuicMetrics::new(0, std::iter::empty()), Cell::new(0), Seen::default());
    let outcome = TestRunner::new_with_rng(config, random).run(&vec(op(), 1..OPS_MAX), |ops| {
        begun.set(begun.get() + 1);
        let mut world = World::new(&metrics, &seen);
        ops.into_iter().for_each(|op| world.step(op));
        world.settle();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("seed {seed}, {} cases with those of the shrinking: {error}", begun.get());
    }
    let [gaps, behind, overtaken] = [&seen.gaps, &seen.behind_verdicts, &seen.overtaken].map(Cell::get);
    println!("{gaps} gaps, {behind} of them behind verdicts, {overtaken} of them overtaken by a verdict");
    // Nearly one a case is usual.
    assert!(cases < ENOUGH_CASES || behind >= cases / 2, "{behind} gaps behind verdicts in {cases} cases");
    assert_eq!(overtaken, 0, "batches of one device reach the log in their order");
}
