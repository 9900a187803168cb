//! Prefixes and learned routes, without a carrier.

use runtime::clock;

use super::*;
use crate::carrier::tests::config;

fn phone(text: &str) -> Phone {
    Phone::parse(text).expect("a number")
}

fn configs() -> Vec<CarrierConfig> {
    let mut configs = [
        config("china-mobile", "China Mobile", "http://127.0.0.1:1"),
        config("china-unicom", "China Unicom", "http://127.0.0.1:1"),
        config("china-telecom", "China Telecom", "http://127.0.0.1:1"),
    ];
    for (config, prefixes) in configs.iter_mut().zip([&["163", "169"][..], &["164"], &["168", "16300"]]) {
        config.prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
    }
    configs.into()
}

#[test]
fn the_longest_prefix_guesses_the_carrier() {
    let plan = Plan::new(&configs()).expect("a plan");
    for (number, expected) in [
        ("13400000000", Some(0)),
        ("13300000000", Some(2)),
        ("13000000000", Some(1)),
        // 15 is the first carrier's, 153 is not.
        ("15000000000", Some(0)),
        ("15300000000", Some(2)),
        ("17050000000", Some(0)),
        ("17040000000", Some(1)),
        // Prefixes of the configuration, one inside the other.
        ("16310000000", Some(0)),
        ("16300000000", Some(2)),
        ("16400000000", Some(1)),
        // A prefix of a carrier that is not configured, and one of no carrier.
        ("19200000000", None),
        ("14900000000", None),
    ] {
        assert_eq!(plan.carrier(&phone(number)), expected, "{number}");
    }
}

#[test]
fn a_fourth_carrier_is_configuration() {
    let mut configs = configs();
    configs.push(config("china-broadnet", "China Broadnet", "http://127.0.0.1:1"));
    assert_eq!(Plan::new(&configs).expect("a plan").carrier(&phone("19200000000")), Some(3));
}

#[test]
fn a_prefix_that_is_none_or_anothers_is_refused() {
    for bad in ["", "16a", "163", "163000000001", "１６"] {
        let mut configs = configs();
        configs[1].prefixes = vec![bad.to_owned()];
        assert!(Plan::new(&configs).is_err(), "{bad}");
    }
}

#[test]
fn a_learned_route_expires_and_being_told_again_does_not_prolong_it() {
    let start = clock::now();
    let mut learned = Learned::new(10);
    let key = learned.key(&phone("16300000001"));
    assert_eq!(learned.carrier(key, start), None);
    learned.learn(key, 1, start);
    let half = start + LEARNED_FOR / 2;
    learned.learn(key, 2, half);
    assert_eq!(learned.carrier(key, half), Some(2), "ported on");
    assert_eq!(learned.carrier(key, start + LEARNED_FOR - Duration::from_secs(1)), Some(2));
    assert_eq!(learned.carrier(key, start + LEARNED_FOR), None);
    learned.learn(key, 1, start + LEARNED_FOR);
    assert_eq!(learned.carrier(key, start + LEARNED_FOR), Some(1), "and is learned anew");
}

#[test]
fn a_carrier_that_no_longer_has_the_number_is_forgotten_and_no_other() {
    let start = clock::now();
    let mut learned = Learned::new(10);
    let key = learned.key(&phone("16300000001"));
    learned.learn(key, 1, start);
    learned.forget(key, 0);
    assert_eq!(learned.carrier(key, start), Some(1));
    learned.forget(key, 1);
    assert_eq!(learned.carrier(key, start), None);
}

#[test]
fn other_numbers_of_carriers_keep_what_was_learned_and_until_when() {
    let start = clock::now();
    let mut learned = Learned::new(10);
    let [one, other] = ["16300000001", "16300000002"].map(|number| learned.key(&phone(number)));
    learned.learn(one, 0, start);
    learned.learn(other, 1, start);
    let mut renumbered = learned.renumbered(|old| (old == 1).then_some(2));
    assert!(renumbered.key(&phone("16300000002")) == other, "the same number under the same key");
    assert_eq!([one, other].map(|key| renumbered.carrier(key, start)), [None, Some(2)]);
    assert_eq!(renumbered.carrier(other, start + LEARNED_FOR), None);
    renumbered.learn(one, 1, start + LEARNED_FOR);
    assert_eq!((renumbered.routes.len(), renumbered.ends.len()), (1, 1));
}

#[test]
fn what_is_learned_is_bounded_also_by_numbers_that_go_to_and_fro() {
    let start = clock::now();
    let mut learned = Learned::new(10);
    let keys: Vec<_> = (0..30).map(|n| learned.key(&phone(&format!("163000000{n:02}")))).collect();
    for (n, &key) in keys.iter().enumerate() {
        learned.learn(key, 1, start + Duration::from_secs(n as u64));
    }
    assert_eq!((learned.routes.len(), learned.ends.len()), (10, 10));
    let now = start + Duration::from_secs(30);
    assert_eq!(learned.carrier(keys[19], now), None, "the oldest gave way");
    assert_eq!(learned.carrier(keys[20], now), Some(1));
    for n in 0..1000 {
        learned.forget(keys[29], 1);
        learned.learn(keys[29], 1, now + Duration::from_secs(n));
    }
    assert!(learned.routes.len() <= 10 && learned.ends.len() <= 10);
}

#[test]
fn a_number_is_kept_under_a_key_of_this_process() {
    let (one, other) = (Learned::new(1), Learned::new(1));
    let number = phone("16300000001");
    assert!(one.key(&number) == one.key(&number));
    assert!(one.key(&number) != other.key(&number), "the same number under another key");
}

#[test]
fn every_carrier_is_asked_once_likely_ones_first() {
    for (learned, planned, expected) in [
        (None, None, [0, 1, 2]),
        (None, Some(1), [1, 0, 2]),
        (Some(2), Some(1), [2, 1, 0]),
        (Some(1), Some(1), [1, 0, 2]),
    ] {
        assert_eq!(order(learned, planned, 3), expected);
    }
}
