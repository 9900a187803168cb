//! The log as its second copy reads it: whole batches and parts, over segments, behind a copy's end, and another log's copy refused.

use super::*;
use crate::{CopyExport, LogTail, SealedBatches, TailError, TailRoom, day_key};

const MARKS: usize = 1 << 16;

const fn room(bytes: usize) -> TailRoom {
    TailRoom { bytes, marks: MARKS }
}

/// Records runs of so many punches, each as a batch of its own.
fn filled(config: &LedgerConfig, runs: &[u64]) -> u64 {
    with_ledger(config, async |ledger| {
        for (number, &count) in (1..).zip(runs) {
            append(ledger, run(number, 1, 1, count)).await;
        }
        ledger.durable_lsn()
    })
}

/// Reads everything behind a copy's end.
fn read_all(
    config: &LedgerConfig,
    copy: Option<&SealedBatches>,
    durable: u64,
    max: usize,
) -> Vec<SealedBatches> {
    let mut tail = LogTail::behind(&config.directory, copy, durable).expect("the same log");
    std::iter::from_fn(|| tail.read(durable, room(max)).expect("sound")).collect()
}

fn bytes(read: &[SealedBatches]) -> Vec<u8> {
    read.iter().flat_map(|read| read.bytes.iter().copied()).collect()
}

#[test]
fn the_whole_log_is_read_in_pieces_of_any_size_with_each_mark_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 16 * 1024, ..config(directory.path()) };
    let durable = filled(&config, &[1, 300, 2, 40, 900, 5, 1, 1]);
    let whole = read_all(&config, None, durable, 1 << 20);
    let marks: usize = whole.iter().map(|read| read.marks.len()).sum();
    assert_eq!(marks, 8 * 20, "one for each run");
    for max in [1, 61, 100, 4_096, 20_000] {
        let read = read_all(&config, None, durable, max);
        assert_eq!(bytes(&read), bytes(&whole), "{max}");
        assert_eq!(read.iter().map(|read| read.marks.len()).sum::<usize>(), marks, "{max}");
        assert!(read.iter().all(|read| read.bytes.len() <= max && read.first <= read.last), "{max}");
        let ends: Vec<u64> = read.iter().map(|read| read.last).collect();
        assert!(ends.is_sorted() && ends.last() == Some(&durable), "{max}: {ends:?}");
        // From every end on, the rest is the same.
        for (at, copy) in read.iter().enumerate().step_by(read.len() / 20 + 1) {
            let rest = read_all(&config, Some(copy), durable, 1 << 20);
            assert_eq!(bytes(&rest), bytes(&read[at + 1..]), "{max}: behind {copy:?}");
        }
    }
}

#[test]
fn no_read_has_more_marks_than_there_is_room_for_and_each_mark_comes_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 64 * 1024, ..config(directory.path()) };
    // Batches with one mark and with many: devices that send at the same time share a batch.
    let durable = with_ledger(&config, async |ledger| {
        for round in 0..4 {
            let first = round * 100 + 1;
            let mut together = tokio::task::JoinSet::new();
            for device in first..first + 30 * round {
                let ledger = ledger.clone();
                together.spawn(async move { append(&ledger, run(device, 1, 1, 2)).await });
            }
            together.join_all().await;
            append(ledger, run(first + 99, 1, 1, 3)).await;
        }
        ledger.durable_lsn()
    });
    let whole = read_all(&config, None, durable, 1 << 20);
    let marks = |read: &[SealedBatches]| read.iter().flat_map(|read| read.marks.clone()).collect::<Vec<u8>>();
    assert!(whole.iter().any(|read| read.marks.len() > 20 * 20), "a batch of many marks, or many batches");
    for most in [2, 3, 7, 50, 1_000] {
        let mut tail = LogTail::behind(&config.directory, None, durable).expect("the same log");
        let room = TailRoom { bytes: 1 << 20, marks: most };
        let read: Vec<_> = std::iter::from_fn(|| tail.read(durable, room).expect("sound")).collect();
        assert!(read.iter().all(|read| read.marks.len() <= most * 20), "{most}");
        assert_eq!((bytes(&read), marks(&read)), (bytes(&whole), marks(&whole)), "{most}");
    }
}

#[test]
fn a_copy_whose_oldest_batch_has_lost_its_beginning_is_exported_from_the_next_one_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let durable = filled(&config, &[300, 2, 40]);
    let read = read_all(&config, None, durable, 4_096);
    let days: std::collections::BTreeSet<&String> = read.iter().flat_map(|read| &read.days).collect();
    let key = |day: &&String| day_key(&config.day_keys, day).expect("readable").expect("it is there");
    let keys: Vec<_> = days.iter().map(|day| (day.as_str(), key(day))).collect();
    for (from, punches) in [(0, 342), (1, 42)] {
        let mut out = Vec::new();
        let given = keys.iter().map(|(day, key)| (*day, &**key));
        let mut export = CopyExport::new(given, (ExportFormat::Csv, ALL_TIME), &mut out);
        read[from..].iter().for_each(|read| export.take(read).expect("sound"));
        assert_eq!(export.finish().expect("written").punches, punches);
        assert_eq!(out.split(|&byte| byte == b'\n').count() as u64, punches + 2, "a header and an end");
    }
    let mut out = Vec::new();
    let mut export = CopyExport::new([], (ExportFormat::Csv, ALL_TIME), &mut out);
    export.take(&read[0]).expect("a part");
    assert!(export.take(&read[2]).is_err(), "a part is missing");
}

#[test]
fn what_is_not_durable_yet_is_not_read_and_what_comes_later_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 5)).await;
        let mut tail = LogTail::behind(&config.directory, None, 1).expect("sound");
        assert_eq!(tail.read(0, room(4_096)).expect("sound"), None);
        assert_eq!(tail.read(1, room(4_096)).expect("sound").expect("a batch").last, 1);
        assert_eq!((tail.read(1, room(4_096)).expect("sound"), tail.next_lsn()), (None, 2));
        append(ledger, run(1, 1, 6, 5)).await;
        let durable = ledger.durable_lsn();
        assert_eq!(tail.read(durable, room(4_096)).expect("sound").expect("a batch").first, 2);
    });
}

#[test]
fn a_copy_of_another_log_or_of_a_longer_one_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let [one, other] = ["one", "other"].map(|name| config(&directory.path().join(name)));
    let durable = filled(&one, &[3, 4, 5]);
    filled(&other, &[3, 4, 5]);
    let copy = read_all(&one, None, durable, 1 << 20).pop().expect("batches");
    for (config, ends) in [(&other, durable), (&one, durable - 1)] {
        let refused = LogTail::behind(&config.directory, Some(&copy), ends).err();
        assert!(matches!(refused, Some(TailError::OtherLog { .. })), "{refused:?}");
    }
}
