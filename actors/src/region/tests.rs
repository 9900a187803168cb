//! Regions over a real punch log, with actors that panic when the test tells them to.

use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keys::Keys;
use ledger::{ALL_TIME, ExportFormat, Ledger, LedgerConfig, Run, export};
use policy::{Policy, PolicyInEffect};
use protocol::legacy::LegacyKey;
use protocol::token::TokenKeys;
use protocol::{DeviceId, Direction, Epoch, PlaceId, Punch, Reason, RegionId, Scanned, Sequence};
use registry::Registry;
use registry::colours::Codes;
use runtime::clock;
use runtime::lock::lock;

use super::*;
use crate::fault::FaultHook;
use crate::judge::{Judge, PlaceKinds};
use crate::registrar::{Registrar, RegistrarConfig, RegistrarError, RegistrarHandle, test_change};

fn ledger_config(directory: &Path) -> LedgerConfig {
    LedgerConfig {
        directory: directory.join("ledger"),
        day_keys: directory.join("days"),
        signing_pkcs8: Vec::new(),
        segment_bytes_max: 1 << 20,
        retention_days: 14,
        queue_punches_max: 100_000,
    }
}

fn judge() -> Arc<Judge> {
    let codes = Codes::new(0);
    codes.set_loaded();
    let policy = PolicyInEffect::new(Policy::development());
    let legacy = LegacyKey::new(&[7; 32]);
    Arc::new(Judge::new(codes, TokenKeys::new([]), legacy, 1, policy, PlaceKinds::default()))
}

fn punches(region: RegionId, device: u64, first: u64, count: u64) -> Run<Punch> {
    let punch = |number| Punch {
        scanned: Scanned::Nothing,
        direction: Direction::Through,
        place: PlaceId(1),
        device_time_ms: number,
        offline: None,
    };
    Run {
        device: DeviceId(device),
        epoch: Epoch(1),
        region,
        first: Sequence(first),
        received_ms: clock::now_ms(),
        window_punches: 64,
        punches: (first..first + count).map(punch).collect(),
    }
}

/// Runs a test on an arbiter with regions 1, 2 and 3; returns the (device, sequence) pairs of the log, in its order.
fn run(config: RegionConfig, test: impl AsyncFnOnce(Directory)) -> Vec<(u64, u64)> {
    run_with(config, FaultHook::none(), test)
}

fn run_with(
    config: RegionConfig,
    faults: FaultHook<Run<Punch>>,
    test: impl AsyncFnOnce(Directory),
) -> Vec<(u64, u64)> {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger_config = ledger_config(directory.path());
    let (ledger, handle) = Ledger::open(&ledger_config).expect("opens");
    let system = actix_rt::System::new();
    system.block_on(async {
        let regions = [1, 2, 3].map(RegionId);
        test(Directory::start_with(&regions, &judge(), &handle, &config, &faults)).await;
    });
    drop((system, handle));
    ledger.shutdown();
    let mut csv = Vec::new();
    export(&ledger_config.directory, &ledger_config.day_keys, (ExportFormat::Csv, &ALL_TIME), &mut csv)
        .expect("sound");
    let text = String::from_utf8(csv).expect("text");
    let pair = |line: &str| {
        let row: Vec<u64> = line.split(',').take(4).map(|field| field.parse().expect("a number")).collect();
        (row[1], row[3])
    };
    text.lines().skip(1).map(pair).collect()
}

fn fast() -> RestartPolicy {
    RestartPolicy {
        backoff_first: Duration::from_micros(10),
        backoff_max: Duration::from_micros(100),
        intensity: usize::MAX,
        ..RestartPolicy::default()
    }
}

/// Sends batches as a device does, each until it is recorded. Returns how often it was told to wait, and whether a verdict was missing.
async fn push(region: &RegionHandle, device: u64, batches: u64) -> (u64, bool) {
    let (mut busy, mut unjudged) = (0, false);
    for batch in 0..batches {
        loop {
            match region.punch(punches(region.id(), device, batch * 3 + 1, 3)).await {
                RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) => {
                    let mut verdicts = runs.iter().flat_map(|run| &run.verdicts);
                    unjudged |= verdicts.any(|verdict| verdict.reason == Reason::NotJudged);
                    break;
                }
                RegionOutcome::Busy(BusyReason::Failed | BusyReason::Parked) => busy += 1,
                other @ (RegionOutcome::Busy(_) | RegionOutcome::Ledger(_)) => panic!("{other:?}"),
            }
            tokio::task::yield_now().await;
        }
    }
    (busy, unjudged)
}

#[test]
fn panics_under_load_lose_nothing_double_nothing_and_leave_siblings_alone() {
    let seed = clock::now_ms();
    println!("seed {seed}");
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    let faults = FaultHook::new(move |run: &Run<Punch>| {
        let one_in_five = lock(&random).u8(..5) == 0;
        assert!(!(run.device.0 < 10 && one_in_five), "told to panic");
    });
    let config = RegionConfig { restarts: fast(), ..RegionConfig::new(Taps::default()) };
    let pairs = run_with(config, faults, async |directory| {
        let mut tasks = Vec::new();
        for device in (1..4).chain(11..14) {
            let region = if device < 10 { RegionId(1) } else { RegionId(2) };
            let region = directory.region(region).expect("there is").clone();
            tasks.push((device, actix_rt::spawn(async move { push(&region, device, 100).await })));
        }
        for (device, task) in tasks {
            let (busy, unjudged) = task.await.expect("no test panics");
            assert_eq!(busy > 0, device < 10, "device {device} was told to wait {busy} times");
            assert!(!unjudged || device < 10);
        }
    });
    for device in (1..4).chain(11..14) {
        let sequences: Vec<u64> = pairs.iter().filter(|pair| pair.0 == device).map(|pair| pair.1).collect();
        assert_eq!(sequences, (1..=300).collect::<Vec<_>>(), "device {device}");
    }
}

/// No punch waits for the registrar: its thread is blocked in the middle of a form, with the registry locked, until every region has
/// answered.
#[test]
fn regions_answer_while_the_registrars_thread_is_blocked() {
    let directory = tempfile::tempdir().expect("a directory");
    Keys::init(&directory.path().join("keys")).expect("keys");
    let keys = Keys::load(&directory.path().join("keys")).expect("keys");
    let registry = Registry::open(&directory.path().join("registry.db"), &keys).expect("a registry");
    let (go, held) = std::sync::mpsc::sync_channel::<()>(1);
    let (stuck, is_stuck) = std::sync::mpsc::sync_channel(1);
    let act = move |_: &mut Registrar<'_>| {
        stuck.send(()).expect("the test waits");
        held.recv().map_err(|_| RegistrarError::Failed)
    };
    let policy = PolicyInEffect::new(Policy::development());
    let config =
        RegistrarConfig { signing_pkcs8: keys.signing_pkcs8().to_vec().into(), ..Default::default() };
    let (handle, front) = RegistrarHandle::start(registry, Codes::new(0), policy, config).expect("starts");
    let blocked = std::thread::spawn(move || handle.act_blocking(test_change(act)));
    is_stuck.recv().expect("the registrar has begun");
    let pairs = run(RegionConfig::new(Taps::default()), async |directory| {
        for (device, region) in [(1, 1), (2, 2), (3, 3)] {
            let region = directory.region(RegionId(region)).expect("there is");
            assert_eq!(push(region, device, 50).await, (0, false), "device {device} never waits");
        }
    });
    assert_eq!(pairs.len(), 3 * 150);
    assert!(!blocked.is_finished(), "the registrar stood still all the time");
    go.send(()).expect("the registrar waits");
    blocked.join().expect("no panic").expect("and then its act is done");
    front.stop().expect("ends");
}

#[test]
fn a_poison_batch_is_recorded_without_a_judgement_after_three_panics() {
    let faults = FaultHook::new(|run: &Run<Punch>| assert_ne!(run.first.0, 4, "told to panic"));
    let config = RegionConfig { restarts: fast(), ..RegionConfig::new(Taps::default()) };
    let pairs = run_with(config, faults, async |directory| {
        let region = directory.region(RegionId(1)).expect("there is");
        assert_eq!(push(region, 1, 3).await, (3, true));
    });
    assert_eq!(pairs, (1..=9).map(|sequence| (1, sequence)).collect::<Vec<_>>());
}

/// After a lost connection or behind a refused punch the device sends it again, perhaps with other punches under its numbers.
#[test]
fn what_nobody_waits_for_any_more_is_not_recorded() {
    let pairs = run(RegionConfig::new(Taps::default()), async |directory| {
        let region = directory.region(RegionId(1)).expect("there is");
        let mut gone = Box::pin(region.punch(punches(region.id(), 1, 1, 3)));
        let polled = gone.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending(), "it is in the mailbox");
        drop(gone);
        assert_eq!(push(region, 2, 1).await, (0, false));
    });
    assert_eq!(pairs, [(2, 1), (2, 2), (2, 3)]);
}

#[test]
fn only_the_punch_of_a_poison_batch_that_cannot_be_judged_is_recorded_without_a_judgement() {
    let bad = |punch: &Punch| punch.device_time_ms == 5;
    let faults = FaultHook::new(move |run: &Run<Punch>| {
        assert!(!run.punches.iter().any(bad), "told to panic");
    });
    let config = RegionConfig { restarts: fast(), ..RegionConfig::new(Taps::default()) };
    let pairs = run_with(config, faults, async |directory| {
        let region = directory.region(RegionId(1)).expect("there is");
        let verdicts = loop {
            match region.punch(punches(region.id(), 1, 1, 20)).await {
                RegionOutcome::Ledger(AppendOutcome::Recorded(runs)) => {
                    break runs.into_iter().flat_map(|run| run.verdicts).collect::<Vec<_>>();
                }
                RegionOutcome::Busy(BusyReason::Failed | BusyReason::Parked) => {
                    tokio::task::yield_now().await;
                }
                other @ (RegionOutcome::Busy(_) | RegionOutcome::Ledger(_)) => panic!("{other:?}"),
            }
        };
        let reasons: Vec<Reason> = verdicts.iter().map(|verdict| verdict.reason).collect();
        let mut expected = vec![Reason::NothingShown; 20];
        expected[4] = Reason::NotJudged;
        assert_eq!(reasons, expected);
    });
    assert_eq!(pairs, (1..=20).map(|sequence| (1, sequence)).collect::<Vec<_>>());
}

#[test]
fn a_region_that_keeps_failing_is_parked_and_the_others_go_on() {
    let broken = Arc::new(AtomicBool::new(true));
    let hook = Arc::clone(&broken);
    let faults = FaultHook::new(move |run: &Run<Punch>| {
        assert!(!(hook.load(Ordering::Relaxed) && run.device.0 < 10), "told to panic");
    });
    let restarts = RestartPolicy { intensity: 5, parked_for: Duration::from_millis(50), ..fast() };
    let config = RegionConfig { restarts, ..RegionConfig::new(Taps::default()) };
    run_with(config, faults, async |directory| {
        let region = directory.region(RegionId(1)).expect("there is");
        let mut reasons = Vec::new();
        for device in 1..=8 {
            match region.punch(punches(region.id(), device, 1, 1)).await {
                RegionOutcome::Busy(reason) => reasons.push(reason),
                RegionOutcome::Ledger(outcome) => panic!("{outcome:?}"),
            }
        }
        let (failed, parked) = (BusyReason::Failed, BusyReason::Parked);
        // The sixth failure parks the region: those that wait from then on are told so.
        assert_eq!(reasons, [failed, failed, failed, failed, failed, parked, parked, parked]);
        assert!(region.is_parked());
        let sibling = directory.region(RegionId(2)).expect("there is");
        assert_eq!(push(sibling, 11, 1).await, (0, false));
        broken.store(false, Ordering::Relaxed);
        let end = clock::now() + Duration::from_secs(30);
        while region.is_parked() {
            assert!(clock::now() < end, "the region is tried again");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(push(region, 1, 1).await, (0, false));
    });
}

#[test]
fn what_is_beyond_the_permits_is_busy_and_permits_come_back() {
    let config = RegionConfig { punches_max: 10, ..RegionConfig::new(Taps::default()) };
    run(config, async |directory| {
        let region = Rc::new(directory.region(RegionId(3)).expect("there is").clone());
        for round in 0..100 {
            let fits = region.punch(punches(region.id(), 1, round * 10 + 1, 10)).await;
            assert!(matches!(fits, RegionOutcome::Ledger(AppendOutcome::Recorded(_))), "{fits:?}");
            let over = region.punch(punches(region.id(), 2, 1, 11)).await;
            assert!(matches!(over, RegionOutcome::Busy(BusyReason::Region)), "{over:?}");
        }
    });
}
