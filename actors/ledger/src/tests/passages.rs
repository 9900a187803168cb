//! Passages by place and time, from the segments of that time only, while the log is being written.

use protocol::Colour;

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn at(device: u64, received_ms: u64, place: u32, code: u64, offline_ms: Option<u64>) -> Run {
    let record = Record {
        code: protocol::CodeId::from_u64(code),
        place: PlaceId(place),
        device_time_ms: offline_ms.unwrap_or(received_ms - 40),
        offline: offline_ms.is_some(),
        ..record(code)
    };
    Run { received_ms, punches: vec![record], ..run(device, 1, 1, 1) }
}

#[test]
fn who_passed_a_place_is_found_by_when_they_passed() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let now_ms = clock::now_ms();
    let earlier_ms = now_ms - 3 * HOUR_MS;
    with_ledger(&config, async |ledger| {
        for (device, run) in [
            at(1, now_ms, 7, 11, None),
            at(2, now_ms, 8, 12, None),
            at(3, now_ms, 7, 0, None),
            at(4, now_ms, 7, 14, Some(earlier_ms)),
            at(5, now_ms, 7, 15, Some(now_ms - 1)),
        ]
        .into_iter()
        .enumerate()
        {
            flat(&append(ledger, Run { device: DeviceId(device as u64 + 1), ..run }).await);
        }
        let look = |place, from_ms, to_ms| {
            let stretch = TimeRange { place: PlaceId(place), from_ms, to_ms };
            let found = passages(&config.directory, &config.day_keys, &stretch).expect("sound");
            let codes: Vec<_> = found.passages.iter().filter_map(|passage| passage.code).collect();
            let without_code = found.passages.len() - codes.len();
            (codes.into_iter().map(protocol::CodeId::get).collect::<Vec<_>>(), without_code)
        };
        assert_eq!(look(7, now_ms - 1000, now_ms + 1000), (vec![11, 15], 1));
        assert_eq!(look(8, now_ms - 1000, now_ms + 1000), (vec![12], 0));
        assert_eq!(
            look(7, earlier_ms, earlier_ms + 1),
            (vec![14], 0),
            "what waited happened when its device says"
        );
        assert_eq!(look(7, earlier_ms + 1, now_ms - 1), (vec![], 0), "the end is not in it");
        assert_eq!(look(9, 0, now_ms + 1000), (vec![], 0));
    });
    let stretch = TimeRange { place: PlaceId(7), from_ms: now_ms, to_ms: now_ms + 1 };
    let found = passages(&config.directory, &config.day_keys, &stretch).expect("sound");
    let [passage, without_code] = found.passages[..] else { panic!("{found:?}") };
    assert_eq!((passage.at_ms, passage.direction, passage.colour), (now_ms, Direction::In, Colour::Unknown));
    assert_eq!(passage.punch, (DeviceId(1), Epoch(1), Sequence(1)));
    assert_eq!((without_code.punch.0, without_code.code), (DeviceId(3), None));
    assert!(!found.forgotten && !found.truncated);
}

#[test]
fn only_the_segments_of_that_time_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = LedgerConfig { segment_bytes_max: 4096, ..config(directory.path()) };
    with_ledger(&config, async |ledger| {
        for first in 0..20 {
            flat(&append(ledger, run(1, 1, first * 100 + 1, 100)).await);
        }
    });
    let look = |from_ms, to_ms| {
        let stretch = TimeRange { place: PlaceId(7), from_ms, to_ms };
        passages(&config.directory, &config.day_keys, &stretch).expect("sound")
    };
    let now_ms = clock::now_ms();
    let found = look(now_ms - HOUR_MS, now_ms + 1);
    assert_eq!(found.passages.len(), 2000);
    assert!(found.segments > 10, "{}", found.segments);
    assert_eq!(look(now_ms - 48 * HOUR_MS, now_ms - 30 * HOUR_MS).segments, 0, "before the first");
    let later = look(now_ms + 2 * HOUR_MS, now_ms + 3 * HOUR_MS);
    assert_eq!((later.segments, later.passages.len()), (1, 0), "the last one alone may still grow");
    let missing = config.directory.join(segment_name(5));
    std::fs::remove_file(missing).expect("removed");
    let stretch = TimeRange { place: PlaceId(7), from_ms: now_ms - HOUR_MS, to_ms: now_ms + 1 };
    let error = passages(&config.directory, &config.day_keys, &stretch).expect_err("a gap is not silence");
    assert!(matches!(error, LedgerError::Corrupt { what: "it is missing", .. }), "{error}");
}
