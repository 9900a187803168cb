//! Copies of the log: complete up to their LSN, and unreadable once the keys of their days are destroyed.

use super::*;
use crate::recover::recover;
use crate::seal::DayKeys;

const DAY_MS: u64 = 86_400_000;

fn punches(directory: &Path, config: &LedgerConfig) -> Result<u64, LedgerError> {
    export(directory, &config.day_keys, (ExportFormat::JsonLines, &ALL_TIME), &mut std::io::sink())
}

#[test]
fn a_copy_of_a_log_that_is_written_holds_all_up_to_its_lsn() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 4096, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        for round in 0..12 {
            assert_eq!(flat(&append(ledger, run(1, 1, round * 50 + 1, 50)).await).len(), 50);
            let to = directory.path().join(format!("copy-{round}"));
            let lsn = copy(&config.directory, &to).expect("copied");
            assert!(lsn > round, "what was acknowledged is in it");
            let report = verify(&to, &config.day_keys, &public_key(&config)).expect("sound");
            assert_eq!((report.last_lsn, report.punches), (lsn, (round + 1) * 50));
        }
    });
    // A gateway continues at the end of the copy and knows its acknowledgements.
    let restored = LedgerConfig { directory: directory.path().join("copy-7"), ..config.clone() };
    with_ledger(&restored, async |ledger| {
        let known = HelloOutcome::Known { recorded: Sequence(400), lost: 0 };
        assert_eq!(ledger.hello(DeviceId(1), Epoch(1), Sequence(400)).await, known);
        assert_eq!(flat(&append(ledger, run(1, 1, 396, 10)).await), expected(396, 405));
    });
}

#[test]
fn a_day_whose_key_is_destroyed_is_forgotten_in_a_copy_as_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    with_ledger(&config, async |ledger| {
        assert_eq!(flat(&append(ledger, run(1, 1, 1, 50)).await).len(), 50);
    });
    let to = directory.path().join("copy");
    copy(&config.directory, &to).expect("copied");
    assert_eq!(punches(&to, &config).expect("its key is there"), 50);
    let restored = |now_ms| {
        let (signing, days) = (&config.signing_pkcs8, config.retention_days);
        forget_expired(&to, &config.day_keys, signing, days, now_ms).expect("recorded")
    };
    assert_eq!(restored(clock::now_ms() + 20 * DAY_MS), [""; 0], "the key is there still");

    // The day expires in the log itself, three weeks later.
    let later = clock::now_ms() + 21 * DAY_MS;
    let at = clock::Reading::plain(later);
    let disk = open_for_reading(&config.directory).expect("opens");
    let keys = DayKeys::open(&config.day_keys).expect("opens");
    forget(&mut recover(disk, keys, &config, &at).expect("recovers"), &at).expect("expires");

    let error = punches(&to, &config).expect_err("nothing opens them").to_string();
    assert!(error.contains("the key of"), "{error}");
    assert_eq!(restored(clock::now_ms()), [""; 0], "a young day's key is missing, not destroyed");
    let error = verify(&to, &config.day_keys, &public_key(&config)).expect_err("missing").to_string();
    assert!(error.contains("is missing; restore it from a copy"), "{error}");
    assert_eq!(restored(later).len(), 1);
    assert_eq!(restored(later).len(), 0, "once is enough");
    let report = verify(&to, &config.day_keys, &public_key(&config)).expect("forgotten is not damaged");
    assert_eq!((report.punches, report.deletions), (0, 1));
    assert!(report.forgotten_batches > 0);
    assert_eq!(punches(&to, &config).expect("empty"), 0);
}
