//! Damage that no power cut can cause: flipped bits; cut, missing, swapped and repeated files. It is reported with the file's name or
//! has no effect; it causes no panic, and the log never looks complete and shorter.

use super::bench::{Bench, Stored};
use super::simulated::SimulatedDisk;
use crate::disk::Disk;
use crate::{LedgerError, scrub, segment_name, segment_numbers};

/// Makes a log of several segments, ended in good order.
fn sound_log(directory: &std::path::Path, vouched: bool) -> (Bench, Stored) {
    let mut bench = Bench::new(SimulatedDisk::new(5), directory, 2048);
    for _ in 0..2 {
        let mut open = bench.open().expect("opens");
        for round in 0..30 {
            bench.now_ms += 60_000;
            let next = |device: usize| bench.devices[device].acknowledged + 1;
            let runs = [(0, next(0), 1 + round % 4), (1, next(1), 2)];
            bench.send(&mut open, &runs);
        }
        if vouched {
            open.close(&bench.at());
        }
    }
    let stored = bench.stored().expect("sound");
    (bench, stored)
}

#[test]
fn the_scrub_finds_a_flipped_bit_in_any_closed_segment() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, _) = sound_log(directory.path(), true);
    let numbers = segment_numbers(&bench.disk.list().expect("listed"));
    let (_, closed) = numbers.split_last().expect("segments");
    for &number in closed {
        let name = segment_name(number);
        scrub::check(&bench.disk, number).expect("sound");
        let len = bench.disk.read(&name).expect("read").len();
        for at in (0..len).step_by(31) {
            let copy = bench.disk.copy(1);
            copy.damage(&name, |bytes| bytes[at] ^= 4);
            assert!(scrub::check(&copy, number).is_err(), "{name} byte {at}");
        }
    }
    let expired = 1_000;
    scrub::check(&bench.disk, expired).expect("a segment that has gone is in order");
}

fn names(bench: &Bench) -> Vec<String> {
    let names = bench.disk.list().expect("listed");
    segment_numbers(&names).into_iter().map(segment_name).collect()
}

/// Reads the whole log and opens it; both either refuse it or find every punch.
fn check(bench: &Bench, stored: &Stored, seed: u64, what: &str, damage: impl Fn(&SimulatedDisk)) -> bool {
    let copy = bench.disk.copy(seed);
    damage(&copy);
    let damaged = bench.on(copy);
    let read = damaged.stored();
    if let Ok(read) = &read {
        assert!(read == stored, "{what}: reads as whole and is not");
    }
    let opened = damaged.open();
    for error in [read.as_ref().err(), opened.as_ref().err()].into_iter().flatten() {
        let named =
            matches!(error, LedgerError::Corrupt { .. } | LedgerError::Newer { .. } | LedgerError::Key(_));
        assert!(named, "{what}: {error}");
    }
    if opened.is_ok() {
        // Opening reads the newest segments only, and must not hide the content of the others.
        drop(opened);
        if let Ok(after) = damaged.stored() {
            assert!(&after == stored, "{what}: opened as whole and is not");
        }
    }
    read.is_err()
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, stored) = sound_log(directory.path(), true);
    let names = names(&bench);
    assert!(names.len() > 4, "{names:?}");
    let (mut flips, mut refused) = (0, 0);
    for name in &names {
        let len = bench.disk.read(name).expect("read").len();
        for at in (0..len).step_by(7) {
            let bit = 1 << (at % 8);
            let flip = |disk: &SimulatedDisk| disk.damage(name, |bytes| bytes[at] ^= bit);
            refused += u64::from(check(&bench, &stored, flips, &format!("{name} byte {at}"), flip));
            flips += 1;
        }
    }
    println!("{flips} flips, {refused} refused");
    assert!(refused * 3 > flips, "most of a log is content: {refused} of {flips}");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, stored) = sound_log(directory.path(), true);
    for name in names(&bench) {
        let len = bench.disk.read(&name).expect("read").len();
        for to in (0..len).step_by(13) {
            let cut = |disk: &SimulatedDisk| disk.damage(&name, |bytes| bytes.truncate(to));
            check(&bench, &stored, to as u64, &format!("{name} cut to {to} of {len}"), cut);
        }
    }
}

#[test]
fn missing_swapped_and_repeated_segments_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, stored) = sound_log(directory.path(), true);
    let names = names(&bench);
    for (at, name) in names.iter().enumerate() {
        let remove = |disk: &SimulatedDisk| disk.remove(name).expect("removed");
        assert!(check(&bench, &stored, 1, &format!("{name} missing"), remove));
        for other in &names[at + 1..] {
            let (here, there) = (bench.disk.read(name).expect("read"), bench.disk.read(other).expect("read"));
            let swap = |disk: &SimulatedDisk| {
                disk.damage(name, |bytes| bytes.clone_from(&there));
                disk.damage(other, |bytes| bytes.clone_from(&here));
            };
            assert!(check(&bench, &stored, 1, &format!("{name} and {other} swapped"), swap));
            let repeat = |disk: &SimulatedDisk| disk.damage(other, |bytes| bytes.clone_from(&here));
            assert!(check(&bench, &stored, 1, &format!("{name} twice"), repeat));
        }
    }
}

#[test]
fn only_the_last_batch_may_be_cut_for_looking_torn() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, stored) = sound_log(directory.path(), false);
    let last = names(&bench).pop().expect("segments");
    let total = |stored: &Stored| stored.values().map(Vec::len).sum::<usize>();
    let len = bench.disk.read(&last).expect("read").len();
    for at in 0..len {
        let copy = bench.disk.copy(1);
        copy.damage(&last, |bytes| bytes[at] ^= 1);
        let damaged = bench.on(copy);
        if let Ok(left) = damaged.stored() {
            // The last round of `sound_log` sends at most four and two.
            assert!(total(&left) + 6 >= total(&stored), "byte {at}: more than one batch is gone");
        }
    }
}

#[test]
fn what_to_do_about_damage_depends_on_where_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bench, _) = sound_log(directory.path(), true);
    let names = names(&bench);
    let said = |damage: &dyn Fn(&SimulatedDisk)| {
        let copy = bench.disk.copy(1);
        damage(&copy);
        bench.on(copy).stored().expect_err("it is found").to_string()
    };
    let flip = |name: &String| said(&|disk: &SimulatedDisk| disk.damage(name, |bytes| bytes[20] ^= 1));
    let closed = flip(&names[0]);
    assert!(closed.contains(&names[0]) && closed.contains("the gateway can start meanwhile"), "{closed}");
    let newest = flip(names.last().expect("segments"));
    assert!(newest.contains("the gateway does not start with it, and no copy holds its end"), "{newest}");
    let missing = said(&|disk: &SimulatedDisk| disk.remove(&names[2]).expect("removed"));
    let expected = format!("{}: it is missing after LSN ", names[2]);
    assert!(missing.contains(&expected) && !missing.contains("LSN 0"), "{missing}");
    assert!(missing.contains("the gateway does not start without it"), "{missing}");
}
