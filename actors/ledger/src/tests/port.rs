//! Ports: many runs of one turn, a full queue, and a port that nothing carries any more.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;

use super::*;

const DEVICES: u64 = 100;

#[test]
fn runs_of_one_turn_are_one_batch_and_its_outcomes_come_with_one_wake_up() {
    let directory = tempfile::tempdir().expect("a directory");
    with_ledger(&config(directory.path()), async |ledger| {
        let before = ledger.durable_lsn();
        let (port, carry) = LedgerPort::open(ledger);
        let answers: Vec<_> = (1..=DEVICES)
            .map(|device| {
                let (caller, outcome) = oneshot::channel();
                port.append(run(device, 1, 1, 2), caller);
                outcome
            })
            .collect();
        drop(port);
        let (mut carry, polls) = (pin!(carry), Cell::new(0));
        poll_fn(|context| {
            polls.set(polls.get() + 1);
            carry.as_mut().poll(context)
        })
        .await;
        for outcome in answers {
            assert_eq!(flat(&outcome.await.expect("every run is answered")), expected(1, 2));
        }
        assert_eq!(ledger.durable_lsn(), before + 1, "one batch");
        // The runs, the batch of outcomes, and the end of the channel behind it.
        assert!(polls.get() <= 3, "{} polls", polls.get());
    });
}

#[test]
fn a_run_beyond_the_queue_is_busy_at_once_and_those_before_it_are_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { queue_punches_max: 10, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        let (port, carry) = LedgerPort::open(ledger);
        let [(kept, recorded), (beyond, mut busy)] = [oneshot::channel(), oneshot::channel()];
        port.append(run(1, 1, 1, 8), kept);
        port.append(run(2, 1, 1, 8), beyond);
        assert_eq!(busy.try_recv(), Ok(AppendOutcome::Busy));
        drop(port);
        carry.await;
        assert_eq!(flat(&recorded.await.expect("answered")), expected(1, 8));
        assert_eq!(flat(&append(ledger, run(2, 1, 1, 8)).await), expected(1, 8), "there is room again");
    });
}

#[test]
fn a_port_that_nothing_carries_any_more_refuses_runs_and_keeps_no_room_for_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { queue_punches_max: 10, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        let (port, carry) = LedgerPort::open(ledger);
        drop(carry);
        for _ in 0..3 {
            let (caller, outcome) = oneshot::channel();
            port.append(run(1, 1, 1, 8), caller);
            assert_eq!(outcome.await, Ok(AppendOutcome::Down));
        }
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 8)).await), expected(1, 8));
    });
}

/// Runs with a log and the clock of the runtime.
fn with_time<T>(config: &LedgerConfig, f: impl AsyncFnOnce(&LedgerHandle) -> T) -> T {
    let (ledger, handle) = Ledger::open(config).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let result = runtime.block_on(f(&handle));
    drop(handle);
    ledger.shutdown();
    result
}

/// Appends until it is told, while the copy follows the log: markers of the idle log come at any time.
async fn settled(awaiting: &LedgerHandle, progress: &CopyProgress, run: Run) -> AppendOutcome {
    loop {
        progress.reached(awaiting.durable_lsn());
        let outcome = append(awaiting, run.clone()).await;
        if outcome != AppendOutcome::NotCopied {
            return outcome;
        }
    }
}

#[test]
fn answers_that_wait_for_the_second_copy_are_told_when_it_has_them_and_repeats_wait_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_time(&config, async |ledger| {
        let (progress, copy) = CopyProgress::new();
        let awaiting = ledger.clone().awaiting(copy);
        assert_eq!(append(&awaiting, run(1, 1, 1, 5)).await, AppendOutcome::Busy, "it is away");
        assert_eq!(ledger.durable_lsn(), 0, "and nothing is taken");
        progress.reached(0);
        let copying = async {
            progress.wanted().await;
            progress.reached(ledger.durable_lsn());
        };
        let (outcome, ()) = tokio::join!(append(&awaiting, run(1, 1, 1, 5)), copying);
        assert_eq!(flat(&outcome), expected(1, 5));
        // It is on this disk alone: nothing says that it is recorded, not to a repeat either.
        let failing = async {
            progress.wanted().await;
            progress.away();
        };
        let (outcome, ()) = tokio::join!(append(&awaiting, run(1, 1, 6, 5)), failing);
        assert_eq!(outcome, AppendOutcome::NotCopied);
        progress.reached(1);
        let failing = async {
            progress.wanted().await;
            progress.away();
        };
        let (outcome, ()) = tokio::join!(append(&awaiting, run(1, 1, 1, 10)), failing);
        assert_eq!(outcome, AppendOutcome::NotCopied);
        assert_eq!(flat(&settled(&awaiting, &progress, run(1, 1, 1, 10)).await), expected(1, 10));
        let gap = settled(&awaiting, &progress, run(1, 1, 90, 1)).await;
        assert_eq!(gap, AppendOutcome::Gap { expected: Sequence(11) });
    });
}

#[test]
fn a_repeat_that_is_looked_up_on_disk_waits_for_the_second_copy() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_time(&config, async |ledger| {
        append(ledger, run(1, 1, 1, 200)).await;
        let (progress, copy) = CopyProgress::new();
        let awaiting = ledger.clone().awaiting(copy);
        progress.reached(0);
        let failing = async {
            progress.wanted().await;
            progress.away();
        };
        let (outcome, ()) = tokio::join!(append(&awaiting, run(1, 1, 1, 10)), failing);
        assert_eq!(outcome, AppendOutcome::NotCopied);
        assert_eq!(flat(&settled(&awaiting, &progress, run(1, 1, 1, 10)).await), expected(1, 10));
    });
}

#[test]
fn a_copy_that_is_late_makes_recorded_punches_busy_and_nothing_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_time(&config, async |ledger| {
        let (progress, copy) = CopyProgress::new();
        let awaiting = ledger.clone().awaiting(copy);
        progress.reached(0);
        assert_eq!(append(&awaiting, run(1, 1, 1, 5)).await, AppendOutcome::NotCopied);
        assert_eq!(flat(&settled(&awaiting, &progress, run(1, 1, 1, 5)).await), expected(1, 5));
        // Whoever made the copy has ended.
        drop(progress);
        assert_eq!(append(&awaiting, run(1, 1, 6, 1)).await, AppendOutcome::NotCopied);
    });
}
