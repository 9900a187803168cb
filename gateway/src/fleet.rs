//! The devices and their rights, in memory. The registry is the source: the process reads it with [`Fleet::reload`] at start, and orders
//! of operators read one device or place after each change. Each session registers here, so that a revocation, or a newer connection of
//! the same device, ends the session in effect.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use protocol::{DeviceClass, DeviceId, ErrorCode, PlaceId, RegionId};
use registry::DeviceRow;
use runtime::clock;
use rustls::pki_types::CertificateDer;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// The rights of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) device: DeviceId,
    pub(crate) class: DeviceClass,
    /// Regions it may speak for.
    pub(crate) regions: Vec<RegionId>,
    /// Places it may speak for; `None` for all of its regions.
    pub(crate) places: Option<Vec<PlaceId>>,
    /// The serials of the certificates that are good: its latest, and the one that it renewed with.
    pub(crate) certificates: Vec<String>,
    pub(crate) revoked: bool,
}

impl From<DeviceRow> for Rights {
    fn from(row: DeviceRow) -> Self {
        Self {
            device: row.id,
            class: row.class,
            regions: row.regions,
            places: row.places,
            certificates: row.certificate_serial.into_iter().chain(row.previous_serial).collect(),
            revoked: row.revoked,
        }
    }
}

impl Rights {
    fn check_serial(&self, serial: &str) -> Result<(), ErrorCode> {
        let good = !self.revoked && self.certificates.iter().any(|known| known == serial);
        if good { Ok(()) } else { Err(ErrorCode::DeviceRevoked) }
    }

    pub(crate) fn allows_region(&self, region: RegionId) -> bool {
        self.regions.contains(&region)
    }

    fn allows_place(&self, place: PlaceId) -> bool {
        self.places.as_ref().is_none_or(|places| places.contains(&place))
    }
}

/// Which region each place lies in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(HashMap<PlaceId, RegionId>);

impl Places {
    /// Reports whether the device may send for that place, and the place lies in that region.
    pub(crate) fn allow(&self, rights: &Rights, place: PlaceId, region: RegionId) -> bool {
        self.0.get(&place) == Some(&region) && rights.allows_place(place)
    }
}

impl FromIterator<(PlaceId, RegionId)> for Places {
    fn from_iter<I: IntoIterator<Item = (PlaceId, RegionId)>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

struct Live {
    entry: u64,
    close: oneshot::Sender<ErrorCode>,
    /// The device's certificates.
    chain: Vec<CertificateDer<'static>>,
}

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, Arc<Rights>>,
    live: HashMap<DeviceId, Live>,
    /// The last time at which a device that has disconnected was seen, milliseconds since 1970 UTC; only since the process began.
    seen_ms: HashMap<DeviceId, u64>,
    places: Arc<Places>,
    entries: u64,
}

/// The devices; clones share one table.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<RwLock<State>>);

impl Fleet {
    /// Takes over what the registry says now. Live connections of devices that are gone or revoked are closed.
    pub(crate) fn reload<R: Into<Rights>>(&self, rows: impl IntoIterator<Item = R>) {
        let devices = rows.into_iter().map(|row| {
            let rights: Rights = row.into();
            (rights.device, Arc::new(rights))
        });
        let devices: HashMap<_, _> = devices.collect();
        self.write(|state| {
            state.devices = devices;
            let State { devices, live, .. } = state;
            for (_, gone) in
                live.extract_if(|device, _| devices.get(device).is_none_or(|rights| rights.revoked))
            {
                let _ = gone.close.send(ErrorCode::DeviceRevoked);
            }
        });
    }

    /// Takes over one device, new or changed. If it is revoked now, its live connection is closed.
    pub(crate) fn put(&self, row: impl Into<Rights>) {
        let rights = Arc::new(row.into());
        self.write(|state| {
            if rights.revoked
                && let Some(gone) = state.live.remove(&rights.device)
            {
                let _ = gone.close.send(ErrorCode::DeviceRevoked);
            }
            state.devices.insert(rights.device, rights);
        });
    }

    /// Adds one place. The table is copied while readers use the old one: frames wait only for the exchange of a pointer. Calls must come
    /// one at a time.
    pub(crate) fn add_place(&self, place: PlaceId, region: RegionId) {
        let mut places = Places::clone(&self.places());
        places.0.insert(place, region);
        self.reload_places(places);
    }

    /// Takes over the places.
    pub(crate) fn reload_places(&self, places: Places) {
        let places = Arc::new(places);
        drop(self.write(|state| std::mem::replace(&mut state.places, places)));
    }

    /// The number of connected devices.
    pub(crate) fn connected(&self) -> usize {
        self.read(|state| state.live.len())
    }

    /// Returns whether the device is connected, and the time at which it was last seen, milliseconds since 1970 UTC.
    pub(crate) fn seen(&self, device: DeviceId) -> (bool, Option<u64>) {
        self.read(|state| match state.live.contains_key(&device) {
            true => (true, Some(clock::now_ms())),
            false => (false, state.seen_ms.get(&device).copied()),
        })
    }

    /// Returns the rights of the device; `None` if it is not registered.
    pub(crate) fn rights(&self, device: DeviceId) -> Option<Arc<Rights>> {
        self.read(|state| state.devices.get(&device).cloned())
    }

    /// Returns the region of every place.
    pub(crate) fn places(&self) -> Arc<Places> {
        self.read(|state| Arc::clone(&state.places))
    }

    /// Checks that the certificate with this serial is still valid for the device, and returns the device's rights.
    pub(crate) fn check_serial(&self, device: DeviceId, serial: &str) -> Result<Arc<Rights>, ErrorCode> {
        let rights = self.rights(device).ok_or(ErrorCode::DeviceUnknown)?;
        rights.check_serial(serial).map(|()| rights)
    }

    /// Closes the live connections whose certificates are not believed (any more); the others notice nothing.
    pub(crate) fn keep_those(&self, is_believed: impl Fn(&[CertificateDer<'static>]) -> bool) {
        // A signature each: not while sessions wait for the table.
        let all = self.read(|state| {
            let live = state.live.iter().map(|(device, live)| (*device, live.entry, live.chain.clone()));
            live.collect::<Vec<_>>()
        });
        let gone: Vec<_> = all.into_iter().filter(|(_, _, chain)| !is_believed(chain)).collect();
        self.write(|state| {
            for (device, entry, _) in gone {
                let is_it = state.live.get(&device).is_some_and(|live| live.entry == entry);
                if let Some(live) = is_it.then(|| state.live.remove(&device)).flatten() {
                    let _ = live.close.send(ErrorCode::CertificateWrong);
                }
            }
        });
    }

    /// Enters a connection whose certificate was verified and is good for so long; one that the device had before is replaced.
    pub(crate) fn enter(
        &self,
        device: DeviceId,
        serial: &str,
        (chain, good_for): (Vec<CertificateDer<'static>>, Duration),
    ) -> Result<Entry, ErrorCode> {
        self.write(|state| {
            let rights = state.devices.get(&device).ok_or(ErrorCode::DeviceUnknown)?;
            rights.check_serial(serial)?;
            state.entries += 1;
            let (close, closed) = oneshot::channel();
            if let Some(older) = state.live.insert(device, Live { entry: state.entries, close, chain }) {
                let _ = older.close.send(ErrorCode::Replaced);
            }
            Ok(Entry { fleet: self.clone(), device, entry: state.entries, closed, good_for, ends: None })
        })
    }

    fn read<T>(&self, f: impl FnOnce(&State) -> T) -> T {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A device's one connection; dropped with it.
pub(crate) struct Entry {
    fleet: Fleet,
    device: DeviceId,
    entry: u64,
    closed: oneshot::Receiver<ErrorCode>,
    good_for: Duration,
    /// The certificate's end, set at the first wait. It uses the monotonic clock: a change of the wall clock closes no connection.
    ends: Option<Pin<Box<Sleep>>>,
}

impl Entry {
    /// Resolves when the connection has to close, with the reason. Not to be polled again after that.
    pub(crate) async fn closed(&mut self) -> ErrorCode {
        let Self { closed, good_for, ends, .. } = self;
        let ends = ends.get_or_insert_with(|| Box::pin(tokio::time::sleep(*good_for)));
        tokio::select! {
            biased;
            code = closed => code.unwrap_or(ErrorCode::Internal),
            () = ends.as_mut() => ErrorCode::CertificateWrong,
        }
    }

    /// Returns the device's current rights; an error if it has been revoked since the last check.
    pub(crate) fn rights(&self) -> Result<Arc<Rights>, ErrorCode> {
        let rights = self.fleet.rights(self.device).ok_or(ErrorCode::DeviceRevoked)?;
        if rights.revoked { Err(ErrorCode::DeviceRevoked) } else { Ok(rights) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (device, entry) = (self.device, self.entry);
        self.fleet.write(|state| {
            // Not where a newer connection of the same device is in its place.
            if state.live.get(&device).is_none_or(|live| live.entry == entry) {
                state.live.remove(&device);
                state.seen_ms.insert(device, clock::now_ms());
            }
        });
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(second.rights(), Err(ErrorCode::DeviceRevoked));
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
        let fleet = fleet();
        fleet.reload_places(Places::from_iter([(PlaceId(10), RegionId(1))]));
        let (known, mut entry) =
            (fleet.rights(DeviceId(1)).unwrap(), fleet.enter(DeviceId(1), "aa", shown(1, 60)).unwrap());
        let frame = fleet.places();
        fleet.put(rights(3, false));
        fleet.add_place(PlaceId(11), RegionId(2));
        assert!(Arc::ptr_eq(&known, &fleet.rights(DeviceId(1)).unwrap()), "no other device is read again");
        assert!(fleet.enter(DeviceId(3), "aa", shown(1, 60)).is_ok() && entry.closed.try_recv().is_err());
        assert_eq!(frame.0.len(), 1, "a frame under way keeps what it has");
        assert_eq!(fleet.places().0.len(), 2);
        fleet.put(rights(1, true));
        assert_eq!(entry.closed.try_recv(), Ok(ErrorCode::DeviceRevoked));
    }

    #[test]
    fn a_place_counts_only_in_its_region_and_for_its_device() {
        let places = Places::from_iter([(PlaceId(10), RegionId(1)), (PlaceId(11), RegionId(1))]);
        let device = rights(1, false);
        for (place, region, expected) in [(10, 1, true), (10, 2, false), (11, 1, false), (12, 1, false)] {
            assert_eq!(
                places.allow(&device, PlaceId(place), RegionId(region)),
                expected,
                "{place} in {region}"
            );
        }
    }
}
