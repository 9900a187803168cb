//! A full disk stops punches only. Devices that reconnect, a restart, the record of a loss, and the expiry at midnight go on.

use super::bench::{Bench, DEVICES, Open, START_MS};
use super::simulated::{Fault, SimulatedDisk};
use super::*;
use crate::disk::Disk;

const DAY_MS: u64 = 86_400_000;

/// Makes a log with acknowledged punches on a full disk: the next punch is answered `Busy`.
fn full(directory: &Path, seed: u64) -> (Bench, Open) {
    let mut bench = Bench::new(SimulatedDisk::new(seed), directory, 2048);
    let mut open = bench.open().expect("opens");
    for _ in 0..40 {
        bench.now_ms += 60_000;
        assert!(matches!(punch(&mut bench, &mut open), AppendOutcome::Recorded(_)));
    }
    bench.disk.leave(0);
    while matches!(punch(&mut bench, &mut open), AppendOutcome::Recorded(_)) {}
    (bench, open)
}

fn punch(bench: &mut Bench, open: &mut Open) -> AppendOutcome {
    let runs: Vec<_> =
        (0..DEVICES).map(|device| (device, bench.devices[device as usize].acknowledged + 1, 3)).collect();
    bench.send(open, &runs).pop().expect("one for each run")
}

#[test]
fn a_device_that_says_hello_on_a_full_disk_is_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut bench, mut open) = full(directory.path(), 1);
    let known = |recorded, lost| HelloOutcome::Known { recorded: Sequence(recorded), lost };
    for device in 0..DEVICES {
        let held = bench.devices[device as usize].acknowledged;
        assert_eq!(bench.hello(&mut open, device, held), known(held, 0));
    }
    assert_eq!(bench.hello(&mut open, 90, 0), known(0, 0), "one that is new");
    assert_eq!(bench.hello(&mut open, 91, 7), known(7, 7), "a loss is on record");
    assert_eq!(punch(&mut bench, &mut open), AppendOutcome::Busy, "punches do not get that room");
    bench.disk.power_on();
    let mut open = bench.open().expect("opens on a full disk");
    assert_eq!(bench.hello(&mut open, 91, 7), known(7, 0), "it was on record");
    bench.disk.leave(0);
    assert_eq!(punch(&mut bench, &mut open), AppendOutcome::Busy);
    bench.disk.leave(1 << 20);
    open.idle(&bench.at());
    assert!(matches!(punch(&mut bench, &mut open), AppendOutcome::Recorded(_)), "it heals");
}

#[test]
fn a_log_starts_on_a_full_disk_and_loses_nothing_however_it_ended() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cuts = 0;
    for seed in 0..150 {
        let (mut bench, open) = full(directory.path(), seed);
        let mut random = fastrand::Rng::with_seed(seed);
        drop(open);
        for turn in 0..8 {
            let when = format!("seed {seed}, turn {turn}");
            match random.u8(0..3) {
                0 => bench.disk.plan(random.u64(0..12), Fault::PowerCut),
                1 => bench.disk.plan(random.u64(0..12), Fault::Io),
                _ => {}
            }
            let opened = bench.open();
            match opened {
                Ok(mut open) => {
                    bench.greet(&mut open);
                    let answer = punch(&mut bench, &mut open);
                    let expected = matches!(answer, AppendOutcome::Busy | AppendOutcome::Recorded(_));
                    assert!(expected || bench.disk.fault_came().is_some(), "{when}: {answer:?}");
                }
                Err(error) => assert!(bench.disk.fault_came().is_some(), "{when}: {error}"),
            }
            cuts += u64::from(bench.disk.fault_came().is_some());
            if random.bool() {
                bench.disk.power_on();
            } else {
                bench.disk.process_restarts();
            }
            bench.check();
            bench.disk.leave(if random.u8(0..4) == 0 { 4096 } else { 0 });
        }
        bench.disk.power_on();
        bench.disk.leave(1 << 20);
        let mut open = bench.open().expect("there is room");
        assert!(matches!(punch(&mut bench, &mut open), AppendOutcome::Recorded(_)), "seed {seed}");
        bench.check();
    }
    println!("{cuts} faults");
}

#[test]
fn midnight_on_a_full_disk_forgets_and_heals_it() {
    let directory = tempfile::tempdir().expect("a directory");
    for restarts in [false, true] {
        let (mut bench, mut open) = full(&directory.path().join(restarts.to_string()), 3);
        let before = segment_numbers(&bench.disk.list().expect("listed")).len();
        bench.now_ms = START_MS + 16 * DAY_MS;
        if restarts {
            drop(open);
            // No power cut here: it undoes unsynced truncations of closed segments, whose space the simulated disk has reused.
            bench.disk.process_restarts();
            open = bench.open().expect("opens on a full disk");
        }
        assert!(before > 5, "{before} segments");
        for _ in 0..3 * before {
            open.idle(&bench.at());
        }
        let left = segment_numbers(&bench.disk.list().expect("listed")).len();
        assert!(left < before, "{left} of {before} segments are left");
        assert!(
            matches!(punch(&mut bench, &mut open), AppendOutcome::Recorded(_)),
            "what was forgotten makes room"
        );
        assert!(!open.is_poisoned());
    }
}
