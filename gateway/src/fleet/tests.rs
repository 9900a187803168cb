//! The fleet's tests: connections that enter, the reasons that close one, and changes beside sessions that read.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

fn fleet() -> Fleet {
    let fleet = Fleet::default();
    fleet.reload([rights(1, false), rights(2, true)]);
    fleet
}

fn rights(device: u64, revoked: bool) -> Rights {
    Rights {
        device: DeviceId(device),
        class: DeviceClass::Gate,
        regions: vec![RegionId(1)],
        places: Some(vec![PlaceId(10)]),
        certificates: vec!["aa".to_owned()],
        revoked,
    }
}

/// Signed by an authority of that name, good for so long.
fn shown(authority: u8, good_s: u64) -> (Vec<CertificateDer<'static>>, Duration) {
    (vec![vec![authority].into()], Duration::from_secs(good_s))
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let fleet = Fleet::default();
    fleet.reload([rights(1, false), rights(3, false)]);
    let mut over = fleet.enter(DeviceId(1), "aa", shown(1, 0)).unwrap();
    let mut good = fleet.enter(DeviceId(3), "aa", shown(1, 3_600)).unwrap();
    tokio::select! {
        biased;
        code = good.closed() => panic!("it is good for an hour, and was closed with {}", code.name()),
        code = over.closed() => assert_eq!(code, ErrorCode::CertificateWrong),
    }
}

#[test]
fn another_authority_closes_those_it_has_not_signed_and_leaves_the_others() {
    let fleet = Fleet::default();
    fleet.reload([rights(1, false), rights(3, false)]);
    let mut old = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    let mut new = fleet.enter(DeviceId(3), "aa", shown(2, 60)).unwrap();
    fleet.keep_those(|chain| chain[0][..] == [2]);
    assert_eq!(old.closed.try_recv(), Ok(ErrorCode::CertificateWrong));
    assert!(new.closed.try_recv().is_err());
}

#[test]
fn only_the_registered_certificate_of_a_device_in_good_standing_enters() {
    let fleet = fleet();
    for (device, serial, expected) in [
        (1, "aa", Ok(())),
        (1, "bb", Err(ErrorCode::DeviceRevoked)),
        (2, "aa", Err(ErrorCode::DeviceRevoked)),
        (3, "aa", Err(ErrorCode::DeviceUnknown)),
    ] {
        assert_eq!(
            fleet.enter(DeviceId(device), serial, shown(1, 60)).map(|_| ()),
            expected,
            "device {device} serial {serial}"
        );
    }
}

#[test]
fn a_newer_connection_replaces_and_a_revocation_closes() {
    let fleet = fleet();
    let mut first = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    let mut second = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    assert_eq!(first.closed.try_recv(), Ok(ErrorCode::Replaced));
    drop(first);
    fleet.reload([rights(1, true)]);
    assert_eq!(second.closed.try_recv(), Ok(ErrorCode::DeviceRevoked));
    assert_eq!(second.rights().map(drop), Err(ErrorCode::DeviceRevoked));
}

#[test]
fn a_reload_closes_who_is_gone_and_leaves_the_others() {
    let fleet = fleet();
    let mut entry = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    fleet.reload([rights(1, false)]);
    assert!(entry.closed.try_recv().is_err());
    fleet.reload(Vec::<Rights>::new());
    assert_eq!(entry.closed.try_recv(), Ok(ErrorCode::DeviceRevoked));
}

#[test]
fn one_more_device_or_place_leaves_everything_else_where_it_is() {
    let fleet = Fleet::new(Places::from_iter([(PlaceId(10), RegionId(1))]));
    fleet.reload([rights(1, false)]);
    let (known, mut entry) =
        (fleet.rights(DeviceId(1)).unwrap(), fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap());
    fleet.put(rights(3, false));
    fleet.add_place(PlaceId(11), RegionId(2));
    assert!(Arc::ptr_eq(&known, &fleet.rights(DeviceId(1)).unwrap()), "no other device is read again");
    assert!(Arc::ptr_eq(&known, &entry.rights().unwrap()), "a session reads its device's own cell");
    assert!(fleet.enter(DeviceId(3), "aa", shown(1, 60)).is_ok() && entry.closed.try_recv().is_err());
    assert_eq!(fleet.places().0.len(), 2);
    fleet.put(rights(1, true));
    assert_eq!(entry.closed.try_recv(), Ok(ErrorCode::DeviceRevoked));
}

#[test]
fn a_session_sees_its_new_rights_with_the_next_frame() {
    let fleet = fleet();
    let entry = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    fleet.put(Rights { regions: vec![RegionId(2)], ..rights(1, false) });
    assert!(entry.rights().unwrap().allows_region(RegionId(2)));
    fleet.reload([rights(1, false)]);
    assert!(entry.rights().unwrap().allows_region(RegionId(1)));
    fleet.reload(Vec::<Rights>::new());
    assert_eq!(entry.rights().map(drop), Err(ErrorCode::DeviceRevoked), "it is gone");
    fleet.reload([rights(1, false)]);
    assert!(entry.rights().is_err(), "a connection from before does not come back with its device");
    assert!(fleet.enter(DeviceId(1), "aa", shown(1, 60)).is_ok());
}

#[test]
fn sessions_read_on_while_devices_and_places_come_and_none_reads_on_after_its_revocation() {
    const ADDED: u32 = 20_000;
    let (fleet, revoked) =
        (Fleet::new(Places::from_iter([(PlaceId(10), RegionId(1))])), AtomicBool::new(false));
    fleet.reload([rights(1, false), rights(2, false)]);
    let enter = |device| fleet.enter(DeviceId(device), "aa", shown(1, 60)).unwrap();
    // Until the revocation begins every read succeeds; once it has returned none does.
    let session = |device, entry: &Entry| loop {
        let is_over = revoked.load(Ordering::Acquire);
        let Ok(rights) = entry.rights() else { break };
        assert!(!is_over, "device {device} reads on after its revocation");
        assert_eq!(rights.device, DeviceId(device));
        assert_eq!(fleet.places().first_denied(&rights, RegionId(1), [PlaceId(10)]), None);
    };
    let mut entries = [1, 2].map(|device| (device, enter(device)));
    thread::scope(|scope| {
        let sessions = entries.each_ref().map(|(device, entry)| scope.spawn(move || session(*device, entry)));
        for number in 0..ADDED {
            fleet.put(rights(u64::from(number) + 1_000, false));
            fleet.add_place(PlaceId(number + 1_000), RegionId(1));
        }
        [1, 2].into_iter().for_each(|device| fleet.put(rights(device, true)));
        revoked.store(true, Ordering::Release);
        sessions.into_iter().for_each(|session| session.join().expect("its reads hold"));
    });
    for (_, entry) in &mut entries {
        assert_eq!(entry.closed.try_recv(), Ok(ErrorCode::DeviceRevoked));
    }
    assert_eq!(fleet.connected(), 0);
}

#[test]
fn connections_are_counted_as_devices_come_are_replaced_and_go() {
    let fleet = fleet();
    fleet.put(rights(3, false));
    let first = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    let other = fleet.enter(DeviceId(3), "aa", shown(1, 60)).unwrap();
    assert_eq!((fleet.connected(), fleet.seen(DeviceId(1)).0), (2, true));
    let newer = fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap();
    drop(first);
    assert_eq!((fleet.connected(), fleet.seen(DeviceId(1)).0), (2, true), "the newer one stands");
    fleet.put(rights(1, true));
    assert_eq!(fleet.connected(), 1);
    drop((newer, other));
    assert_eq!(fleet.connected(), 0, "a connection that was closed is counted out once");
    let (is_connected, seen_ms) = fleet.seen(DeviceId(3));
    assert!(!is_connected && seen_ms.is_some());
}

#[test]
fn a_place_counts_only_in_its_region_and_for_its_device() {
    let places = Places::from_iter([(PlaceId(10), RegionId(1)), (PlaceId(11), RegionId(1))]);
    let device = rights(1, false);
    for (asked, region, expected) in [
        (&[10, 10][..], 1, None),
        (&[10], 2, Some(0)),
        (&[11], 1, Some(0)),
        (&[12], 1, Some(0)),
        (&[10, 10, 11, 10], 1, Some(2)),
        (&[], 1, None),
    ] {
        let denied = places.first_denied(&device, RegionId(region), asked.iter().copied().map(PlaceId));
        assert_eq!(denied, expected, "{asked:?} in {region}");
    }
}
