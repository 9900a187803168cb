//! The devices and their rights, in memory. The registry is the source: the process reads it with [`Fleet::reload`] at start, and orders
//! of operators read one device or place after each change. Each session registers here, so that a revocation, or a newer connection of
//! the same device, ends the session in effect. No lock is shared by all devices: a session keeps its device's cell, and a change of one
//! device or place costs the same however many there are.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use dashmap::DashMap;
use foldhash::fast::RandomState;
use protocol::{DeviceClass, DeviceId, ErrorCode, PlaceId, RegionId};
use registry::DeviceRow;
use runtime::{clock, lock};
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

/// Which region each place lies in; clones share one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<DashMap<PlaceId, RegionId, RandomState>>);

impl Places {
    /// Adds one place, or moves it to another region. Readers of other places notice nothing.
    pub(crate) fn add(&self, place: PlaceId, region: RegionId) {
        self.0.insert(place, region);
    }

    /// Returns the index of the first of these places that the device may not send for, or that does not lie in the region. A place that
    /// repeats is looked up once.
    pub(crate) fn first_denied(
        &self,
        rights: &Rights,
        region: RegionId,
        places: impl IntoIterator<Item = PlaceId>,
    ) -> Option<usize> {
        let mut last = None;
        places.into_iter().position(|place| {
            let is_allowed = last == Some(place) || self.allow(rights, place, region);
            last = Some(place);
            !is_allowed
        })
    }

    fn allow(&self, rights: &Rights, place: PlaceId, region: RegionId) -> bool {
        self.0.get(&place).is_some_and(|lies_in| *lies_in == region) && rights.allows_place(place)
    }
}

impl FromIterator<(PlaceId, RegionId)> for Places {
    fn from_iter<I: IntoIterator<Item = (PlaceId, RegionId)>>(places: I) -> Self {
        Self(Arc::new(places.into_iter().collect()))
    }
}

/// One device's cell: its sessions keep it, and a change of its rights is stored into it.
struct Device {
    rights: ArcSwap<Rights>,
    presence: Mutex<Presence>,
}

/// The connection of a device.
#[derive(Default)]
struct Presence {
    live: Option<Live>,
    /// The last time at which it was seen, if it has disconnected since the process began, milliseconds since 1970 UTC.
    seen_ms: Option<u64>,
}

struct Live {
    entry: u64,
    close: oneshot::Sender<ErrorCode>,
    /// The device's certificates.
    chain: Vec<CertificateDer<'static>>,
}

impl Device {
    fn new(rights: Rights) -> Arc<Self> {
        Arc::new(Self { rights: ArcSwap::from_pointee(rights), presence: Mutex::default() })
    }
}

#[derive(Default)]
struct Table {
    devices: DashMap<DeviceId, Arc<Device>, RandomState>,
    places: Places,
    connected: AtomicUsize,
    entries: AtomicU64,
}

/// The devices; clones share one table.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<Table>);

impl Fleet {
    /// Creates a fleet without devices, in these places.
    pub(crate) fn new(places: Places) -> Self {
        Self(Arc::new(Table { places, ..Table::default() }))
    }

    /// Takes over what the registry says now. Live connections of devices that are gone or revoked are closed. Calls of this and of
    /// [`Self::put`] must come one at a time.
    pub(crate) fn reload<R: Into<Rights>>(&self, rows: impl IntoIterator<Item = R>) {
        let mut gone: HashSet<DeviceId> = self.0.devices.iter().map(|device| *device.key()).collect();
        for row in rows {
            let rights: Rights = row.into();
            gone.remove(&rights.device);
            self.put(rights);
        }
        for device in gone {
            let Some((_, device)) = self.0.devices.remove(&device) else { continue };
            // Sessions that keep the cell see it there.
            let rights = Rights { revoked: true, ..Rights::clone(&device.rights.load()) };
            self.set(&device, rights);
        }
    }

    /// Takes over one device, new or changed. If it is revoked now, its live connection is closed.
    pub(crate) fn put(&self, row: impl Into<Rights>) {
        let rights = row.into();
        let known = self.device(rights.device);
        match known {
            Some(device) => self.set(&device, rights),
            None => drop(self.0.devices.insert(rights.device, Device::new(rights))),
        }
    }

    /// Stores the rights first: a connection that enters meanwhile is refused by them, or is there to be closed.
    fn set(&self, device: &Device, rights: Rights) {
        let revoked = rights.revoked;
        device.rights.store(Arc::new(rights));
        if revoked {
            self.close(device, ErrorCode::DeviceRevoked, |_| true);
        }
    }

    /// Adds one place.
    pub(crate) fn add_place(&self, place: PlaceId, region: RegionId) {
        self.0.places.add(place, region);
    }

    /// The number of connected devices.
    pub(crate) fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Returns whether the device is connected, and the time at which it was last seen, milliseconds since 1970 UTC.
    pub(crate) fn seen(&self, device: DeviceId) -> (bool, Option<u64>) {
        let Some(device) = self.device(device) else { return (false, None) };
        let presence = lock::lock(&device.presence);
        match presence.live {
            Some(_) => (true, Some(clock::now_ms())),
            None => (false, presence.seen_ms),
        }
    }

    /// Returns the rights of the device; `None` if it is not registered.
    pub(crate) fn rights(&self, device: DeviceId) -> Option<Arc<Rights>> {
        self.device(device).map(|device| device.rights.load_full())
    }

    /// Returns the region of every place.
    pub(crate) fn places(&self) -> &Places {
        &self.0.places
    }

    /// Checks that the certificate with this serial is still valid for the device, and returns the device's rights.
    pub(crate) fn check_serial(&self, device: DeviceId, serial: &str) -> Result<Arc<Rights>, ErrorCode> {
        let rights = self.rights(device).ok_or(ErrorCode::DeviceUnknown)?;
        rights.check_serial(serial).map(|()| rights)
    }

    /// Closes the live connections whose certificates are not believed (any more); the others notice nothing.
    pub(crate) fn keep_those(&self, is_believed: impl Fn(&[CertificateDer<'static>]) -> bool) {
        // A signature each: not while sessions wait for the table, or for the device.
        let devices: Vec<_> = self.0.devices.iter().map(|device| Arc::clone(&device)).collect();
        for device in devices {
            let live =
                |presence: &Presence| presence.live.as_ref().map(|live| (live.entry, live.chain.clone()));
            let Some((entry, chain)) = live(&lock::lock(&device.presence)) else { continue };
            if !is_believed(&chain) {
                self.close(&device, ErrorCode::CertificateWrong, |live| live.entry == entry);
            }
        }
    }

    /// Enters a connection whose certificate was verified and is good for so long; one that the device had before is replaced.
    pub(crate) fn enter(
        &self,
        device: DeviceId,
        serial: &str,
        (chain, good_for): (Vec<CertificateDer<'static>>, Duration),
    ) -> Result<Entry, ErrorCode> {
        let device = self.device(device).ok_or(ErrorCode::DeviceUnknown)?;
        let (close, closed) = oneshot::channel();
        let entry = self.0.entries.fetch_add(1, Ordering::Relaxed);
        let mut presence = lock::lock(&device.presence);
        device.rights.load().check_serial(serial)?;
        match presence.live.replace(Live { entry, close, chain }) {
            Some(older) => drop(older.close.send(ErrorCode::Replaced)),
            None => drop(self.0.connected.fetch_add(1, Ordering::Relaxed)),
        }
        drop(presence);
        Ok(Entry { fleet: self.clone(), device, entry, closed, good_for, ends: None })
    }

    fn device(&self, device: DeviceId) -> Option<Arc<Device>> {
        self.0.devices.get(&device).map(|device| Arc::clone(&device))
    }

    /// Closes the device's live connection, if it is this one.
    fn close(&self, device: &Device, code: ErrorCode, is_it: impl FnOnce(&Live) -> bool) {
        if let Some(live) = lock::lock(&device.presence).live.take_if(|live| is_it(live)) {
            self.0.connected.fetch_sub(1, Ordering::Relaxed);
            let _ = live.close.send(code);
        }
    }
}

/// A device's one connection; dropped with it.
pub(crate) struct Entry {
    fleet: Fleet,
    device: Arc<Device>,
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

    /// Returns the device's current rights, without a look-up or a lock; an error if it has been revoked since the last check. Not to be
    /// kept for longer than a frame.
    pub(crate) fn rights(&self) -> Result<Guard<Arc<Rights>>, ErrorCode> {
        let rights = self.device.rights.load();
        if rights.revoked { Err(ErrorCode::DeviceRevoked) } else { Ok(rights) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut presence = lock::lock(&self.device.presence);
        // Not where a newer connection of the same device is in its place.
        if presence.live.as_ref().is_none_or(|live| live.entry == self.entry) {
            if presence.live.take().is_some() {
                self.fleet.0.connected.fetch_sub(1, Ordering::Relaxed);
            }
            presence.seen_ms = Some(clock::now_ms());
        }
    }
}

#[cfg(test)]
mod tests;
