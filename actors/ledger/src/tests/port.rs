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
