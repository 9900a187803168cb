//! Look-ups of old punches: the bytes read, the order of waiting devices, and the keys in memory.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::lookup::{AfterLookup, Lookup, Lookups};
use crate::port::Reply;
use crate::seal::DayKeys;
use crate::seek::{Wanted, find};

/// A disk that counts the bytes read, and lists its files only when the test permits it.
#[derive(Clone)]
struct Watched {
    disk: RealDisk,
    read_bytes: Arc<AtomicUsize>,
    go: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Watched {
    fn open(config: &LedgerConfig) -> Self {
        let disk = RealDisk::open(&config.directory).expect("a directory");
        Self { disk, read_bytes: Arc::default(), go: None }
    }

    fn counted(&self, bytes: std::io::Result<Vec<u8>>) -> std::io::Result<Vec<u8>> {
        self.read_bytes.fetch_add(bytes.as_ref().map_or(0, Vec::len), Ordering::Relaxed);
        bytes
    }
}

impl Disk for Watched {
    type File = <RealDisk as Disk>::File;

    fn list(&self) -> std::io::Result<Vec<String>> {
        if let Some(go) = &self.go {
            let _ = go.lock().expect("no test panics with it").recv();
        }
        self.disk.list()
    }

    fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        self.counted(self.disk.read(name))
    }

    fn open_file(&self, name: &str) -> std::io::Result<(Self::File, u64)> {
        self.disk.open_file(name)
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
        self.counted(self.disk.read_at(name, offset, len))
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

fn wanted(device: u64, first: u64, count: usize) -> Wanted {
    Wanted { device: DeviceId(device), epoch: Epoch(1), first: Sequence(first), count }
}

fn lookup(device: u64, first: u64, count: u64) -> (Lookup, oneshot::Receiver<AppendOutcome>) {
    let (reply, outcome) = Reply::alone();
    let (wanted, sent) = (wanted(device, first, count as usize), run(device, 1, first, count).punches);
    (Lookup { wanted, sent, then: AfterLookup::Answer(Vec::new()), reply }, outcome)
}

#[test]
fn a_look_up_reads_a_few_headers_and_its_own_batches_whatever_the_log_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 256 * 1024, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        for round in 0..150 {
            append(ledger, run(1, 1, round * 4 + 1, 4)).await;
            append(ledger, run(2, 1, round * 4_000 + 1, 4_000)).await;
        }
    });
    let disk = Watched::open(&config);
    let total: usize = std::fs::read_dir(&config.directory)
        .expect("listed")
        .map(|entry| entry.expect("an entry").metadata().expect("its length").len() as usize)
        .sum();
    assert!(total > 16 * 1024 * 1024, "{total}");
    for first in [1, 3, 250, 599] {
        disk.read_bytes.store(0, Ordering::Relaxed);
        let mut keys = DayKeys::open(&config.day_keys).expect("a directory");
        let found = find(&disk, &mut keys, &wanted(1, first, 2)).expect("sound");
        let sequences: Vec<u64> = found.iter().map(|found| found.sequence.0).collect();
        assert_eq!(sequences, [first, first + 1]);
        assert!(found.iter().all(|found| found.record == record(found.sequence.0)));
        let read = disk.read_bytes.load(Ordering::Relaxed);
        // About seven headers, and the clear parts of the batches of at most two segments, in chunks of 64 KiB.
        assert!(read < 20 * 64 * 1024, "{read} of {total} for {first}");
    }
}

#[test]
fn a_device_that_asks_again_waits_for_itself_and_not_others_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 5)).await;
        append(ledger, run(2, 1, 1, 5)).await;
    });
    let (go, told) = std::sync::mpsc::sync_channel(8);
    let disk = Watched { go: Some(Arc::new(Mutex::new(told))), ..Watched::open(&config) };
    let mut lookups = Lookups::start(&disk, &config.day_keys).expect("a thread");
    let (first, answered) = lookup(1, 1, 5);
    lookups.send(first);
    for _ in 0..100 {
        let (again, refused) = lookup(1, 1, 5);
        lookups.send(again);
        assert_eq!(refused.blocking_recv(), Ok(AppendOutcome::Busy));
    }
    let (other, other_answered) = lookup(2, 1, 5);
    lookups.send(other);
    (0..2).for_each(|_| go.send(()).expect("the thread waits"));
    assert_eq!(flat(&answered.blocking_recv().expect("answered")), expected(1, 5));
    assert_eq!(flat(&other_answered.blocking_recv().expect("answered")), expected(1, 5));
    assert!(lookups.next_found().is_none());
    let (again, answered) = lookup(1, 2, 2);
    go.send(()).expect("the thread waits");
    lookups.send(again);
    assert_eq!(flat(&answered.blocking_recv().expect("its turn has come again")), expected(2, 3));
}

#[test]
fn a_day_key_that_is_destroyed_opens_no_look_up_any_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 5)).await;
    });
    let disk = RealDisk::open(&config.directory).expect("a directory");
    let mut lookups = Lookups::start(&disk, &config.day_keys).expect("a thread");
    let (before, answered) = lookup(1, 1, 5);
    lookups.send(before);
    assert_eq!(flat(&answered.blocking_recv().expect("answered")), expected(1, 5));
    let mut keys = DayKeys::open(&config.day_keys).expect("a directory");
    for day in keys.days_before(u32::MAX).expect("listed") {
        keys.destroy(day).expect("destroyed");
    }
    assert!(lookups.next_found().is_none());
    let (after, answered) = lookup(1, 1, 5);
    lookups.send(after);
    assert_eq!(answered.blocking_recv(), Ok(AppendOutcome::NumberUsed { sequence: Sequence(1) }));
}
