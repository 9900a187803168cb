//! Orders about devices: which there are, and how each comes by its certificate.

pub(super) mod enrol;
pub(super) mod enrol_table;
pub(super) mod list;
pub(super) mod renew;
pub(super) mod revoke;

use actors::registrar::{Registrar, RegistryChange};
use actors::residence::visible;
use anyhow::{Context, bail};
use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use registry::{self, DeviceRow, RegionRow, Registry};
use serde::{Deserialize, Serialize};

use super::{Given, Ordered, random_hex};
use crate::operator::EnrolsAt;
use crate::out::say;

/// An enrolment token is good for this long.
pub(super) const ENROLMENT_S: u64 = 15 * 60;

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

/// A token with which a device fetches its certificate.
#[derive(Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) device: u64,
    pub(crate) token: String,
    pub(crate) expires_s: u64,
    /// `None` when no gateway runs.
    pub(crate) at: Option<EnrolsAt>,
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

/// Makes a token with which a known device fetches a certificate.
fn token(given: &Given<'_>, device: DeviceId) -> anyhow::Result<Token> {
    check_outside(device)?;
    let token = random_hex()?;
    let expires_s = given.change(NewToken { device, hash: registry::token_hash(&token) })?;
    Ok(Token { device: device.0, token, expires_s, at: given.context.enrols_at() })
}

/// A token of a device. The reply is the time until which it is good.
struct NewToken {
    device: DeviceId,
    hash: [u8; 32],
}

impl RegistryChange for Ordered<NewToken> {
    type Reply = u64;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<u64> {
        let (registry, NewToken { device, hash }) = (registrar.registry(), self.order);
        let row = registry.device(device)?;
        let row = row.with_context(|| format!("there is no device {device}"))?;
        if row.revoked {
            bail!("device {device} is revoked; enrol it as a new one");
        }
        let expires_s = self.now_s + ENROLMENT_S;
        registry.create_enrolment(device, hash, expires_s)?;
        Ok(expires_s)
    }
}

/// Refuses the pages' own devices: they have no certificate that could be given or taken.
fn check_outside(device: DeviceId) -> anyhow::Result<()> {
    if registry::is_own(device) {
        bail!(
            "device {device} is the gateway's own pages: it has no certificate, and nothing outside speaks for it"
        );
    }
    Ok(())
}

/// Prints a token.
fn show_token(Token { device, token, at, .. }: &Token) {
    say!("device {device}: token {token}  (good once, for {} minutes)", ENROLMENT_S / 60);
    show_next(at.as_ref());
}

/// Prints everything that a device needs beside its token.
fn show_next(at: Option<&EnrolsAt>) {
    match at {
        Some(EnrolsAt { url, authority }) => {
            say!(
                "  the device sends its token to {url}, and trusts the authority in {}",
                authority.display()
            );
        }
        None => say!(
            "  no gateway runs: start it before the token is over, and send the token to its port for enrolment"
        ),
    }
}
