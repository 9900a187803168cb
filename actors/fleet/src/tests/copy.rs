//! The second copy of the punches over restarts and faults of the gateway and the broker, its recovery, and its forgetting.

use keys::recovery::{RecoveryKey, RecoverySecret};
use ledger::AppendOutcome;

use super::broker::{Nats, Way, wait_for};
use super::punches::Files;

#[test]
fn the_copy_goes_on_where_it_ended_over_restarts_and_has_each_batch_once() {
    // Batches of some runs exceed the messages that this broker takes.
    let nats = Nats::start("max_payload: 4096");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut next = [1; 4];
    for round in 0..6 {
        let copied = files.start(false);
        for _ in 0..random.usize(1..30) {
            let (device, count) = (random.usize(..next.len()), random.u64(1..300));
            copied.record(device as u64 + 1, next[device], count);
            next[device] += count;
        }
        if round == 5 {
            copied.wait_for_copy();
        }
        // Otherwise it ends in the middle of the copy.
        copied.stop();
    }
    let (recovered, report) = files.recovered();
    assert_eq!(recovered, files.exported());
    let punches: u64 = next.iter().map(|next| next - 1).sum();
    assert_eq!((report.punches, report.missing, report.without_key), (punches, 0, 0));
    assert_eq!(report.first_lsn, 1);
}

#[test]
fn without_the_broker_punches_are_recorded_and_the_copy_has_them_when_it_is_back() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let copied = files.start(false);
    copied.record(1, 1, 10);
    copied.wait_for_copy();
    nats.kill();
    for first in [11, 21, 31] {
        assert!(matches!(copied.punch(1, first, 10), AppendOutcome::Recorded(_)), "no answer waits");
    }
    wait_for("the trouble", || copied.copy().trouble);
    let copy = copied.copy();
    assert!(copy.lsn < copied.handle.durable_lsn(), "{copy:?}");
    nats.restart();
    copied.wait_for_copy();
    copied.record(1, 41, 10);
    copied.wait_for_copy();
    assert_eq!(copied.copy().trouble, None);
    copied.stop();
    assert_eq!(files.recovered().0, files.exported());
    // The broker has lost everything: the copy is made anew from the log.
    nats.kill();
    nats.wipe();
    nats.restart();
    let copied = files.start(false);
    copied.wait_for_copy();
    copied.stop();
    assert_eq!(files.recovered().0, files.exported());
}

#[test]
fn a_message_whose_acknowledgement_is_late_is_in_the_copy_once() {
    let nats = Nats::start("");
    let way = Way::to(nats.port);
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", way.url());
    let copied = files.start(false);
    copied.record(1, 1, 10);
    copied.wait_for_copy();
    for (to_server, first) in [(false, 11), (true, 31)] {
        way.hold(to_server, true);
        copied.record(1, first, 10);
        copied.record(1, first + 10, 10);
        wait_for("the trouble", || copied.copy().trouble);
        way.hold(false, false);
        copied.wait_for_copy();
    }
    copied.stop();
    let (recovered, report) = files.recovered();
    assert_eq!((recovered, report.missing), (files.exported(), 0));
}

#[test]
fn what_was_acknowledged_with_the_copy_outlives_the_machine() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let copied = files.start(true);
    let mut acknowledged = 0;
    for device in 1..=20 {
        copied.record(device, 1, 10);
        acknowledged += 10;
    }
    nats.kill();
    let unconfirmed = copied.punch(1, 11, 10);
    assert!(matches!(unconfirmed, AppendOutcome::NotCopied | AppendOutcome::Busy), "{unconfirmed:?}");
    wait_for("the trouble", || copied.copy().trouble);
    let durable = copied.handle.durable_lsn();
    assert_eq!(copied.punch(1, 11, 10), AppendOutcome::Busy, "at once, and it is not written");
    assert!(copied.handle.durable_lsn() <= durable + 1, "but for a marker");
    nats.restart();
    copied.record(1, 11, 10);
    acknowledged += 10;
    // No wait for the copy: what was acknowledged is there.
    let exported = files.exported();
    copied.stop();
    files.lose();
    let (recovered, report) = files.recovered();
    assert_eq!((recovered, report.punches), (exported, acknowledged));
}

#[test]
fn the_copy_of_another_log_is_refused_by_its_name_and_stays() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let copied = files.start(false);
    copied.record(1, 1, 100);
    copied.wait_for_copy();
    copied.stop();
    let before = files.recovered();
    files.lose();
    let copied = files.start(true);
    let trouble = wait_for("the refusal", || copied.copy().trouble);
    for words in ["CHANGTONG_PUNCHES_north", "changtong fleet recover north", "another `name`"] {
        assert!(trouble.contains(words), "{trouble}");
    }
    assert_eq!(copied.punch(1, 1, 10), AppendOutcome::Busy, "nothing is acknowledged without a copy");
    copied.stop();
    assert_eq!(files.recovered(), before);
}

#[test]
fn a_day_that_the_log_forgets_cannot_be_read_from_the_copy_either() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let copied = files.start(false);
    copied.record(1, 1, 100);
    copied.wait_for_copy();
    copied.stop();
    let (recovered, report) = files.recovered();
    assert_eq!((recovered.lines().count(), report.without_key), (101, 0));
    let sealed = sealed_keys(&files);
    assert!(!sealed.is_empty() && sealed.iter().all(|key| nats.holds(key)));

    files.forget_all();
    let copied = files.start(false);
    wait_for("the removal", || (!sealed.iter().any(|key| nats.holds(key))).then_some(()));
    copied.record(1, 101, 5);
    copied.wait_for_copy();
    copied.stop();
    let (recovered, report) = files.recovered();
    assert_eq!(recovered, files.exported());
    assert!(report.without_key > 0 && report.punches == 5, "{report:?}");
}

#[test]
fn with_another_recovery_key_or_a_first_one_the_days_that_are_there_are_sealed_to_it() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::new(directory.path(), "north", nats.url());
    let known = files.recovery.take();
    let copied = files.start(false);
    copied.record(1, 1, 10);
    copied.wait_for_copy();
    copied.stop();
    // Copied days get their keys when there is one to seal them to.
    files.recovery = known;
    let started = files.start(false);
    started.wait_for_copy();
    wait_for("the keys", || (!sealed_keys(&files).is_empty()).then_some(()));
    started.stop();
    let before = sealed_keys(&files);
    assert_eq!(files.recovered().0, files.exported());
    // The private half is missing.
    std::fs::remove_file(directory.path().join("recovery")).unwrap();
    files.recovery = RecoveryKey::parse(&RecoverySecret::make(&directory.path().join("recovery")).unwrap());
    let started = files.start(false);
    wait_for("other keys", || (!before.iter().any(|key| nats.holds(key))).then_some(()));
    wait_for("the keys", || (sealed_keys(&files).len() == before.len()).then_some(()));
    started.stop();
    let (recovered, report) = files.recovered();
    assert_eq!((recovered, report.without_key), (files.exported(), 0));
    // A gateway that seals no more still removes what it has sealed.
    files.recovery = None;
    let after = sealed_keys(&files);
    files.forget_all();
    let started = files.start(false);
    wait_for("the removal", || (!after.iter().any(|key| nats.holds(key))).then_some(()));
    started.stop();
}

/// Reads the sealed day keys that the broker has.
fn sealed_keys(files: &Files) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(files.config.servers[0].clone()).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream(crate::DAYS_STREAM).await.unwrap();
        let last = stream.cached_info().state.last_sequence;
        let mut keys = Vec::new();
        for sequence in 1..=last {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                keys.push(message.payload.to_vec());
            }
        }
        keys
    })
}

#[test]
fn another_recovery_key_reads_nothing() {
    let nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(directory.path(), "north", nats.url());
    let copied = files.start(false);
    copied.record(1, 1, 1);
    copied.wait_for_copy();
    copied.stop();
    let other = directory.path().join("other");
    RecoverySecret::make(&other).unwrap();
    let (secret, mut out) = (RecoverySecret::read(&other).unwrap(), Vec::new());
    let what = (ledger::ExportFormat::Csv, ledger::ALL_TIME);
    let refused = crate::recover(&files.config, "north", &secret, what.clone(), &mut out).unwrap_err();
    assert!(refused.to_string().contains("another recovery key") && out.is_empty(), "{refused}");
    let refused = crate::recover(&files.config, "west", &secret, what, &mut out);
    assert!(refused.is_err(), "there is no such copy");
}

#[test]
fn every_gateway_knows_what_the_others_hold_of_a_device() {
    let mut nats = Nats::start("");
    let directory = tempfile::tempdir().unwrap();
    let files = ["north", "south"].map(|name| Files::new(directory.path(), name, nats.url()));
    let [north, south] = files.each_ref().map(|files| files.start(false));
    let knows = |of: &super::punches::Copied, device, gateway: &str, sequence| {
        wait_for("the mark", || {
            (of.held_elsewhere(device) == Some((gateway.to_owned(), sequence))).then_some(())
        });
    };
    north.record(1, 1, 10);
    south.record(2, 1, 300);
    knows(&south, 1, "north", 10);
    knows(&north, 2, "south", 300);
    // The device moves on, and comes back.
    south.record(1, 1, 20);
    knows(&north, 1, "south", 20);
    assert_eq!(north.held_elsewhere(2), Some(("south".to_owned(), 300)));
    nats.kill();
    north.record(3, 1, 5);
    nats.restart();
    knows(&south, 3, "north", 5);
    // A restart reads it again.
    south.stop();
    let south = files[1].start(false);
    knows(&south, 3, "north", 5);
    assert_eq!(south.held_elsewhere(2), None, "its own marks are in its log");
    north.stop();
    south.stop();
}
