//! The order that enrols the devices of a table: all of them, or none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use actors::registrar::{Registrar, RegistryChange};
use actors::residence::visible;
use anyhow::bail;
use protocol::DeviceId;
use registry::operator::Role;
use registry::{self, DeviceRow};
use serde::{Deserialize, Serialize};

use super::{ENROLMENT_S, NewDevice, show_next};
use crate::operator::orders::{Given, Order, Ordered, Tell, limits, random_hex};
use crate::operator::{EnrolsAt, OperatorContext};
use crate::out::say;

/// The devices of a table: all are enrolled, or an error names each line that is wrong. A device that is there as it stands gets a token again, in place of
/// earlier ones, unless it has fetched a certificate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolDevices {
    pub(crate) devices: Vec<NewDevice>,
    /// Everything is read and nothing written.
    #[serde(default)]
    pub(crate) check: bool,
}

/// A device of a table, and its token; `None` for one that has fetched a certificate already.
#[derive(Serialize, Deserialize)]
pub(crate) struct Enrolled {
    device: u64,
    name: String,
    token: Option<String>,
    expires_s: u64,
}

/// The devices of a table, and where their tokens go.
#[derive(Serialize, Deserialize)]
pub(crate) struct EnrolledTable {
    pub(crate) devices: Vec<Enrolled>,
    /// `None` when no gateway runs.
    pub(crate) at: Option<EnrolsAt>,
}

impl Order for EnrolDevices {
    const NAME: &'static str = "enrol-devices";
    const REPLY: &'static str = "enrolled";
    const ROLE: Role = Role::Admin;
    type Reply = EnrolledTable;

    fn name(&self) -> &'static str {
        if self.check { "check-devices" } else { Self::NAME }
    }

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<EnrolledTable> {
        if let Some(why) = limits::too_long(self.devices.len()) {
            bail!("{why}");
        }
        let devices = given.change(self)?;
        devices.iter().try_for_each(|device| given.context.follow_device(DeviceId(device.device)))?;
        Ok(EnrolledTable { devices, at: given.context.enrols_at() })
    }

    fn show(EnrolledTable { devices, at }: &EnrolledTable) -> anyhow::Result<()> {
        for device in devices {
            match &device.token {
                Some(token) => say!("device {}: token {token}  {}", device.device, device.name),
                None => say!("device {}: enrolled already  {}", device.device, device.name),
            }
        }
        let waiting = devices.iter().filter(|device| device.token.is_some()).count();
        say!(
            "{waiting} devices have a token, {} are enrolled already; a token is good once, for {} minutes; the same table again gives \
             new ones in place of these",
            devices.len() - waiting,
            ENROLMENT_S / 60
        );
        show_next(at.as_ref());
        Ok(())
    }
}

impl RegistryChange for Ordered<EnrolDevices> {
    type Reply = Vec<Enrolled>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Vec<Enrolled>> {
        let (registry, EnrolDevices { devices, check }) = (registrar.registry(), self.order);
        let regions = registry.regions()?;
        let (mut wrong, mut enrolled, mut new) = (twins(&devices), Vec::new(), Vec::new());
        let (mut last, mut tokens) = (registry.last_device()?, Vec::new());
        let (mut names, expires_s) = (HashMap::new(), self.now_s + ENROLMENT_S);
        for device in &devices {
            let row = match device.row(registry, &regions) {
                Ok(row) => row,
                Err(error) => {
                    wrong.push((device.line, format!("{error:#}")));
                    continue;
                }
            };
            // Each name is read once, so that the cost of a table does not grow with the devices on record.
            let named = match names.entry(row.name.clone()) {
                Entry::Occupied(named) => named.into_mut(),
                Entry::Vacant(new) => new.insert(registry.devices_named(&row.name)?),
            };
            let known = named.iter().find(|known| !registry::is_own(known.id) && is_same(known, &row));
            let id = known.map_or_else(
                || {
                    last += 1;
                    DeviceId(last)
                },
                |known| known.id,
            );
            let waits = known.is_none_or(|known| known.certificate_serial.is_none());
            let token = waits.then(random_hex).transpose()?;
            tokens.extend(token.as_ref().map(|token| (id, registry::token_hash(token), expires_s)));
            enrolled.push(Enrolled { device: id.0, name: row.name.clone(), token, expires_s });
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
        registry.enrol_devices(&new, &tokens)?;
        Ok(enrolled)
    }
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
