//! The cost of reads, counted in steps of SQLite's virtual machine, not in time: a read for one person costs the same however
//! long the history is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::StatementStatus;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::*;
use crate::audit::{Checkpoint, GrowthError};

/// Runs `work` on a fresh reader; returns its result and the number of steps.
fn steps<T>(registry: &Registry, work: impl FnOnce(&Registry) -> T) -> (T, i64) {
    let mut reader = registry.reader().unwrap();
    let count = Arc::new(AtomicI64::new(0));
    let (counted, mut before) = (Arc::clone(&count), HashMap::new());
    let count_one = move |event: TraceEvent<'_>| {
        if let TraceEvent::Profile(statement, _) = event {
            // A statement's count covers all of its runs.
            let now = i64::from(statement.get_status(StatementStatus::VmStep));
            let last = before.insert(statement.sql().into_owned(), now).unwrap_or(0);
            counted.fetch_add(now - last, Ordering::Relaxed);
        }
    };
    reader.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(count_one)).unwrap();
    let done = work(&reader);
    drop(reader);
    (done, count.load(Ordering::Relaxed))
}

fn decide(registry: &mut Registry, decisions: std::ops::RangeInclusive<u64>) {
    let change = Change { cause: None, authority: "clock", operators: "", policy: "" };
    let colours = (Colour::Red, Colour::Green);
    let some = |registry: &mut Registry| -> Result<(), RegistryError> {
        decisions.into_iter().try_for_each(|n| registry.decide(code(n), colours, &change, n))
    };
    registry.transaction(some).unwrap();
}

fn nodes(registry: &Registry) -> Vec<(i64, i64, Vec<u8>)> {
    let sql = "SELECT level, place, hash FROM nodes ORDER BY level, place";
    let mut query = registry.connection.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_receipt_takes_as_many_steps_among_many_decisions_as_among_few() {
    let (directory, mut registry) = fresh();
    let keys = keys(directory.path());
    let mut last = 0;
    for decisions in [300, 10_000] {
        decide(&mut registry, last + 1..=decisions);
        last = decisions;
        registry.checkpoint(keys.signing_pkcs8(), decisions).unwrap();
        for n in [1, decisions / 2, decisions] {
            let (receipt, receipt_steps) = steps(&registry, |reader| reader.signed_receipt(code(n)));
            let receipt = receipt.unwrap().unwrap();
            assert_eq!((receipt.check(&keys.signing_public()), receipt.index), (Ok(()), n - 1));
            assert!(receipt_steps < 1_500, "{receipt_steps} steps among {decisions} decisions");
        }
        let (growth, growth_steps) = steps(&registry, |reader| reader.growth(299));
        assert!(growth.unwrap().is_some() && growth_steps < 1_500, "{growth_steps} steps");
        let (head, head_steps) = steps(&registry, Registry::tree_head);
        assert!(head.unwrap().decisions == decisions && head_steps < 1_500, "{head_steps} steps");
    }
    registry.verify_decisions(&keys.signing_public()).unwrap();
}

#[test]
fn a_registry_of_an_earlier_release_gets_its_tree_once_also_after_it_was_ended_in_between() {
    let (directory, mut registry) = fresh();
    let keys = keys(directory.path());
    decide(&mut registry, 1..=777);
    let (whole, signed) = (nodes(&registry), registry.checkpoint(keys.signing_pkcs8(), 1).unwrap());
    assert_eq!(whole.len(), 777 / 16 + 777 / 32 + 777 / 64 + 777 / 128 + 777 / 256 + 777 / 512);
    for done in [0, 320] {
        let sql = format!("DELETE FROM nodes WHERE (place + 1) << level > {done}");
        registry.connection.execute_batch(&sql).unwrap();
        let error = registry.verify_decisions(&keys.signing_public()).unwrap_err();
        assert!(matches!(error, RegistryError::Audit { .. }), "{error}");
        drop(registry);
        registry = open(&directory).unwrap();
        assert_eq!(nodes(&registry), whole, "{done} were done");
    }
    registry.verify_decisions(&keys.signing_public()).unwrap();
    decide(&mut registry, 778..=1_100);
    let Checkpoint { size, .. } = registry.checkpoint(keys.signing_pkcs8(), 2).unwrap();
    let growth = registry.growth(777).unwrap().unwrap();
    assert_eq!((size, growth.check(&signed, &keys.signing_public())), (1_100, Ok(())));
    registry.verify_decisions(&keys.signing_public()).unwrap();
}

#[test]
fn a_changed_tree_is_named_and_a_shorter_record_is_not_signed() {
    let (directory, mut registry) = fresh();
    let keys = keys(directory.path());
    decide(&mut registry, 1..=100);
    registry.checkpoint(keys.signing_pkcs8(), 1).unwrap();
    for (forge, mend, expected) in [
        (
            "UPDATE nodes SET hash = (SELECT hash FROM nodes WHERE level = 4 AND place = 1) WHERE level = 5 AND place = 1",
            "DELETE FROM nodes",
            "decision 64: the stored tree over it does not match the decisions",
        ),
        (
            "INSERT INTO nodes (level, place, hash) VALUES (4, 6, x'00')",
            "DELETE FROM nodes",
            "decision 101: it is missing, but the stored tree covers it",
        ),
    ] {
        registry.connection.execute_batch(forge).unwrap();
        let error = registry.verify_decisions(&keys.signing_public()).expect_err(forge).to_string();
        assert_eq!(error, expected, "{forge}");
        registry.connection.execute_batch(mend).unwrap();
        registry.keep_missing_nodes().unwrap();
        registry.verify_decisions(&keys.signing_public()).unwrap();
    }
    registry.connection.execute_batch("DELETE FROM decisions WHERE id > 90; DELETE FROM nodes").unwrap();
    registry.keep_missing_nodes().unwrap();
    let error = registry.checkpoint(keys.signing_pkcs8(), 2).unwrap_err().to_string();
    assert_eq!(error, "decision 91: it is missing, but a checkpoint covers it");
}

#[test]
fn a_record_whose_end_or_past_was_replaced_is_noticed_by_who_holds_a_checkpoint() {
    let (directory, mut registry) = fresh();
    let (keys, public) = (keys(directory.path()), keys(directory.path()).signing_public());
    let signed = |registry: &mut Registry, decisions| {
        decide(registry, registry.decided().unwrap() + 1..=decisions);
        registry.checkpoint(keys.signing_pkcs8(), decisions).unwrap()
    };
    let (early, late) = (signed(&mut registry, 30), signed(&mut registry, 50));
    let receipt = registry.signed_receipt(code(45)).unwrap().unwrap();
    let growth = |registry: &Registry, held: &Checkpoint| registry.growth(held.size).unwrap().unwrap();
    assert_eq!(growth(&registry, &early).check(&early, &public), Ok(()));

    let cut = "DELETE FROM decisions WHERE id > 40; DELETE FROM checkpoints WHERE size > 40;
        DELETE FROM nodes WHERE (place + 1) << level > 40";
    registry.connection.execute_batch(cut).unwrap();
    registry.verify_decisions(&public).expect("by itself a shorter record looks whole");
    assert_eq!(growth(&registry, &early).check(&early, &public), Ok(()), "30 are still there");
    let shorter = Err(GrowthError::Shorter { since: 50, size: 30 });
    assert_eq!(growth(&registry, &late).check(&late, &public), shorter);

    // Other decisions in their place, signed with the gateway's own key.
    let change = Change { cause: None, authority: "nobody", operators: "", policy: "" };
    (41..=70).for_each(|n| registry.decide(code(n), (Colour::Red, Colour::Green), &change, n).unwrap());
    registry.checkpoint(keys.signing_pkcs8(), 71).unwrap();
    registry.verify_decisions(&public).unwrap();
    let changed = Err(GrowthError::Changed { since: 50 });
    assert_eq!(growth(&registry, &late).check(&late, &public), changed);
    assert_eq!(receipt.check(&public), Ok(()), "a receipt is good by itself");
    assert_eq!(growth(&registry, &receipt.checkpoint).check(&receipt.checkpoint, &public), changed);
}

#[test]
fn one_device_or_place_is_read_in_as_many_steps_in_a_large_city_as_in_a_small_one() {
    let (_directory, mut registry) = fresh();
    registry.add_portals().unwrap();
    let place = registry.add_place(RegionId(1), "East gate").unwrap();
    let mut last = 0;
    for devices in [10, 3_000] {
        let rows: Vec<DeviceRow> = (last + 1..=devices).map(device).collect();
        registry.add_devices(&rows).unwrap();
        last = devices;
        for n in last..last + 20 {
            registry.add_place(RegionId(1), &format!("gate {n}")).unwrap();
        }
        let (read, few) = steps(&registry, |reader| {
            (reader.device(DeviceId(7)).unwrap(), reader.last_device().unwrap(), reader.place(place).unwrap())
        });
        assert_eq!((read.0, read.1, read.2.map(|row| row.id)), (Some(device(7)), devices, Some(place)));
        assert!(few < 200, "{few} steps among {devices} devices");
    }
    assert_eq!(registry.device(DeviceId(4_000)).unwrap(), None);
}

#[test]
fn a_device_is_found_by_its_name_in_as_many_steps_among_many_as_among_few() {
    let (_directory, mut registry) = fresh();
    let (mut taken, mut last) = (Vec::new(), 0);
    for devices in [100, 5_000] {
        registry.add_devices(&(last + 1..=devices).map(device).collect::<Vec<_>>()).unwrap();
        last = devices;
        let (found, steps) = steps(&registry, |reader| reader.devices_named("gate 77"));
        assert_eq!(found.unwrap(), [device(77)]);
        taken.push(steps);
    }
    assert!(taken[0] > 0 && taken[1] <= taken[0] + 4, "{taken:?} steps");
}

#[test]
fn all_devices_at_once_are_read_as_one_by_one() {
    let (_directory, mut registry) = fresh();
    let place = registry.add_place(RegionId(1), "East gate").unwrap();
    let rights = |n: u64| match n % 3 {
        0 => DeviceRow { places: Some(vec![place]), ..device(n) },
        1 => DeviceRow { places: Some(Vec::new()), regions: vec![RegionId(2)], ..device(n) },
        _ => device(n),
    };
    let rows: Vec<_> = (1..=50).map(|n| rights(n * 7)).collect();
    registry.add_devices(&rows).unwrap();
    let by_number = |row: &DeviceRow| registry.device(row.id).unwrap().unwrap();
    assert_eq!(registry.devices().unwrap(), rows);
    assert_eq!(rows.iter().map(by_number).collect::<Vec<_>>(), rows);
}
