//! One fault at each disk call of a fixed course, in turn: errors end the log without a false acknowledgement, a full disk answers
//! `Busy` and recovers, and interruptions and short writes have no effect.

use runtime::clock::{self, Reading};

use super::bench::{Bench, DEVICES, Open};
use super::simulated::{Fault, SimulatedDisk};
use crate::log::CommitError;
use crate::seal::DayKeys;
use crate::tests::{config, forget};
use crate::{AppendOutcome, recover};

const ROUNDS: u64 = 60;
const MINUTES_7: u64 = 420_000;

/// The course of a simulated log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Course {
    opened: bool,
    poisoned: bool,
    busy: u64,
    down: u64,
}

/// Opens the log and sends unacknowledged punches until `ROUNDS` rounds are over or the log is poisoned.
fn course(bench: &mut Bench) -> Course {
    let mut course = Course::default();
    let Ok(mut open) = bench.open() else { return course };
    course.opened = true;
    bench.greet(&mut open);
    for round in 0..ROUNDS {
        bench.now_ms += MINUTES_7;
        for outcome in one_round(bench, &mut open, round) {
            match outcome {
                AppendOutcome::Recorded(_) => {
                    assert!(!course.poisoned, "nothing is acknowledged by a poisoned log")
                }
                AppendOutcome::Busy => course.busy += 1,
                AppendOutcome::Down => course.down += 1,
                other @ (AppendOutcome::Gap { .. }
                | AppendOutcome::NumberUsed { .. }
                | AppendOutcome::EpochBehind { .. }
                | AppendOutcome::NotCopied) => {
                    panic!("{other:?}")
                }
            }
        }
        if round % 7 == 0 {
            open.idle(&bench.at());
        }
        course.poisoned = open.is_poisoned();
    }
    course
}

fn one_round(bench: &mut Bench, open: &mut Open, round: u64) -> Vec<AppendOutcome> {
    let runs: Vec<_> = (0..DEVICES)
        .filter(|device| !(round + device).is_multiple_of(3))
        .map(|device| {
            let first = bench.devices[device as usize].acknowledged + 1;
            (device, first, 1 + (round + device) % 5)
        })
        .collect();
    bench.send(open, &runs)
}

/// Runs the course once for each disk call, with the fault at that call. Returns the number of calls.
fn at_every_call(fault: Fault, check: impl Fn(&Bench, &Course, &'static str)) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut calls = 0;
    for call in 0.. {
        let mut bench = Bench::new(SimulatedDisk::new(call), directory.path(), 4096);
        // Half of the course comes before, so that recovery has something to do.
        assert!(course(&mut bench).opened);
        bench.disk.plan(call, fault);
        let went = course(&mut bench);
        let Some(kind) = bench.disk.fault_came() else { break };
        check(&bench, &went, kind);
        let call = format!("{fault:?} at call {call} ({kind}): {went:?}");
        // The process restarts with the cache, which may not be on disk; then the power is cut.
        bench.disk.process_restarts();
        assert!(course(&mut bench).opened, "{call}");
        bench.check();
        bench.disk.power_on();
        bench.check();
        assert!(course(&mut bench).opened, "{call}");
        bench.check();
        calls += 1;
    }
    println!("{fault:?}: {calls} calls");
    assert!(calls > 100, "the course is too short to show anything: {calls} calls");
}

#[test]
fn an_error_at_any_call_ends_the_log_and_loses_nothing() {
    at_every_call(Fault::Io, |_, went, kind| {
        assert!(went.poisoned || !went.opened || kind == "remove", "{kind}: {went:?}");
        assert_eq!(went.busy, 0, "{kind}: {went:?}");
    });
}

#[test]
fn a_full_disk_is_busy_and_heals_where_room_is_made() {
    at_every_call(Fault::Full, |bench, went, kind| {
        let makes_room = matches!(kind, "create" | "allocate");
        assert!(!makes_room || !went.poisoned, "{kind}: {went:?}");
        if went.opened && !went.poisoned {
            assert_eq!(went.down, 0, "{kind}: {went:?}");
            assert!(bench.devices.iter().all(|device| device.acknowledged > ROUNDS * 3), "{kind}: {went:?}");
        }
    });
}

#[test]
fn interruptions_and_short_writes_are_not_noticed() {
    for fault in [Fault::Interrupted, Fault::Short] {
        at_every_call(fault, |_, went, kind| {
            let unharmed = Course { opened: true, ..Course::default() };
            assert_eq!(*went, unharmed, "{fault:?} at {kind}");
        });
    }
}

#[test]
fn a_disk_without_room_for_the_record_of_it_puts_forgetting_off() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let mut calls = 0;
    for call in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let config = config(directory.path());
        let disk = SimulatedDisk::new(call);
        let keys = DayKeys::open(&config.day_keys).expect("a directory");
        let mut now_ms = clock::now_ms();
        let mut log = recover::recover(disk.clone(), keys, &config, &Reading::plain(now_ms)).expect("opens");
        for _ in 0..20 {
            now_ms += DAY_MS;
            log.preallocate(100, &Reading::plain(now_ms)).expect("has room");
            log.commit(&[], &[], &Reading::plain(now_ms)).expect("writes");
        }
        disk.plan(call, Fault::Full);
        let went = forget(&mut log, &Reading::plain(now_ms));
        let Some(kind) = disk.fault_came() else { break };
        // Removals need no space, and the last sync of the directory is not that of the record.
        if matches!(kind, "create" | "allocate" | "write") {
            assert!(matches!(went, Err(CommitError::Full)), "{kind}: {went:?}");
            forget(&mut log, &Reading::plain(now_ms)).expect("there is room now");
        }
        calls += 1;
    }
    assert!(calls > 3, "{calls} calls");
}
