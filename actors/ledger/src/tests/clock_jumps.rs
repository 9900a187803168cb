//! Wall clocks that jump, stand at 1970 or go back a year, and machines that were off for weeks: no data is destroyed, punches are
//! recorded, and the log opens afterwards.

use runtime::clock::{Belief, Reading};

use super::bench::{Bench, DEVICES, Open, START_MS};
use super::simulated::SimulatedDisk;
use crate::AppendOutcome;
use crate::deletions::{DELETIONS, forgotten};
use crate::disk::Disk;
use crate::read::newest_in;
use crate::time;
use crate::walk::for_each_segment;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The maximum number of steps of a day's expiry in these tests.
const STEPS: usize = 150;
/// The errors of the clocks, in milliseconds; the last one goes back to 1970.
const WRONG_MS: [i64; 7] = [
    16 * DAY_MS as i64,
    1_000 * DAY_MS as i64,
    2 * HOUR_MS as i64,
    -(2 * HOUR_MS as i64),
    -(20 * DAY_MS as i64),
    -(365 * DAY_MS as i64),
    i64::MIN / 2,
];

/// A machine with a wall clock of its own, and the log's processes on it, one after the other.
struct Machine {
    bench: Bench,
    open: Option<Open>,
    belief: Belief,
    elapsed_ms: u64,
    truth_ms: u64,
    wrong_ms: i64,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// Starts with three days of punches.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::new(SimulatedDisk::new(1), directory.path(), 64 * 1024);
        let mut machine = Self {
            bench,
            open: None,
            belief: Belief::new(None, 0),
            elapsed_ms: 0,
            truth_ms: START_MS + 700 * DAY_MS,
            wrong_ms: 0,
            _directory: directory,
        };
        machine.start();
        for _ in 0..9 {
            machine.pass(8 * HOUR_MS);
            machine.punch();
        }
        machine.stop();
        machine.start();
        assert!(machine.at().doubt.is_none());
        machine
    }

    fn start(&mut self) {
        self.belief = Belief::new(newest_in(&self.bench.disk).expect("sound"), self.elapsed_ms);
        self.pass(1_000);
        let mut open = self.bench.open().expect("opens");
        open.idle(&self.at());
        self.bench.greet(&mut open);
        self.open = Some(open);
    }

    fn stop(&mut self) {
        let at = self.at();
        self.open.take().expect("open").close(&at);
    }

    fn pass(&mut self, ms: u64) {
        (self.truth_ms, self.elapsed_ms) = (self.truth_ms + ms, self.elapsed_ms + ms);
        let wall_ms = self.truth_ms.saturating_add_signed(self.wrong_ms);
        self.bench.reading = Some(self.belief.read(wall_ms, self.elapsed_ms));
        self.idle();
    }

    fn at(&self) -> Reading {
        self.bench.at()
    }

    fn idle(&mut self) {
        let at = self.at();
        if let Some(open) = &mut self.open {
            // A day expires in steps.
            (0..STEPS).for_each(|_| open.idle(&at));
            assert!(!open.is_poisoned());
        }
    }

    /// Sets the clock wrong by that much.
    fn set_wrong(&mut self, ms: i64) {
        self.wrong_ms = ms;
        self.pass(1_000);
    }

    /// Sends a punch of every device.
    fn punch(&mut self) {
        let next = |device: u64| self.bench.devices[device as usize].acknowledged + 1;
        let runs: Vec<_> = (0..DEVICES).map(|device| (device, next(device), 3)).collect();
        let outcomes = self.bench.send(self.open.as_mut().expect("open"), &runs);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, AppendOutcome::Recorded(_))), "{outcomes:?}");
        self.idle();
    }

    fn order(&mut self) {
        let wall_ms = self.truth_ms.saturating_add_signed(self.wrong_ms);
        self.bench.reading = Some(self.belief.believe(wall_ms, self.elapsed_ms));
        self.idle();
    }

    fn stored(&self) -> usize {
        self.bench.stored().expect("sound").values().map(Vec::len).sum()
    }

    fn deletions(&self) -> String {
        String::from_utf8(self.bench.disk.read(DELETIONS).unwrap_or_default()).expect("text")
    }

    fn doubted(&self) -> usize {
        let mut doubted = 0;
        for_each_segment(&self.bench.disk, |segment| {
            doubted += segment.batches.iter().filter(|batch| batch.header.is_doubted).count();
            Ok(())
        })
        .expect("sound");
        doubted
    }
}

#[test]
fn no_step_of_a_clock_destroys_anything_and_punches_go_on() {
    for wrong_ms in WRONG_MS {
        for (restarts_wrong, restarts_right) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut machine = Machine::new();
            if restarts_wrong {
                machine.stop();
            }
            machine.set_wrong(wrong_ms);
            if restarts_wrong {
                machine.start();
            }
            let is_small = wrong_ms.unsigned_abs() == 2 * HOUR_MS;
            // At a start, a clock two hours ahead cannot be distinguished from two hours of downtime.
            let is_believed = restarts_wrong && is_small && wrong_ms > 0;
            for _ in 0..3 {
                machine.punch();
                machine.pass(20_000);
            }
            assert_eq!(machine.at().doubt.is_none(), is_believed, "{wrong_ms}");
            machine.set_wrong(0);
            if restarts_right {
                machine.stop();
                machine.start();
            }
            assert!(machine.at().doubt.is_none() || is_believed, "believed again: {wrong_ms}");
            machine.punch();
            machine.stop();
            machine.start();
            machine.punch();
            machine.bench.check();
            assert_eq!(machine.deletions(), "", "{wrong_ms}");
            assert!(machine.doubted() > 0 || is_believed, "the log says so: {wrong_ms}");
        }
    }
}

#[test]
fn days_go_on_while_a_clock_is_wrong_and_end_as_they_would() {
    for wrong_ms in [16 * DAY_MS as i64, i64::MIN / 2] {
        let mut machine = Machine::new();
        let before = machine.stored();
        machine.set_wrong(wrong_ms);
        for _ in 0..30 {
            machine.pass(8 * HOUR_MS);
            machine.punch();
        }
        let all = before + 30 * 9;
        assert_eq!(machine.stored(), all, "ten days later all is there");
        for _ in 0..12 {
            machine.pass(8 * HOUR_MS);
        }
        assert!((all - before..all).contains(&machine.stored()), "the first days are over, and no others");
        machine.set_wrong(0);
        machine.stop();
        machine.start();
        machine.punch();
    }
}

#[test]
fn a_machine_that_was_off_for_weeks_forgets_nothing_until_it_is_ordered() {
    let mut machine = Machine::new();
    let before = machine.stored();
    machine.stop();
    machine.truth_ms += 21 * DAY_MS;
    machine.start();
    assert!(machine.at().doubt.is_some_and(|doubt| doubt.step_ms() > 20 * DAY_MS as i64));
    machine.punch();
    machine.pass(2 * DAY_MS);
    machine.punch();
    assert_eq!((machine.stored(), machine.deletions().as_str()), (before + 18, ""));
    machine.order();
    assert_eq!(machine.stored(), 18, "what is older than the retention is gone, what came since is not");
    machine.punch();
    machine.stop();
    machine.start();
    assert!(machine.at().doubt.is_none());
    assert_eq!(machine.stored(), 27);
}

#[test]
fn what_was_written_on_a_day_that_nobody_knows_is_kept_from_when_it_is_known() {
    let mut machine = Machine::new();
    let before = machine.stored();
    machine.stop();
    machine.wrong_ms = i64::MIN / 2;
    machine.truth_ms += 10 * DAY_MS;
    machine.start();
    machine.punch();
    machine.pass(HOUR_MS);
    machine.punch();
    // Two operators confirm the clock, which is right ten days after the newest record.
    machine.set_wrong(0);
    machine.order();
    machine.punch();
    assert_eq!(machine.stored(), before + 27);
    for days in 1..=16 {
        machine.pass(DAY_MS);
        machine.punch();
        let old = machine.deletions().contains("undated-");
        assert_eq!(old, days > 14, "{days} days later: {}", machine.deletions());
    }
    assert!(forgotten(&machine.bench.disk).expect("reads").undated >= time::UNDATED);
    let keys = std::fs::read_dir(&machine.bench.config.day_keys).expect("listed");
    let names: Vec<_> = keys.map(|key| key.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("undated")), "{names:?}");
    machine.stop();
    machine.start();
    machine.punch();
}

#[test]
fn a_day_whose_key_was_destroyed_gets_no_other_key() {
    let mut machine = Machine::new();
    for _ in 0..20 {
        machine.pass(DAY_MS);
        machine.punch();
    }
    let forgotten_days = forgotten(&machine.bench.disk).expect("reads").day;
    let last = machine.stored();
    // Two operators confirm a wrong clock.
    machine.set_wrong(-(18 * DAY_MS as i64));
    machine.order();
    assert!(time::day(machine.at().now_ms) <= forgotten_days);
    machine.punch();
    assert_eq!(machine.stored(), last + 9);
    machine.stop();
    machine.start();
    machine.set_wrong(0);
    machine.order();
    machine.punch();
    machine.stop();
    machine.start();
    assert!(machine.stored() >= 27);
}
