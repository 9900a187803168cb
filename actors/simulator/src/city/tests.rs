//! The made-up city: reproducible, without real people, and fast.

use registry::colours::Codes;

use super::*;
use crate::BLOCK_FIRST;

fn city(people: u32, seed: u64) -> (tempfile::TempDir, Keys, Registry, CityReport) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    Keys::init(&path).unwrap();
    let keys = Keys::load(&path).unwrap();
    let mut registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
    let report = build(&mut registry, &keys, people, seed).unwrap();
    (directory, keys, registry, report)
}

#[test]
fn a_city_is_built_whole_and_reports_what_is_in_it() {
    let (_directory, keys, mut registry, built) = city(3000, 7);
    assert_eq!(report(&registry).unwrap(), Some(built.clone()));
    let codes = Codes::new(0);
    assert_eq!(registry.load_codes(&codes).unwrap(), 3000);
    assert_eq!(codes.by_colour(), built.by_colour);
    assert!(built.by_colour.iter().all(|&count| count > 0), "{:?}", built.by_colour);
    assert_eq!(built.legacy_samples.len(), LEGACY_SAMPLES_MAX);
    for (text, colour) in &built.legacy_samples {
        let code = keys.legacy().code(registry.gateway().unwrap(), text).unwrap();
        let entry = codes.get(code).unwrap();
        assert_eq!((entry.class(), entry.colour().name()), (Class::Imported, colour.as_str()));
    }
    let again = build(&mut registry, &keys, 10, 7).unwrap_err();
    assert!(matches!(again, CityError::NotEmpty { codes: 3000 }), "{again}");
}

#[test]
fn the_same_seed_gives_the_same_colours() {
    let of = |seed| city(500, seed).3.by_colour;
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn nobody_in_it_can_be_real() {
    let provinces = include_str!("../../../data/provinces.csv");
    for division in made_up::values("division") {
        let taken = provinces.lines().any(|line| line.starts_with(&division[..2]));
        assert!(!taken, "{division} lies in a province");
    }
    let prefixes: Vec<&str> = include_str!("../../../data/mobile-prefixes.csv")
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    for phone in made_up::values("phone") {
        let taken = prefixes.iter().any(|prefix| prefix.starts_with(phone) || phone.starts_with(prefix));
        assert!(!taken, "{phone} is given to a carrier");
    }
    assert_eq!(made_up::values("division").len(), 5);
    assert!(u64::from(PEOPLE_MAX) <= made_up::REACH);
}

#[test]
fn made_up_documents_and_phones_do_not_repeat() {
    let (_directory, _keys, registry, _) = city(40_000, 3);
    assert_eq!(registry.people().unwrap(), 40_000);
    let mut shared = 0;
    registry
        .for_each_code(|code, _| {
            let person = registry.person(code).unwrap().unwrap();
            let codes = registry.codes_of_phone(&person.phone).unwrap();
            assert!((1..=2).contains(&codes.len()));
            shared += u32::from(codes.len() == 2);
        })
        .unwrap();
    assert!(shared > 20_000, "{shared} share a phone with a guardian or ward");
}

#[test]
fn people_with_a_story_and_reserved_numbers_are_not_the_citys() {
    use crate::{SimulatedCarrier, demo_people};
    let made_up = MadeUp::new(vec![registry::RegionRow {
        id: protocol::RegionId(1),
        code: Some("360102".to_owned()),
        name: "x".to_owned(),
        name_en: "x".to_owned(),
    }]);
    let mut random = fastrand::Rng::with_seed(1);
    let block = format!("{}", BLOCK_FIRST / 10_000);
    let step = PEOPLE_MAX / 200_000;
    for n in (0..PEOPLE_MAX).step_by(step as usize).chain(PEOPLE_MAX - 3..PEOPLE_MAX) {
        let person = made_up.person(n, &mut random);
        let phone = person.phone.reveal();
        assert!(!phone.starts_with("169") && phone[3..7] != block, "person {n}");
        assert!(!person.document.reveal().starts_with("399902"), "person {n}");
    }
    let own = demo_people().iter().map(|person| person.phone);
    for phone in own.chain(SimulatedCarrier::ALL.map(SimulatedCarrier::reserved)) {
        assert_eq!(phone[3..7], block, "{phone}");
    }
    assert!(demo_people().iter().all(|person| person.document.starts_with("399902")));
}
