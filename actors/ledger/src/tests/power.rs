//! Ten thousand power cuts at seeded disk calls, also during a recovery: every acknowledged punch is on disk afterwards, once.

use super::bench::{Bench, DEVICES};
use super::simulated::{Fault, SimulatedDisk};
use crate::AppendOutcome;

const CUTS: u64 = 20;
const ROUNDS_MAX: usize = 200;

/// Returns the number of logs: 500, or more in a long run.
fn seeds() -> u64 {
    option_env!("CHANGTONG_POWER_SEEDS").and_then(|seeds| seeds.parse().ok()).unwrap_or(500)
}

#[test]
fn ten_thousand_power_cuts_lose_and_double_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let started = runtime::clock::now();
    let (mut cuts, mut acknowledged) = (0, 0);
    for seed in 0..seeds() {
        let result = std::panic::catch_unwind(|| one_log(seed, directory.path()));
        let Ok((cut, acked)) = result else {
            panic!("seed {seed} failed; run one_log({seed}, …) to replay")
        };
        cuts += cut;
        acknowledged += acked;
    }
    assert!(cuts >= 10_000, "{cuts} cuts");
    println!("{cuts} power cuts, {acknowledged} punches acknowledged, {:?}", runtime::clock::since(started));
}

/// Cuts the power of one log repeatedly.
fn one_log(seed: u64, directory: &std::path::Path) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let segment_bytes_max = random.u64(1024..16 * 1024);
    let mut bench = Bench::new(SimulatedDisk::new(seed), directory, segment_bytes_max);
    for _ in 0..CUTS {
        bench.disk.plan(random.u64(0..50), Fault::PowerCut);
        until_the_power_goes(&mut bench, &mut random);
        bench.disk.power_on();
        bench.check();
    }
    (CUTS, bench.devices.iter().map(|device| device.acknowledged).sum())
}

fn until_the_power_goes(bench: &mut Bench, random: &mut fastrand::Rng) {
    let mut open = match bench.open() {
        Ok(open) => open,
        Err(error) => {
            assert!(bench.disk.fault_came().is_some(), "a power cut never keeps a log from opening: {error}");
            return;
        }
    };
    bench.greet(&mut open);
    for _ in 0..ROUNDS_MAX {
        if bench.disk.fault_came().is_some() {
            return;
        }
        one_round(bench, &mut open, random);
    }
    panic!("the planned cut never came");
}

fn one_round(bench: &mut Bench, open: &mut super::bench::Open, random: &mut fastrand::Rng) {
    bench.now_ms += [0, 5, 60_000, 1_800_000][random.usize(0..4)] / 4;
    if random.u8(0..8) == 0 {
        open.idle(&bench.at());
    }
    if random.u8(0..40) == 0 {
        bench.next_epoch(random.u64(0..DEVICES));
    }
    let mut runs = Vec::new();
    for device in 0..DEVICES {
        if random.bool() {
            // From punches that may be recorded already to right after the acknowledged ones.
            let next = bench.devices[device as usize].acknowledged + 1;
            let first = next.saturating_sub(random.u64(0..4)).max(1);
            let new = random.u64(0..6);
            runs.push((device, first, next - first + new.max(1)));
        }
    }
    let mut outcomes = bench.send(open, &runs);
    // Old repeats with new punches after them are answered `Busy` and sent again.
    let again: Vec<_> = runs
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == AppendOutcome::Busy)
        .map(|(run, _)| *run)
        .collect();
    if !again.is_empty() {
        outcomes.retain(|outcome| *outcome != AppendOutcome::Busy);
        outcomes.extend(bench.send(open, &again));
    }
    if bench.disk.fault_came().is_none() {
        let recorded = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Recorded(_));
        assert!(outcomes.iter().all(recorded), "{runs:?}: {outcomes:?}");
    }
}
