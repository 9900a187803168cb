//! Orders about devices: which there are, and how each comes by its certificate.

use actors::clock;
use actors::registry::{self, DeviceRow};
use anyhow::{Context, bail};
use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use ring::rand::{SecureRandom, SystemRandom};

use super::Ordered;
use super::lines::DeviceLine;
use crate::enrol;
use crate::process::Admin;

/// An enrolment token is good for this long.
pub(crate) const ENROLMENT_S: u64 = 15 * 60;

/// Every device.
pub(super) fn list(admin: &Admin) -> anyhow::Result<Ordered> {
    let devices = admin.read(|registry| Ok(registry.devices()?))?;
    let runs = admin.vitals.is_some();
    let seen = |row: &DeviceRow| Some(admin.fleet.seen(row.id)).filter(|_| runs).unzip();
    let line = |row: DeviceRow| DeviceLine {
        connected: seen(&row).0,
        seen_ms: seen(&row).1.flatten(),
        device: row.id.0,
        class: row.class.name().to_owned(),
        name: row.name,
        regions: row.regions.iter().map(|region| region.0).collect(),
        places: row.places.map(|places| places.iter().map(|place| place.0).collect()),
        state: match (row.revoked, &row.certificate_serial) {
            (true, _) => "revoked",
            (false, Some(_)) => "enrolled",
            (false, None) if registry::is_own(row.id) => "built-in",
            (false, None) => "waiting",
        }
        .to_owned(),
        not_after_s: row.not_after_s,
        scanner_adds: admin.scanners.texts_of(row.id),
    };
    Ok(Ordered::Devices(devices.into_iter().map(line).collect()))
}

/// A new device, and a token with which it fetches its certificate.
pub(super) fn enrol(
    admin: &Admin,
    class: &str,
    name: &str,
    regions: &[u16],
    places: Option<&[u32]>,
) -> anyhow::Result<Ordered> {
    let class = DeviceClass::from_name(class).context("class is gate, handheld, concentrator or portal")?;
    if name.trim().is_empty() || name.chars().count() > 64 {
        bail!("a name has 1 to 64 characters");
    }
    let regions: Vec<RegionId> = regions.iter().copied().map(RegionId).collect();
    let places: Option<Vec<PlaceId>> = places.map(|places| places.iter().copied().map(PlaceId).collect());
    let device = admin.change_device(|registry| {
        let known = registry.regions()?;
        if regions.is_empty() {
            bail!("a device speaks for one region at least");
        }
        if let Some(region) = regions.iter().find(|id| !known.iter().any(|row| row.id == **id)) {
            bail!("there is no region {region}");
        }
        for &place in places.iter().flatten() {
            let row = registry.place(place)?;
            let row = row.with_context(|| {
                format!("there is no place {place}: `changtong place list` shows their numbers")
            })?;
            if !regions.contains(&row.region) {
                bail!("place {place} lies in region {}, which is none of the device's", row.region);
            }
        }
        let id = DeviceId(registry.last_device()? + 1);
        registry.add_device(&DeviceRow {
            id,
            class,
            name: name.trim().to_owned(),
            regions: regions.clone(),
            places: places.clone(),
            certificate_serial: None,
            previous_serial: None,
            revoked: false,
            not_after_s: 0,
        })?;
        Ok(id)
    })?;
    token(admin, device)
}

/// A token with which a known device fetches another certificate.
pub(super) fn token(admin: &Admin, device: DeviceId) -> anyhow::Result<Ordered> {
    check_outside(device)?;
    let mut secret = [0; 16];
    SystemRandom::new().fill(&mut secret).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let token = hex::encode(secret);
    let expires_s = clock::now_ms() / 1000 + ENROLMENT_S;
    admin.write(|registry| {
        let row = registry.device(device)?;
        let row = row.with_context(|| format!("there is no device {device}"))?;
        if row.revoked {
            bail!("device {device} is revoked; enrol it as a new one");
        }
        Ok(registry.create_enrolment(device, enrol::token_hash(&token), expires_s)?)
    })?;
    Ok(Ordered::Token { device: device.0, token, expires_s })
}

/// The device's certificate is good no more, and its connection is closed.
pub(super) fn revoke(admin: &Admin, device: DeviceId) -> anyhow::Result<Ordered> {
    check_outside(device)?;
    admin.change_device(|registry| {
        registry.device(device)?.with_context(|| format!("there is no device {device}"))?;
        registry.revoke_device(device)?;
        Ok(device)
    })?;
    Ok(Ordered::Revoked { device: device.0 })
}

/// The pages' own devices have no certificate that could be given or taken.
fn check_outside(device: DeviceId) -> anyhow::Result<()> {
    if registry::is_own(device) {
        bail!(
            "device {device} is the gateway's own pages: it has no certificate, and nothing outside speaks for it"
        );
    }
    Ok(())
}
