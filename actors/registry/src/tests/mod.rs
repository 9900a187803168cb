//! The registry on disk: what it stores and refuses, and that no personal data is in the file in clear.

use policy::PlaceKind;
use protocol::{Basis, Class, CodeId, Colour, DeviceClass, DeviceId, RegionId};
use tempfile::TempDir;

use crate::codes::colours::{CodeEntry, Codes};
use crate::people::Added;
use crate::*;

mod aged;
mod plans;
mod reads;

fn keys(directory: &Path) -> Keys {
    let path = directory.join("keys");
    if !path.exists() {
        Keys::init(&path).unwrap();
    }
    Keys::load(&path).unwrap()
}

fn open(directory: &TempDir) -> Result<Registry, RegistryError> {
    Registry::open(&directory.path().join("registry.db"), &keys(directory.path()))
}

fn fresh() -> (TempDir, Registry) {
    let directory = tempfile::tempdir().unwrap();
    let registry = open(&directory).unwrap();
    (directory, registry)
}

fn person(n: u32) -> Person {
    Person {
        name: format!("Canary {n}"),
        document: DocumentNumber::parse(DocumentKind::Passport, &format!("CANARY{n}")).unwrap(),
        phone: Phone::parse(&format!("163{n:08}")).unwrap(),
        district: "360102".to_owned(),
        community: String::new(),
    }
}

fn code(n: u64) -> CodeId {
    CodeId::issue(1, n).unwrap()
}

fn entry(colour: Colour, next_change_s: u32) -> CodeEntry {
    CodeEntry::new(colour, Basis::Declared, Class::Imported, next_change_s, 1)
}

fn device(id: u64) -> DeviceRow {
    DeviceRow {
        id: DeviceId(id),
        class: DeviceClass::Gate,
        name: format!("gate {id}"),
        regions: vec![RegionId(1), RegionId(14)],
        places: None,
        certificate_serial: None,
        previous_serial: None,
        revoked: false,
        not_after_s: 0,
    }
}

#[test]
fn the_pages_devices_are_there_once_and_no_certificate_can_speak_for_them() {
    let (_directory, mut registry) = fresh();
    registry.add_portals().unwrap();
    registry.add_portals().unwrap();
    let regions = registry.regions().unwrap();
    let devices = registry.devices().unwrap();
    assert_eq!(devices.len(), regions.len());
    for (row, region) in devices.iter().zip(&regions) {
        let expected = (portal_of(region.id), DeviceClass::Portal, vec![region.id], None);
        assert_eq!((row.id, row.class, row.regions.clone(), row.certificate_serial.clone()), expected);
        assert!(is_own(row.id) && !is_own(DeviceId(1)));
        assert!(registry.set_certificate(row.id, "aa", 9).is_err());
        assert!(registry.renew_certificate(row.id, "aa", "bb", 9).is_err());
        assert!(registry.create_enrolment(row.id, [7; 32], 9).is_err());
        assert!(registry.revoke_device(row.id).is_err());
    }
    let with = DeviceRow { certificate_serial: Some("aa".to_owned()), ..device(portal_of(RegionId(1)).0) };
    assert!(registry.add_device(&with).is_err());
    assert_eq!(registry.devices().unwrap(), devices);
}

#[test]
fn a_new_registry_has_the_regions_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, registry) = fresh();
    let regions = registry.regions().unwrap();
    assert_eq!(regions.len(), 14);
    assert_eq!((regions[0].code.as_deref(), regions[9].code.as_deref()), (Some("360102"), None));
    for name in ["registry.db", "registry.db-wal"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let synchronous: i64 = registry.connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL");
}

#[test]
fn newer_foreign_and_wrongly_keyed_files_are_refused() {
    let (directory, registry) = fresh();
    let path = directory.path().join("registry.db");
    registry.connection.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(registry);
    let error = open(&directory).unwrap_err();
    assert!(matches!(error, RegistryError::Newer { .. }), "{error}");
    let reset = Connection::open(&path).unwrap();
    reset.pragma_update(None, "user_version", schema::VERSION).unwrap();
    drop(reset);
    open(&directory).unwrap();

    let other = tempfile::tempdir().unwrap();
    let error = Registry::open(&path, &keys(other.path())).unwrap_err();
    assert!(matches!(error, RegistryError::WrongKey { .. }), "{error}");

    let foreign = other.path().join("registry.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(matches!(open(&other).unwrap_err(), RegistryError::NotARegistry { .. }));
    std::fs::write(&foreign, "this is no database, it is a text that somebody left here").unwrap();
    assert!(matches!(open(&other).unwrap_err(), RegistryError::NotARegistry { .. }));
}

#[test]
fn a_directory_is_taken_once() {
    let directory = tempfile::tempdir().unwrap();
    let held = DirectoryLock::take(directory.path()).unwrap();
    assert!(matches!(DirectoryLock::take(directory.path()), Err(RegistryError::InUse { .. })));
    drop(held);
    DirectoryLock::take(directory.path()).unwrap();
}

#[test]
fn a_person_is_found_by_document_and_phone_and_is_nowhere_in_the_file() {
    let (directory, registry) = fresh();
    assert_eq!(registry.add_person(&person(1), code(1), entry(Colour::Red, 0)).unwrap(), Added::New);
    let again = registry.add_person(&person(1), code(2), entry(Colour::Green, 0)).unwrap();
    assert_eq!(again, Added::SameDocument);
    let same_code = registry.add_person(&person(2), code(1), entry(Colour::Green, 0)).unwrap();
    assert_eq!(same_code, Added::SameCode);
    assert_eq!(registry.person(code(1)).unwrap(), Some(person(1)));
    assert_eq!(registry.person(code(2)).unwrap(), None);
    assert_eq!(registry.code_of_document(&person(1).document).unwrap(), Some(code(1)));
    assert_eq!(registry.code_of_document(&person(2).document).unwrap(), None);
    assert_eq!(registry.codes_of_phone(&person(1).phone).unwrap(), [code(1)]);
    assert_eq!((registry.people().unwrap(), registry.count_codes().unwrap()), (1, 1));
    for name in ["registry.db", "registry.db-wal"] {
        let bytes = std::fs::read(directory.path().join(name)).unwrap();
        for canary in ["Canary", "CANARY1", "16300000001"] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {name}");
        }
    }
}

#[test]
fn causes_end_by_the_clock_durably_and_then_in_memory() {
    let (directory, mut registry) = fresh();
    for (n, colour, until_s) in
        [(1, Colour::Red, 100), (2, Colour::Yellow, 101), (3, Colour::Red, 0), (4, Colour::Green, 0)]
    {
        registry.add_person(&person(n), code(n.into()), entry(colour, until_s)).unwrap();
    }
    let codes = Codes::new(4);
    assert!(!codes.is_loaded());
    assert_eq!(registry.load_codes(&codes).unwrap(), 4);
    assert!(codes.is_loaded());
    assert_eq!(registry.expire_due(&codes, 99).unwrap(), 0);
    assert_eq!(registry.expire_due(&codes, 100).unwrap(), 1);
    assert_eq!(codes.by_colour(), [2, 1, 1, 0]);
    let green = codes.get(code(1)).unwrap();
    assert_eq!((green.colour(), green.next_change_s(), green.version()), (Colour::Green, 0, 2));
    drop(registry);
    let mut registry = open(&directory).unwrap();
    assert_eq!(registry.code(code(1)).unwrap(), Some(green));
    assert_eq!(registry.expire_due(&codes, u32::MAX).unwrap(), 1);
    assert_eq!(codes.by_colour(), [3, 0, 1, 0]);
}

#[test]
fn devices_keep_their_rights_certificates_and_revocation() {
    let (directory, mut registry) = fresh();
    let place = registry.add_place(RegionId(2), "East gate").unwrap();
    let gate = DeviceRow { places: Some(vec![place]), regions: vec![RegionId(2)], ..device(5) };
    registry.add_device(&gate).unwrap();
    registry.add_device(&device(6)).unwrap();
    for (row, expected) in [
        (device(5), "device exists already"),
        (DeviceRow { regions: vec![RegionId(99)], ..device(7) }, "there is no region 99"),
        (DeviceRow { places: Some(vec![protocol::PlaceId(99)]), ..device(7) }, "there is no place 99"),
        (device(0), "there is no device 0"),
    ] {
        assert_eq!(registry.add_device(&row).unwrap_err().to_string(), expected);
    }
    registry.set_certificate(DeviceId(6), "0a1b", 77).unwrap();
    registry.revoke_device(DeviceId(6)).unwrap();
    assert!(matches!(registry.revoke_device(DeviceId(7)), Err(RegistryError::Missing { .. })));
    drop(registry);
    let expected = DeviceRow {
        certificate_serial: Some("0a1b".to_owned()),
        previous_serial: None,
        not_after_s: 77,
        revoked: true,
        ..device(6)
    };
    let registry = open(&directory).unwrap();
    assert_eq!(registry.devices().unwrap(), [gate, expected]);
    assert_eq!(registry.places().unwrap(), [(place, RegionId(2), "East gate".to_owned())]);
}

#[test]
fn an_enrolment_is_good_once_in_time_and_not_for_a_revoked_device() {
    let (_directory, mut registry) = fresh();
    registry.add_devices(&[device(5), device(6)]).unwrap();
    registry.create_enrolment(DeviceId(5), [1; 32], 900).unwrap();
    registry.create_enrolment(DeviceId(5), [2; 32], 900).unwrap();
    registry.create_enrolment(DeviceId(6), [3; 32], 900).unwrap();
    registry.revoke_device(DeviceId(6)).unwrap();
    assert!(registry.create_enrolment(DeviceId(9), [4; 32], 900).is_err());
    for (token, now_s, expected) in
        [(9, 1, None), (1, 900, Some(DeviceId(5))), (1, 900, None), (2, 901, None), (3, 1, None)]
    {
        assert_eq!(registry.take_enrolment([token; 32], now_s).unwrap(), expected, "{token} at {now_s}");
    }
    let left = |registry: &Registry| -> i64 {
        registry.connection.query_row("SELECT count(*) FROM enrolments", [], |row| row.get(0)).unwrap()
    };
    for (now_s, expected) in [(900, 1), (901, 0)] {
        registry.forget_some(now_s).unwrap();
        assert_eq!(left(&registry), expected, "at {now_s}");
    }
}

#[test]
fn a_kind_of_place_has_one_number_and_one_name() {
    for (index, &kind) in PlaceKind::ALL.iter().enumerate() {
        assert_eq!(usize::from(kind.number()), index + 1, "{kind:?}");
        assert_eq!(PlaceKind::from_number(kind.number()), Some(kind));
        assert_eq!(PlaceKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!((PlaceKind::from_number(0), PlaceKind::from_name("")), (None, None));
}

/// The trap: a place's number is printed on its wall, can be counted up, and grants something. The printed link is another,
/// random number; neither follows from the other, and a link only leads to its place.
#[test]
fn a_places_number_is_neither_its_link_nor_a_key() {
    let mut links = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let (_directory, mut registry) = fresh();
        for n in 0..50 {
            let row = registry.add_place_of(RegionId(1), PlaceKind::School, &format!("School {n}")).unwrap();
            let link = row.link.unwrap();
            assert!(links.insert(link), "the same places of another city have other links");
            assert_eq!(registry.place_of_link(link).unwrap(), Some(row));
        }
        for number in 0..1000 {
            let guessed = protocol::place::PlaceCode::from_random(number);
            assert_eq!(registry.place_of_link(guessed).unwrap(), None, "{number}");
        }
    }
    let apart = links.iter().zip(links.iter().skip(1)).map(|(one, next)| next.get() - one.get());
    assert!(apart.min().is_some_and(|gap| gap > 1000), "nobody counts from one to the next");
}
