//! Devices, their certificates, and their rights: the regions and places whose punches they may send.

pub(crate) mod enrolments;
pub(crate) mod shifts;

use std::collections::HashSet;
use std::fmt::Display;

use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use rusqlite::ToSql;
use rusqlite::types::FromSql;

use crate::{Registry, RegistryError, is_conflict};

/// The numbers of the gateway's own devices: the citizens' pages, one for each region. They never have certificates, so no
/// connection can act as one.
const OWN_FROM: u64 = 900_000_000;
const OWN_MAX: u64 = OWN_FROM + u16::MAX as u64;

/// Returns the device as which the pages of this region punch.
pub const fn portal_of(region: RegionId) -> DeviceId {
    DeviceId(OWN_FROM + region.0 as u64)
}

/// Returns whether the device is one of the gateway's own.
pub const fn is_own(device: DeviceId) -> bool {
    matches!(device.0, OWN_FROM..=OWN_MAX)
}

/// A device and its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device's number, as in its certificate.
    pub id: DeviceId,
    /// The device's class.
    pub class: DeviceClass,
    /// The name that operators gave it.
    pub name: String,
    /// The regions whose punches it may send.
    pub regions: Vec<RegionId>,
    /// The places whose punches it may send; `None` for all places of its regions.
    pub places: Option<Vec<PlaceId>>,
    /// The serial number of its certificate, in hexadecimal.
    pub certificate_serial: Option<String>,
    /// The serial number of the certificate that was renewed; it stays valid until it expires.
    pub previous_serial: Option<String>,
    /// True if it may no longer connect.
    pub revoked: bool,
    /// The expiry of its certificate, Unix seconds; 0 without one.
    pub not_after_s: u64,
}

const DEVICE_COLUMNS: &str = "SELECT id, class, name, all_places, certificate_serial, revoked, not_after_s, previous_serial FROM devices";

impl DeviceRow {
    fn add_region(&mut self, region: u16) {
        self.regions.push(RegionId(region));
    }

    /// Adds a place, unless the device speaks for all.
    fn add_place(&mut self, place: u32) {
        self.places.iter_mut().for_each(|places| places.push(PlaceId(place)));
    }
}

impl Registry {
    /// Returns every device, in the order of their numbers.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, RegistryError> {
        let mut devices = self.device_rows(&format!("{DEVICE_COLUMNS} ORDER BY id"), [])?;
        let regions = "SELECT device, region FROM device_regions ORDER BY device, region";
        self.add_rights(&mut devices, regions, DeviceRow::add_region)?;
        let places = "SELECT device, place FROM device_places ORDER BY device, place";
        self.add_rights(&mut devices, places, DeviceRow::add_place)?;
        Ok(devices)
    }

    /// Returns the devices with exactly this name, in the order of their numbers.
    pub fn devices_named(&self, name: &str) -> Result<Vec<DeviceRow>, RegistryError> {
        let ids: Vec<i64> = self.numbers("SELECT id FROM devices WHERE name = ?1 ORDER BY id", name)?;
        self.rows_of(ids)
    }

    /// Returns the number of devices that have a certificate and are not revoked.
    pub fn devices_enrolled(&self) -> Result<usize, RegistryError> {
        let sql = "SELECT count(*) FROM devices WHERE revoked = 0 AND certificate_serial IS NOT NULL";
        Ok(self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))? as usize)
    }

    fn rows_of(&self, ids: Vec<i64>) -> Result<Vec<DeviceRow>, RegistryError> {
        let device =
            |id| self.device(DeviceId(id as u64))?.ok_or_else(|| RegistryError::missing("device", id));
        ids.into_iter().map(device).collect()
    }

    /// Returns the device with this number.
    pub fn device(&self, id: DeviceId) -> Result<Option<DeviceRow>, RegistryError> {
        let number = number(id)?;
        let found = self.device_rows(&format!("{DEVICE_COLUMNS} WHERE id = ?1"), [number])?.pop();
        let Some(mut device) = found else { return Ok(None) };
        let regions: Vec<u16> =
            self.numbers("SELECT region FROM device_regions WHERE device = ?1 ORDER BY region", number)?;
        let places: Vec<u32> =
            self.numbers("SELECT place FROM device_places WHERE device = ?1 ORDER BY place", number)?;
        regions.into_iter().for_each(|region| device.add_region(region));
        places.into_iter().for_each(|place| device.add_place(place));
        Ok(Some(device))
    }

    /// Reads pairs of a device and a right, and adds each to its row. Both are in the order of the devices.
    fn add_rights<T: FromSql>(
        &self,
        devices: &mut [DeviceRow],
        sql: &str,
        add: fn(&mut DeviceRow, T),
    ) -> Result<(), RegistryError> {
        let (mut query, mut at) = (self.connection.prepare_cached(sql)?, 0);
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (device, right) = (DeviceId(row.get::<_, i64>(0)? as u64), row.get(1)?);
            at += devices[at..].iter().take_while(|row| row.id < device).count();
            if let Some(found) = devices.get_mut(at).filter(|row| row.id == device) {
                add(found, right);
            }
        }
        Ok(())
    }

    /// Reads devices without their regions and places.
    fn device_rows(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<DeviceRow>, RegistryError> {
        let mut query = self.connection.prepare_cached(sql)?;
        let (mut rows, mut devices) = (query.query(parameters)?, Vec::new());
        while let Some(row) = rows.next()? {
            let all_places: bool = row.get(3)?;
            let class = DeviceClass::from_number(row.get(1)?);
            devices.push(DeviceRow {
                id: DeviceId(row.get::<_, i64>(0)? as u64),
                class: class.ok_or(RegistryError::Damaged { what: "device" })?,
                name: row.get(2)?,
                regions: Vec::new(),
                places: (!all_places).then(Vec::new),
                certificate_serial: row.get(4)?,
                previous_serial: row.get(7)?,
                revoked: row.get(5)?,
                not_after_s: row.get::<_, i64>(6)? as u64,
            });
        }
        Ok(devices)
    }

    /// Returns the highest device number outside the gateway's own; 0 if there is none.
    pub fn last_device(&self) -> Result<u64, RegistryError> {
        let sql = "SELECT max(id) FROM devices WHERE id < ?1";
        let last: Option<i64> = self.connection.query_row(sql, [OWN_FROM as i64], |row| row.get(0))?;
        Ok(last.unwrap_or(0) as u64)
    }

    /// Adds a device with its rights.
    pub fn add_device(&mut self, device: &DeviceRow) -> Result<(), RegistryError> {
        self.transaction(|registry| registry.insert_device(device))
    }

    /// Adds the pages' own device to each region that has none.
    pub fn add_portals(&mut self) -> Result<(), RegistryError> {
        let own: Vec<i64> =
            self.numbers("SELECT id FROM devices WHERE id >= ?1 ORDER BY id", OWN_FROM as i64)?;
        let known: HashSet<DeviceId> = own.into_iter().map(|id| DeviceId(id as u64)).collect();
        let portal = |region: RegionId| DeviceRow {
            id: portal_of(region),
            class: DeviceClass::Portal,
            name: format!("pages of region {region}"),
            regions: vec![region],
            places: None,
            certificate_serial: None,
            previous_serial: None,
            revoked: false,
            not_after_s: 0,
        };
        let rows = self.regions()?.into_iter().map(|row| portal(row.id));
        let missing: Vec<DeviceRow> = rows.filter(|row| !known.contains(&row.id)).collect();
        if missing.is_empty() { Ok(()) } else { self.add_devices(&missing) }
    }

    /// Adds several devices in one transaction.
    pub fn add_devices(&mut self, devices: &[DeviceRow]) -> Result<(), RegistryError> {
        self.transaction(|registry| devices.iter().try_for_each(|device| registry.insert_device(device)))
    }

    /// Adds devices and enrolment tokens in one transaction. A token replaces the device's earlier ones and may be for a device
    /// that exists.
    pub fn enrol_devices(
        &mut self,
        devices: &[DeviceRow],
        tokens: &[(DeviceId, [u8; 32], u64)],
    ) -> Result<(), RegistryError> {
        self.transaction(|registry| {
            devices.iter().try_for_each(|device| registry.insert_device(device))?;
            tokens.iter().try_for_each(|&(device, hash, expires_s)| {
                let mut forget =
                    registry.connection.prepare_cached("DELETE FROM enrolments WHERE device = ?1")?;
                forget.execute([outside(device)?])?;
                drop(forget);
                registry.create_enrolment(device, hash, expires_s)
            })
        })
    }

    fn insert_device(&self, device: &DeviceRow) -> Result<(), RegistryError> {
        let id = number(device.id)?;
        if is_own(device.id) && device.certificate_serial.is_some() {
            return Err(RegistryError::missing("device that may have a certificate:", id));
        }
        let sql =
            "INSERT INTO devices (id, class, name, all_places, certificate_serial, not_after_s, revoked)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let parameters = rusqlite::params![
            id,
            device.class.number(),
            device.name,
            device.places.is_none(),
            device.certificate_serial,
            device.not_after_s as i64,
            device.revoked
        ];
        let result = self.connection.prepare_cached(sql)?.execute(parameters);
        result.map_err(|error| match is_conflict(&error) {
            true => RegistryError::Exists { what: "device" },
            false => error.into(),
        })?;
        let mut insert = self.connection.prepare_cached("INSERT INTO device_regions VALUES (?1, ?2)")?;
        for region in &device.regions {
            insert.execute((id, region.0)).map_err(|error| missing(error, "region", region))?;
        }
        let mut insert = self.connection.prepare_cached("INSERT INTO device_places VALUES (?1, ?2)")?;
        for place in device.places.iter().flatten() {
            insert.execute((id, place.0)).map_err(|error| missing(error, "place", place))?;
        }
        Ok(())
    }

    /// Stores the device's new certificate; no earlier one is valid any more.
    pub fn set_certificate(
        &mut self,
        id: DeviceId,
        serial: &str,
        not_after_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "UPDATE devices SET certificate_serial = ?2, not_after_s = ?3, previous_serial = NULL
            WHERE id = ?1";
        let changed = self.connection.execute(sql, (outside(id)?, serial, not_after_s as i64))?;
        one_device(changed, id)
    }

    /// Stores the certificate that the device got with its present one, `with`. That one stays valid until it expires, because
    /// the answer may get lost and the device asks again.
    pub fn renew_certificate(
        &mut self,
        id: DeviceId,
        with: &str,
        serial: &str,
        not_after_s: u64,
    ) -> Result<(), RegistryError> {
        let sql = "UPDATE devices SET certificate_serial = ?3, not_after_s = ?4, previous_serial = ?2
            WHERE id = ?1 AND revoked = 0 AND ?2 IN (certificate_serial, previous_serial)";
        let parameters = (outside(id)?, with, serial, not_after_s as i64);
        one_device(self.connection.execute(sql, parameters)?, id)
    }

    /// Revokes the device and deletes its enrolment tokens.
    pub fn revoke_device(&mut self, id: DeviceId) -> Result<(), RegistryError> {
        let id = outside(id)?;
        self.transaction(|registry| {
            registry.connection.execute("DELETE FROM enrolments WHERE device = ?1", [id])?;
            one_device(registry.connection.execute("UPDATE devices SET revoked = 1 WHERE id = ?1", [id])?, id)
        })
    }

    fn numbers<T: FromSql>(&self, sql: &str, of: impl ToSql) -> Result<Vec<T>, RegistryError> {
        let mut query = self.connection.prepare_cached(sql)?;
        Ok(query.query_map([of], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }
}

pub(super) fn number(id: DeviceId) -> Result<i64, RegistryError> {
    match i64::try_from(id.0) {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(RegistryError::missing("device", id)),
    }
}

/// Returns the number of a device outside the gateway's own; only such devices have certificates.
pub(super) fn outside(id: DeviceId) -> Result<i64, RegistryError> {
    if is_own(id) { Err(RegistryError::missing("device outside the gateway:", id)) } else { number(id) }
}

fn one_device(changed: usize, id: impl Display) -> Result<(), RegistryError> {
    if changed == 1 { Ok(()) } else { Err(RegistryError::missing("device", id)) }
}

/// Maps a violated foreign key to [`RegistryError::Missing`].
pub(super) fn missing(error: rusqlite::Error, what: &str, id: impl Display) -> RegistryError {
    let rusqlite::Error::SqliteFailure(failure, _) = &error else { return error.into() };
    match failure.extended_code {
        rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => RegistryError::missing(what, id),
        _ => error.into(),
    }
}
