//! Reused numbers: for the same punch, for another one, and for one that the log no longer holds; in memory, after a restart, for old
//! punches, and in a log without digests.

use super::*;
use crate::format::{BatchHeader, Entry, Mark, RECORD_BYTES, RUN_BYTES, assemble_batch, batch_associated};
use crate::marks::{HelloRefusal, Marks};
use crate::record::PunchDigest;
use crate::seal::DayKeys;

const YEAR_S: u64 = 365 * 86_400;

/// Returns the same run with another punch under one number.
fn with_another_at(mut run: Run, sequence: u64) -> Run {
    let at = usize::try_from(sequence - run.first.0).expect("within the run");
    run.punches[at].digest = PunchDigest::from_number(u32::MAX);
    run
}

fn used(sequence: u64) -> AppendOutcome {
    AppendOutcome::NumberUsed { sequence: Sequence(sequence) }
}

/// Sends a run until the answer is not `Busy`.
async fn send(ledger: &LedgerHandle, run: Run) -> (AppendOutcome, usize) {
    let mut busy = 0;
    loop {
        match append(ledger, run.clone()).await {
            AppendOutcome::Busy => busy += 1,
            other @ (AppendOutcome::Recorded(_)
            | AppendOutcome::NumberUsed { .. }
            | AppendOutcome::Gap { .. }
            | AppendOutcome::EpochBehind { .. }
            | AppendOutcome::NotCopied
            | AppendOutcome::Down) => return (other, busy),
        }
    }
}

fn punches(config: &LedgerConfig) -> u64 {
    verify(&config.directory, &config.day_keys, &public_key(config)).expect("sound").punches
}

#[test]
fn another_punch_under_a_used_number_is_refused_and_nothing_of_its_run_is_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 5)).await), expected(1, 5));
        for (run, first) in [(run(1, 1, 3, 1), 3), (run(1, 1, 1, 5), 2), (run(1, 1, 4, 9), 5)] {
            assert_eq!(append(ledger, with_another_at(run, first)).await, used(first));
        }
        assert_eq!(flat(&append(ledger, run(1, 1, 2, 5)).await), expected(2, 6));
        assert_eq!(flat(&append(ledger, with_another_at(run(1, 2, 1, 5), 3)).await), expected(1, 5));
    });
    assert_eq!(punches(&config), 11);
}

#[test]
fn another_punch_is_refused_after_a_restart_and_from_long_ago() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 4096, ..config(directory.path()) };
    for round in 0..20 {
        with_ledger(&config, async |ledger| {
            append(ledger, run(1, 1, round * 50 + 1, 50)).await;
        });
    }
    with_ledger(&config, async |ledger| {
        for sequence in [1000_u64, 951, 500, 1] {
            let first = sequence.saturating_sub(5).max(1);
            let outcome = append(ledger, with_another_at(run(1, 1, first, 6), sequence)).await;
            assert_eq!(outcome, used(sequence));
            assert_eq!(flat(&append(ledger, run(1, 1, first, 6)).await), expected(first, first + 5));
        }
    });
    assert_eq!(punches(&config), 1000);
}

#[test]
fn new_punches_behind_old_repeats_are_recorded_only_when_the_repeats_are_true() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 4096, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 20)).await;
        append(ledger, run(3, 1, 1, 20)).await;
        for batch in 0..20 {
            append(ledger, run(2, 1, batch * 50 + 1, 50)).await;
        }
    });
    with_ledger(&config, async |ledger| {
        assert_eq!(send(ledger, with_another_at(run(1, 1, 11, 20), 15)).await.0, used(15));
        let (outcome, busy) = send(ledger, run(1, 1, 11, 20)).await;
        assert_eq!((flat(&outcome), busy), (expected(11, 30), 1), "it is told once to come again");
        // The last three are in memory, the others are not.
        append(ledger, run(3, 1, 21, 3)).await;
        let (outcome, _) = send(ledger, run(3, 1, 15, 20)).await;
        assert_eq!(flat(&outcome), expected(15, 34));
    });
    assert_eq!(punches(&config), 30 + 34 + 1000);
}

#[test]
fn what_is_not_on_record_is_refused_and_never_answered_as_if_it_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 1)).await;
        let known = HelloOutcome::Known { recorded: Sequence(5), lost: 4 };
        assert_eq!(ledger.hello(DeviceId(1), Epoch(1), Sequence(5)).await, known);
        assert_eq!(append(ledger, run(1, 1, 3, 1)).await, used(3));
        assert_eq!(append(ledger, run(1, 1, 1, 3)).await, used(2));
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 1)).await), expected(1, 1));
        assert_eq!(flat(&append(ledger, run(1, 1, 6, 2)).await), expected(6, 7));
    });
    assert_eq!(punches(&config), 3);
}

#[test]
fn a_hello_that_cannot_be_is_refused_by_name() {
    let now_ms = 1_600_000_000_000;
    let mut marks = Marks::default();
    for (device, epoch, recorded) in [(1, 7, 100), (2, u32::MAX, 1)] {
        marks.set(Mark { device: DeviceId(device), epoch: Epoch(epoch), recorded: Sequence(recorded) });
    }
    let decade = u32::try_from(now_ms / 1000 + 10 * YEAR_S).expect("an epoch");
    let ahead = |highest| Err(HelloRefusal::EpochAhead { highest: Epoch(highest) });
    let too_many = |highest| Err(HelloRefusal::AcknowledgedAhead { highest: Sequence(highest) });
    let most = protocol::limits::ACKNOWLEDGED_AHEAD_MAX;
    for (device, epoch, acknowledged, outcome) in [
        (1, 7, 100, Ok(Sequence(100))),
        (1, 7, 100 + most, Ok(Sequence(100))),
        (1, 7, 101 + most, too_many(100 + most)),
        (1, 8, most + 1, too_many(most)),
        (1, 6, 0, Err(HelloRefusal::EpochBehind { current: Epoch(7) })),
        (1, decade, 0, Ok(Sequence(0))),
        (1, decade + 1, 0, ahead(decade)),
        (1, u32::MAX, 0, ahead(decade)),
        (2, u32::MAX, 0, Ok(Sequence(1))),
        (3, u32::MAX, u64::MAX, ahead(decade)),
        (3, 1, u64::MAX, too_many(most)),
    ] {
        let greeted = marks.check_hello(DeviceId(device), Epoch(epoch), Sequence(acknowledged), now_ms);
        assert_eq!(greeted, outcome, "device {device} epoch {epoch} acknowledged {acknowledged}");
    }
    // With a clock at 1970, every device can still take an epoch above its last one.
    let device = DeviceId(4);
    marks.set(Mark { device, epoch: Epoch(decade), recorded: Sequence(1) });
    assert_eq!(marks.check_hello(device, Epoch(decade + 1), Sequence(0), 0), Ok(Sequence(0)));
}

#[test]
fn a_log_that_holds_losses_beyond_all_numbers_is_still_verified_copied_and_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let now_ms = clock::now_ms();
    let disk = disk::RealDisk::open(&config.directory).expect("a directory");
    let keys = DayKeys::open(&config.day_keys).expect("a directory");
    let mut log = recover::recover(disk, keys, &config, &clock::Reading::plain(now_ms)).expect("opens");
    for (epoch, first, to) in [(1, 1, u64::MAX), (2, 1, u64::MAX), (3, 0, u64::MAX)] {
        let (device, epoch) = (DeviceId(1), Epoch(epoch));
        let lost = Entry::Lost { device, epoch, from: Sequence(first), to: Sequence(to), noticed_ms: now_ms };
        let mark = Mark { device, epoch, recorded: Sequence(to) };
        log.marks.set(mark);
        log.preallocate(1000, &clock::Reading::plain(now_ms)).expect("has room");
        log.commit(&[lost], &[mark], &clock::Reading::plain(now_ms)).expect("writes");
    }
    drop(log);
    let copied = directory.path().join("copy");
    copy(&config.directory, &copied).expect("copied");
    forget_expired(&copied, &config.day_keys, &config.signing_pkcs8, 14, now_ms).expect("restored");
    for log in [&config.directory, &copied] {
        let report = verify(log, &config.day_keys, &public_key(&config)).expect("sound");
        assert_eq!((report.lost, report.punches), (u64::MAX, 0));
    }
    with_ledger(&config, async |ledger| {
        let known = HelloOutcome::Known { recorded: Sequence(u64::MAX), lost: 0 };
        assert_eq!(ledger.hello(DeviceId(1), Epoch(3), Sequence(0)).await, known);
        let end = Sequence(u64::MAX);
        for first in [1, u64::MAX - 2, u64::MAX - 1, u64::MAX] {
            let run = Run { first: Sequence(first), ..run(1, 3, 1, 3) };
            let outcome = append(ledger, run).await;
            let refused = matches!(outcome, AppendOutcome::Gap { expected } if expected == end)
                || outcome == used(first);
            assert!(refused, "{first}: {outcome:?}");
        }
        assert_eq!(flat(&append(ledger, run(1, 4, 1, 2)).await), expected(1, 2));
    });
}

/// Writes a batch without digests, as earlier releases did.
fn commit_version_1(log: &mut log::Log<disk::RealDisk>, run: &Run) {
    let mark = Mark { device: run.device, epoch: run.epoch, recorded: Sequence(run.end().0 - 1) };
    let mut body = Vec::new();
    Entry::Run(run.clone()).encode(&mut body);
    let (fields, records) = body.split_at(RUN_BYTES);
    let records = records.chunks(RECORD_BYTES).flat_map(|record| &record[..RECORD_BYTES - 4]);
    let mut body: Vec<u8> = fields.iter().chain(records).copied().collect();
    body[0] = 1;
    let nonce = DayKeys::nonce().expect("random bytes");
    let header = BatchHeader {
        lsn: log.lsn + 1,
        durable_up_to: log.lsn,
        written_ms: run.received_ms,
        day: time::day(run.received_ms),
        nonce,
        is_doubted: false,
    };
    let mut clear = batch_associated(&header, &[mark], body.len());
    clear[4..6].copy_from_slice(&1u16.to_le_bytes());
    log.keys.seal(header.day, nonce, &clear, &mut body).expect("seals");
    let mut bytes = Vec::new();
    assemble_batch(&clear, &body, &mut bytes);
    log.preallocate(bytes.len() as u64, &clock::Reading::plain(run.received_ms)).expect("has room");
    disk::write_all_at(&mut log.segment.file, &bytes, log.segment.end).expect("writes");
    log.segment.end += bytes.len() as u64;
    log.segment.digest.update(&bytes);
    log.marks.set(mark);
    log.lsn += 1;
}

#[test]
fn a_log_of_before_digests_is_read_and_its_repeats_compared_by_what_it_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let disk = disk::RealDisk::open(&config.directory).expect("a directory");
    let keys = DayKeys::open(&config.day_keys).expect("a directory");
    let mut log =
        recover::recover(disk, keys, &config, &clock::Reading::plain(clock::now_ms())).expect("opens");
    commit_version_1(&mut log, &run(1, 1, 1, 5));
    commit_version_1(&mut log, &run(1, 1, 6, 5));
    log.commit(&[], &[], &clock::Reading::plain(clock::now_ms())).expect("a batch of this version follows");
    drop(log);
    assert_eq!(punches(&config), 10);
    with_ledger(&config, async |ledger| {
        let mut other = run(1, 1, 4, 5);
        other.punches[2].device_time_ms += 1;
        assert_eq!(append(ledger, other).await, used(6));
        assert_eq!(flat(&append(ledger, run(1, 1, 4, 5)).await), expected(4, 8));
        let (outcome, _) = send(ledger, run(1, 1, 8, 10)).await;
        assert_eq!(flat(&outcome), expected(8, 17));
        assert_eq!(append(ledger, with_another_at(run(1, 1, 8, 10), 12)).await, used(12));
    });
    assert_eq!(punches(&config), 17);
}
