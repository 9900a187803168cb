//! Orders about devices: which there are, and how each comes by its certificate.

use std::collections::HashMap;
use std::path::PathBuf;

use actors::residence::visible;
use anyhow::{Context, bail};
use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use registry::{self, DeviceRow, RegionRow, Registry};
use ring::rand::{SecureRandom, SystemRandom};
use runtime::clock;
use serde::{Deserialize, Serialize};

use super::lines::DeviceLine;
use super::places::name_of;
use super::{Ordered, limits};
use crate::operator::OperatorContext;

/// An enrolment token is good for this long.
pub(crate) const ENROLMENT_S: u64 = 15 * 60;

/// Every device.
pub(super) fn list(admin: &OperatorContext) -> anyhow::Result<Ordered> {
    let (devices, regions) = admin.read(|registry| Ok((registry.devices()?, registry.regions()?)))?;
    let runs = admin.running.is_some();
    let seen = |row: &DeviceRow| Some(admin.fleet.seen(row.id)).filter(|_| runs).unzip();
    let line = |row: DeviceRow| DeviceLine {
        connected: seen(&row).0,
        seen_ms: seen(&row).1.flatten(),
        device: row.id.0,
        class: row.class.name().to_owned(),
        name: row.name,
        regions: row.regions.iter().map(|region| region.0).collect(),
        region_names: row.regions.iter().map(|&region| name_of(region, &regions)).collect(),
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

/// A device as it is ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevice {
    /// Its line in a table, for errors.
    pub(crate) line: u64,
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) regions: Vec<u16>,
    pub(crate) places: Option<Vec<u32>>,
}

/// A device of a table, and its token; `None` for one that has fetched a certificate already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Enrolled {
    pub(crate) device: u64,
    pub(crate) name: String,
    pub(crate) token: Option<String>,
    pub(crate) expires_s: u64,
}

/// The place where a device takes its token: the gateway's address, and the file with the authority that vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EnrolsAt {
    pub(crate) url: String,
    pub(crate) authority: PathBuf,
}

impl NewDevice {
    /// Reads what was ordered against the registry's regions and places.
    fn row(&self, registry: &Registry, known: &[RegionRow]) -> anyhow::Result<DeviceRow> {
        let class = DeviceClass::from_name(&self.class.to_ascii_lowercase())
            .context("class is gate, handheld, concentrator or portal")?;
        let name = visible(&self.name).context("a device's name is 1 to 64 characters that can be seen")?;
        let regions: Vec<RegionId> = self.regions.iter().copied().map(RegionId).collect();
        if regions.is_empty() {
            bail!("a device speaks for one region at least; `changtong region list` shows them");
        }
        if let Some(region) = regions.iter().find(|id| !known.iter().any(|row| row.id == **id)) {
            bail!("there is no region {region}: `changtong region list` shows their numbers");
        }
        let places: Option<Vec<PlaceId>> =
            self.places.as_ref().map(|places| places.iter().copied().map(PlaceId).collect());
        for &place in places.iter().flatten() {
            let row = registry.place(place)?;
            let row = row.with_context(|| {
                format!("there is no place {place}: `changtong place list` shows their numbers")
            })?;
            if !regions.contains(&row.region) {
                bail!("place {place} lies in region {}, which is none of the device's", row.region);
            }
        }
        Ok(DeviceRow {
            id: DeviceId(0),
            class,
            name: name.into_owned(),
            regions,
            places,
            certificate_serial: None,
            previous_serial: None,
            revoked: false,
            not_after_s: 0,
        })
    }
}

/// A new device, and a token with which it fetches its certificate.
pub(super) fn enrol(admin: &OperatorContext, new: NewDevice) -> anyhow::Result<Ordered> {
    let device = admin.change_device(|registry| {
        let row = new.row(registry, &registry.regions()?)?;
        let id = DeviceId(registry.last_device()? + 1);
        registry.add_device(&DeviceRow { id, ..row })?;
        Ok(id)
    })?;
    token(admin, device)
}

/// The devices of a table: all of them, or none and what is wrong with each line. One that is there as it stands gets a token again, in
/// place of earlier ones, unless it has fetched a certificate. With `check` nothing is written.
pub(super) fn enrol_all(
    admin: &OperatorContext,
    devices: &[NewDevice],
    check: bool,
) -> anyhow::Result<Ordered> {
    if let Some(why) = limits::too_long(devices.len()) {
        bail!("{why}");
    }
    let expires_s = clock::now_ms() / 1000 + ENROLMENT_S;
    let enrolled = admin.write(|registry| {
        let (regions, there) = (registry.regions()?, registry.devices()?);
        let (mut wrong, mut enrolled, mut new) = (twins(devices), Vec::new(), Vec::new());
        let mut last = registry.last_device()?;
        for device in devices {
            let row = match device.row(registry, &regions) {
                Ok(row) => row,
                Err(error) => {
                    wrong.push((device.line, format!("{error:#}")));
                    continue;
                }
            };
            let known = there.iter().find(|known| !registry::is_own(known.id) && is_same(known, &row));
            let id = known.map_or_else(
                || {
                    last += 1;
                    DeviceId(last)
                },
                |known| known.id,
            );
            let waits = known.is_none_or(|known| known.certificate_serial.is_none());
            enrolled.push((id, row.name.clone(), waits.then(secret).transpose()?));
            if known.is_none() {
                new.push(DeviceRow { id, ..row });
            }
        }
        if !wrong.is_empty() {
            wrong.sort_unstable();
            let lines: Vec<_> = wrong.into_iter().map(|(line, why)| format!("line {line}: {why}")).collect();
            bail!("no device is enrolled:\n{}", lines.join("\n"));
        }
        if check {
            return Ok(Vec::new());
        }
        let hash = |token: &String| registry::token_hash(token);
        let tokens: Vec<_> = enrolled
            .iter()
            .filter_map(|(id, _, token)| Some((*id, hash(token.as_ref()?), expires_s)))
            .collect();
        registry.enrol_devices(&new, &tokens)?;
        new.into_iter().for_each(|row| admin.fleet.put(row));
        Ok(enrolled)
    })?;
    let line = |(device, name, token): (DeviceId, String, Option<String>)| Enrolled {
        device: device.0,
        name,
        token,
        expires_s,
    };
    Ok(Ordered::Enrolled { devices: enrolled.into_iter().map(line).collect(), at: admin.enrols_at() })
}

/// Finds rows of a table that say the same: each line with the reason, which names the line that it repeats.
pub(crate) fn twins(devices: &[NewDevice]) -> Vec<(u64, String)> {
    let mut first = HashMap::new();
    let mut found = Vec::new();
    for device in devices {
        let (mut regions, mut places) = (device.regions.clone(), device.places.clone());
        regions.sort_unstable();
        places.iter_mut().for_each(|places| places.sort_unstable());
        let name = visible(&device.name).map_or_else(|| device.name.clone(), |name| name.into_owned());
        let row = (device.class.to_ascii_lowercase(), name, regions, places);
        let line = *first.entry(row).or_insert(device.line);
        if line != device.line {
            found.push((
                device.line,
                format!("it is the same device as line {line}: each has a name of its own"),
            ));
        }
    }
    found
}

fn is_same(known: &DeviceRow, new: &DeviceRow) -> bool {
    let sorted = |row: &DeviceRow| {
        let (mut regions, mut places) = (row.regions.clone(), row.places.clone());
        regions.sort_unstable();
        places.iter_mut().for_each(|places| places.sort_unstable());
        (row.class, row.name.clone(), regions, places)
    };
    !known.revoked && sorted(known) == sorted(new)
}

fn secret() -> anyhow::Result<String> {
    let mut secret = [0; 16];
    SystemRandom::new().fill(&mut secret).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(hex::encode(secret))
}

/// A token with which a known device fetches another certificate.
pub(super) fn token(admin: &OperatorContext, device: DeviceId) -> anyhow::Result<Ordered> {
    check_outside(device)?;
    let token = secret()?;
    let expires_s = clock::now_ms() / 1000 + ENROLMENT_S;
    admin.write(|registry| {
        let row = registry.device(device)?;
        let row = row.with_context(|| format!("there is no device {device}"))?;
        if row.revoked {
            bail!("device {device} is revoked; enrol it as a new one");
        }
        Ok(registry.create_enrolment(device, registry::token_hash(&token), expires_s)?)
    })?;
    Ok(Ordered::Token { device: device.0, token, expires_s, at: admin.enrols_at() })
}

/// The device's certificate is good no more, and its connection is closed.
pub(super) fn revoke(admin: &OperatorContext, device: DeviceId) -> anyhow::Result<Ordered> {
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
