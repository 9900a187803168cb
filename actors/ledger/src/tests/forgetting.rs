//! Expiry of a day while punches are recorded: each step reads and does little, and the process may end between any two steps.

use runtime::clock::Reading;

use super::bench::Bench;
use super::simulated::{Fault, SimulatedDisk};
use super::*;
use crate::disk::Disk;
use crate::recover::recover;
use crate::seal::DayKeys;

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;
const BATCH_BYTES: usize = 20_000;

/// Makes a log of an old day: a segment for each hour, each much longer than its header.
fn old_day(disk: &SimulatedDisk, config: &LedgerConfig, start_ms: u64) -> log::Log<SimulatedDisk> {
    let keys = DayKeys::open(&config.day_keys).expect("a directory");
    let mut log = recover(disk.clone(), keys, config, &Reading::plain(start_ms)).expect("opens");
    for hour in 0..24 {
        let now_ms = start_ms + hour * HOUR_MS;
        log.preallocate(2 * BATCH_BYTES as u64, &Reading::plain(now_ms)).expect("has room");
        let mark =
            format::Mark { device: DeviceId(1), epoch: Epoch(1), recorded: Sequence(hour * 700 + 700) };
        log.marks.set(mark);
        let entry = format::Entry::Run(Run {
            device: mark.device,
            epoch: mark.epoch,
            region: RegionId(1),
            first: Sequence(hour * 700 + 1),
            received_ms: now_ms,
            window_punches: 64,
            punches: (0..700).map(record).collect(),
        });
        log.commit(&[entry], &[mark], &Reading::plain(now_ms)).expect("writes");
    }
    log
}

fn segments(disk: &SimulatedDisk) -> usize {
    segment_numbers(&disk.list().expect("listed")).len()
}

#[test]
fn a_step_of_forgetting_reads_a_header_and_removes_one_segment_at_most() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, disk) = (config(directory.path()), SimulatedDisk::new(1));
    let start_ms = bench::START_MS;
    let mut log = old_day(&disk, &config, start_ms);
    let now_ms = start_ms + 16 * DAY_MS;
    log.preallocate(100, &Reading::plain(now_ms)).expect("has room");
    log.commit(&[], &[], &Reading::plain(now_ms)).expect("writes");
    let before = segments(&disk);
    let mut steps = 0;
    disk.bytes_read();
    while log.expired_on != Some(time::day(now_ms)) {
        let left = segments(&disk);
        log.expire(&Reading::plain(now_ms)).expect("expires");
        let read = disk.bytes_read();
        assert!(read < 1024, "{read} bytes in step {steps}");
        assert!(segments(&disk) + 1 >= left, "step {steps}");
        steps += 1;
    }
    // The day's last segment ends where today's begins.
    assert!(before > 20 && segments(&disk) == 2, "{before} before, {} after", segments(&disk));
    println!("{steps} steps for {before} segments");
}

/// Ends the process, or cuts the power, after each number of steps and at each disk call within a step.
#[test]
fn an_end_between_two_steps_of_forgetting_harms_nothing() {
    let start_ms = bench::START_MS;
    let now_ms = start_ms + 16 * DAY_MS;
    for call in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = SimulatedDisk::new(call);
        let mut bench = Bench::new(disk.clone(), directory.path(), 1 << 20);
        let config = LedgerConfig { day_keys: bench.config.day_keys.clone(), ..bench.config.clone() };
        let mut log = old_day(&disk, &config, start_ms);
        disk.plan(call, Fault::PowerCut);
        let went = forget(&mut log, &Reading::plain(now_ms));
        let all = disk.fault_came().is_none();
        assert_eq!(went.is_ok(), all, "{went:?}");
        drop(log);
        disk.power_on();
        bench.now_ms = now_ms;
        let mut open = bench.open().unwrap_or_else(|error| panic!("call {call}: {error}"));
        for _ in 0..100 {
            open.idle(&Reading::plain(now_ms));
        }
        drop(open);
        assert!(segments(&disk) <= 2, "call {call}: {} are left", segments(&disk));
        if all {
            println!("{call} calls");
            assert!(call > 20, "{call} calls");
            break;
        }
    }
}
