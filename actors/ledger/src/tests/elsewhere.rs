//! Devices that come from another gateway: their numbers go on, nothing is lost, and what the log says of itself is only what it holds.

use protocol::limits::ACKNOWLEDGED_AHEAD_MAX;

use super::*;

const DEVICE: DeviceId = DeviceId(1);
const EPOCH: Epoch = Epoch(1);

const fn known(recorded: u64, lost: u64) -> HelloOutcome {
    HelloOutcome::Known { recorded: Sequence(recorded), lost }
}

async fn hello(ledger: &LedgerHandle, acknowledged: u64, held: u64) -> HelloOutcome {
    ledger.hello_beside(DEVICE, EPOCH, Sequence(acknowledged), Sequence(held)).await
}

async fn mark(ledger: &LedgerHandle) -> u64 {
    ledger.marks(vec![(DEVICE, EPOCH)]).await.expect("the log runs")[0].0
}

fn used(sequence: u64) -> AppendOutcome {
    AppendOutcome::NumberUsed { sequence: Sequence(sequence) }
}

#[test]
fn numbers_go_on_above_those_in_another_log_and_the_mark_is_of_what_is_here() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 5)).await), expected(1, 5));
        assert_eq!(hello(ledger, 20, 20).await, known(20, 0));
        assert_eq!(mark(ledger).await, 5);
        assert_eq!(append(ledger, run(1, 1, 22, 1)).await, AppendOutcome::Gap { expected: Sequence(21) });
        // What is here is answered again; what is only there, or was never anywhere, is not recorded under a used number.
        assert_eq!(flat(&append(ledger, run(1, 1, 4, 2)).await), expected(4, 5));
        for (first, count, bad) in [(4, 5, 6), (10, 1, 10), (20, 2, 20)] {
            assert_eq!(append(ledger, run(1, 1, first, count)).await, used(bad));
        }
        assert_eq!(flat(&append(ledger, run(1, 1, 21, 3)).await), expected(21, 23));
        assert_eq!(mark(ledger).await, 23);
        assert_eq!(flat(&append(ledger, run(1, 1, 22, 3)).await), expected(22, 24));
        assert_eq!(hello(ledger, 24, 0).await, known(24, 0));
    });
    with_ledger(&config, async |ledger| {
        assert_eq!(mark(ledger).await, 24);
        assert_eq!(flat(&append(ledger, run(1, 1, 21, 5)).await), expected(21, 25));
    });
    let report = verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound");
    assert_eq!((report.punches, report.lost), (10, 0));
}

#[test]
fn a_restart_before_the_first_punch_forgets_the_other_log_and_the_next_hello_tells_it_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    for _ in 0..2 {
        with_ledger(&config, async |ledger| {
            assert_eq!(mark(ledger).await, 0);
            assert_eq!(hello(ledger, 20, 20).await, known(20, 0));
            assert_eq!(hello(ledger, 20, 0).await, known(20, 0), "it is known meanwhile");
        });
    }
}

#[test]
fn only_what_no_log_holds_is_lost_and_a_loss_can_be_known_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(hello(ledger, 20, 17).await, known(20, 3));
        assert_eq!(mark(ledger).await, 20);
        assert_eq!(flat(&append(ledger, run(1, 1, 21, 1)).await), expected(21, 21));
        assert_eq!(hello(ledger, 30, 30).await, known(30, 0));
        let (from, to) = (Sequence(25), Sequence(30));
        assert!(ledger.miss(Missing { device: DEVICE, epoch: EPOCH, from, to }).await);
        assert_eq!(mark(ledger).await, 30, "a loss on record counts as recorded");
        assert_eq!(hello(ledger, 30, 0).await, known(30, 0), "it is lost once");
        assert_eq!(flat(&append(ledger, run(1, 1, 31, 1)).await), expected(31, 31));
        let (from, to) = (Sequence(2), Sequence(3));
        assert!(ledger.miss(Missing { device: DEVICE, epoch: EPOCH, from, to }).await);
        assert_eq!(mark(ledger).await, 31);
    });
    with_ledger(&config, async |ledger| {
        assert_eq!(hello(ledger, 31, 0).await, known(31, 0));
        let ahead = HelloOutcome::AcknowledgedAhead { highest: Sequence(31 + ACKNOWLEDGED_AHEAD_MAX) };
        let checked = ledger.check_hello(DEVICE, EPOCH, Sequence(u64::MAX)).await;
        assert_eq!(checked, Err(ahead));
        assert_eq!(ledger.check_hello(DEVICE, EPOCH, Sequence(90)).await, Ok(Sequence(31)));
        assert_eq!(mark(ledger).await, 31, "nothing is recorded");
    });
    let report = verify(&config.directory, &config.day_keys, &public_key(&config)).expect("sound");
    assert_eq!((report.punches, report.lost), (2, 3 + 6 + 2));
}

#[test]
fn a_higher_epoch_begins_at_one_whatever_another_log_holds_of_the_lower_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(hello(ledger, 20, 20).await, known(20, 0));
        assert_eq!(ledger.hello(DEVICE, Epoch(2), Sequence(0)).await, known(0, 0));
        assert_eq!(flat(&append(ledger, run(1, 2, 1, 2)).await), expected(1, 2));
        let behind = HelloOutcome::EpochBehind { current: Epoch(2) };
        assert_eq!(hello(ledger, 20, 20).await, behind);
    });
}
