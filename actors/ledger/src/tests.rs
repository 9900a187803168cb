//! The log on a real disk, through its public interface.

mod bench;
mod clock_jumps;
mod copy;
mod damage;
mod elsewhere;
mod faults;
mod forgetting;
mod full;
mod lookups;
mod passages;
mod port;
mod power;
mod repeats;
mod simulated;
mod tail;

use std::path::Path;

use protocol::{Direction, PlaceId, Reason, RegionId};
use runtime::clock;

use super::*;

pub(super) fn config(directory: &Path) -> LedgerConfig {
    let random = ring::rand::SystemRandom::new();
    let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("random bytes");
    LedgerConfig {
        directory: directory.join("ledger"),
        day_keys: directory.join("days"),
        signing_pkcs8: key.as_ref().to_vec(),
        segment_bytes_max: 64 * 1024 * 1024,
        retention_days: 14,
        queue_punches_max: 100_000,
    }
}

fn public_key(config: &LedgerConfig) -> Vec<u8> {
    use ring::signature::KeyPair;
    let pair = ring::signature::Ed25519KeyPair::from_pkcs8(&config.signing_pkcs8).expect("a key");
    pair.public_key().as_ref().to_vec()
}

pub(super) fn record(number: u64) -> Record {
    Record {
        code: protocol::CodeId::from_u64(number),
        kind: ScanKind::Token,
        direction: Direction::In,
        place: PlaceId(7),
        device_time_ms: number,
        offline: false,
        verdict: Verdict::ask_staff(Reason::ALL[number as usize % Reason::ALL.len()]),
        digest: PunchDigest::from_number(number as u32 + 1),
    }
}

/// Returns a run whose records depend on their sequences, so that each verdict identifies its punch.
pub(super) fn run(device: u64, epoch: u32, first: u64, count: u64) -> Run {
    Run {
        device: DeviceId(device),
        epoch: Epoch(epoch),
        region: RegionId(1),
        first: Sequence(first),
        received_ms: clock::now_ms(),
        window_punches: 64,
        punches: (first..first + count).map(record).collect(),
    }
}

async fn append(handle: &LedgerHandle, run: Run) -> AppendOutcome {
    let (port, carry) = LedgerPort::open(handle);
    let (reply, outcome) = oneshot::channel();
    port.append(run, reply);
    drop(port);
    carry.await;
    outcome.await.expect("every run is answered")
}

/// Returns the sequences and verdicts of a recorded run.
pub(super) fn flat(outcome: &AppendOutcome) -> Vec<(u64, Verdict)> {
    let AppendOutcome::Recorded(runs) = outcome else { panic!("not recorded: {outcome:?}") };
    runs.iter().flat_map(|run| (run.first.0..).zip(run.verdicts.iter().copied())).collect()
}

fn expected(from: u64, to: u64) -> Vec<(u64, Verdict)> {
    (from..=to).map(|sequence| (sequence, record(sequence).verdict)).collect()
}

fn with_ledger<T>(config: &LedgerConfig, f: impl AsyncFnOnce(&LedgerHandle) -> T) -> T {
    let (ledger, handle) = Ledger::open(config).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let result = runtime.block_on(f(&handle));
    drop(handle);
    ledger.shutdown();
    result
}

#[test]
fn repeats_are_answered_as_recorded_and_gaps_name_what_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 5)).await), expected(1, 5));
        assert_eq!(flat(&append(ledger, run(1, 1, 3, 5)).await), expected(3, 7));
        assert_eq!(append(ledger, run(1, 1, 9, 1)).await, AppendOutcome::Gap { expected: Sequence(8) });
        assert_eq!(append(ledger, run(1, 2, 2, 1)).await, AppendOutcome::Gap { expected: Sequence(1) });
        assert_eq!(flat(&append(ledger, run(1, 2, 1, 1)).await), expected(1, 1));
        assert_eq!(append(ledger, run(1, 1, 8, 1)).await, AppendOutcome::EpochBehind { current: Epoch(2) });
        assert_eq!(append(ledger, run(2, 1, 0, 1)).await, AppendOutcome::Gap { expected: Sequence(1) });
    });
    let report = verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound");
    assert_eq!((report.punches, report.lost), (8, 0));
}

#[test]
fn a_restart_remembers_marks_and_verdicts() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 4096, ..config(directory.path()) };
    for round in 0..20 {
        with_ledger(&config, async |ledger| {
            let known = HelloOutcome::Known { recorded: Sequence(round * 50), lost: 0 };
            assert_eq!(ledger.hello(DeviceId(1), Epoch(1), Sequence(round * 50)).await, known);
            // Ten repeats from before the restart, then fifty new ones.
            let first = (round * 50).saturating_sub(9).max(1);
            let last = round * 50 + 50;
            let outcome = append(ledger, run(1, 1, first, last + 1 - first)).await;
            assert_eq!(flat(&outcome), expected(first, last));
        });
    }
    // Repeats that are no longer in memory are found on disk.
    let outcome = with_ledger(&config, async |ledger| append(ledger, run(1, 1, 1, 1000)).await);
    assert_eq!(flat(&outcome), expected(1, 1000));
    let report = verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound");
    assert_eq!(report.punches, 1000);
    assert!(report.segments > 5, "{report:?}");
}

#[test]
fn a_loss_is_recorded_once_and_the_numbering_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    for lost in [7, 0] {
        with_ledger(&config, async |ledger| {
            let known = HelloOutcome::Known { recorded: Sequence(7), lost };
            assert_eq!(ledger.hello(DeviceId(1), Epoch(3), Sequence(7)).await, known);
        });
    }
    with_ledger(&config, async |ledger| {
        assert_eq!(flat(&append(ledger, run(1, 3, 8, 1)).await), expected(8, 8));
        let behind = HelloOutcome::EpochBehind { current: Epoch(3) };
        assert_eq!(ledger.hello(DeviceId(1), Epoch(2), Sequence(0)).await, behind);
    });
    assert_eq!(verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound").lost, 7);
}

#[test]
fn no_number_of_a_device_stops_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        let end = Sequence(u64::MAX);
        assert_eq!(append(ledger, run(1, 9, 1, 0)).await, AppendOutcome::Recorded(Vec::new()));
        let refused = ledger.hello(DeviceId(1), Epoch(1), end).await;
        assert!(matches!(refused, HelloOutcome::AcknowledgedAhead { .. }), "{refused:?}");
        let refused = ledger.hello(DeviceId(1), Epoch(u32::MAX), Sequence(0)).await;
        assert!(matches!(refused, HelloOutcome::EpochAhead { .. }), "{refused:?}");
        let records = vec![record(1); 3];
        for first in [1, u64::MAX - 2, u64::MAX - 1, u64::MAX] {
            let run = Run { first: Sequence(first), punches: records.clone(), ..run(1, 1, 1, 0) };
            assert!(
                matches!(append(ledger, run).await, AppendOutcome::Gap { .. } | AppendOutcome::Recorded(_)),
                "{first}"
            );
        }
        assert_eq!(flat(&append(ledger, run(1, 2, 1, 2)).await), expected(1, 2));
        assert!(!ledger.is_poisoned());
    });
    assert_eq!(verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound").lost, 0);
}

#[test]
fn a_shutdown_does_not_wait_for_handles() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ledger, handle) = Ledger::open(&config(directory.path())).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(flat(&runtime.block_on(append(&handle, run(1, 1, 1, 2)))), expected(1, 2));
    ledger.shutdown();
    assert_eq!(runtime.block_on(append(&handle, run(1, 1, 3, 2))), AppendOutcome::Down);
    assert!(!handle.is_poisoned());
}

#[test]
fn a_full_queue_is_busy() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { queue_punches_max: 10, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        assert_eq!(append(ledger, run(1, 1, 1, 11)).await, AppendOutcome::Busy);
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 10)).await), expected(1, 10));
    });
}

#[test]
fn an_export_has_every_punch_once_in_both_formats() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        for device in 1..=3 {
            append(ledger, run(device, 1, 1, 4)).await;
            append(ledger, run(device, 1, 3, 4)).await;
        }
    });
    let mut csv = Vec::new();
    assert_eq!(
        export(&config.directory, &config.day_keys, (ExportFormat::Csv, &ALL_TIME), &mut csv).expect("sound"),
        18
    );
    let csv = String::from_utf8(csv).expect("text");
    assert_eq!(
        csv.lines().next(),
        Some(
            "lsn,device,epoch,sequence,region,place,direction,kind,code,device_time_ms,received_ms,offline,colour,advice,basis,reason,clock_said_ms"
        )
    );
    let mut seen: Vec<(String, String)> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|row| (row[1].clone(), row[3].clone()))
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 18);
    let mut json = Vec::new();
    export(&config.directory, &config.day_keys, (ExportFormat::JsonLines, &ALL_TIME), &mut json)
        .expect("sound");
    assert_eq!(json.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count(), 18);
}

/// A disk under a running gateway: the first read of a segment mixes the state before its last but one batch with that after its last
/// batch, as a slow read may do.
struct BeingWritten {
    disk: disk::RealDisk,
    reads: AtomicUsize,
}

impl disk::Disk for BeingWritten {
    type File = <disk::RealDisk as disk::Disk>::File;

    fn list(&self) -> std::io::Result<Vec<String>> {
        self.disk.list()
    }

    fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        let mut bytes = self.disk.read(name)?;
        if name == segment_name(1) && self.reads.fetch_add(1, Ordering::Relaxed) == 0 {
            let segment = scan::Segment::read(1, &bytes).expect("sound");
            let [.., before, last] = segment.batches.as_slice() else { panic!("two batches") };
            let (end, last, before) = (segment.end, last.len, before.len);
            bytes[end - last - before..end - last].fill(0);
        }
        Ok(bytes)
    }

    fn open_file(&self, name: &str) -> std::io::Result<(Self::File, u64)> {
        self.disk.open_file(name)
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
        self.disk.read_at(name, offset, len)
    }

    fn create(&self, name: &str) -> std::io::Result<Self::File> {
        self.disk.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        self.disk.sync_directory()
    }
}

#[test]
fn a_log_that_is_being_written_is_read_again_and_not_taken_for_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        for batch in 0..3 {
            append(ledger, run(1, 1, 1 + batch * 5, 5)).await;
        }
    });
    let disk = disk::RealDisk::open(&config.directory).expect("a directory");
    let disk = BeingWritten { disk, reads: AtomicUsize::new(0) };
    let mut batches = 0;
    walk::for_each_segment(&disk, |segment| {
        batches += segment.batches.len();
        Ok(())
    })
    .expect("sound");
    assert!(batches >= 3 && disk.reads.load(Ordering::Relaxed) == 2, "{batches}");
}

/// Does all steps of a day's expiry.
pub(super) fn forget<D: disk::Disk>(
    log: &mut log::Log<D>,
    at: &clock::Reading,
) -> Result<(), log::CommitError> {
    while log.expired_on != Some(time::day(at.certain_ms)) {
        log.expire(at)?;
    }
    Ok(())
}

#[test]
fn what_is_older_than_the_retention_is_forgotten_with_its_key() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let start = clock::now_ms();
    let disk = disk::RealDisk::open(&config.directory).expect("a directory");
    let keys = seal::DayKeys::open(&config.day_keys).expect("a directory");
    let mut log = recover::recover(disk, keys, &config, &clock::Reading::plain(start)).expect("opens");
    for day in 0..20 {
        let at = clock::Reading::plain(start + day * DAY_MS);
        forget(&mut log, &at).expect("expires");
        log.preallocate(100, &at).expect("has room");
        let mark = format::Mark { device: DeviceId(1), epoch: Epoch(1), recorded: Sequence(day + 1) };
        log.marks.set(mark);
        log.commit(&[], &[mark], &at).expect("writes");
    }
    drop(log);
    let keys_left = std::fs::read_dir(&config.day_keys).expect("listed").count();
    assert_eq!(keys_left, 15, "today and the fourteen days before");
    let report =
        verify(&config.directory, &config.day_keys, &public_key(&config)).expect("what is left is sound");
    // The segment in which the oldest day begins stays, with a batch whose key is destroyed.
    assert_eq!((report.batches, report.last_lsn, report.forgotten_batches), (16, 20, 1));
    let deletions = std::fs::read_to_string(config.directory.join(deletions::DELETIONS)).expect("recorded");
    assert_eq!((deletions.lines().count(), report.deletions), (5, 5));
    let forged = deletions.replacen("\"first_lsn_left\":2", "\"first_lsn_left\":3", 1);
    assert_ne!(forged, deletions);
    std::fs::write(config.directory.join(deletions::DELETIONS), forged).expect("written");
    let error = verify(&config.directory, &config.day_keys, &public_key(&config)).expect_err("forged");
    assert!(error.to_string().contains("signature"), "{error}");
    std::fs::write(config.directory.join(deletions::DELETIONS), deletions).expect("written");
    with_ledger(&config, async |ledger| {
        let known = HelloOutcome::Known { recorded: Sequence(20), lost: 0 };
        assert_eq!(ledger.hello(DeviceId(1), Epoch(1), Sequence(0)).await, known);
    });
}
