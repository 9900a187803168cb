//! `[[carrier]]`: whom to ask for trajectories, and with which key. Read when the process starts; a secret stands in a file of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::carrier::CarrierConfig;
use anyhow::{Context, bail};
use keys::read_secret;
use registry::Phone;
use zeroize::Zeroizing;

use super::reader::Table;

/// A query at a carrier that says nothing of its own limits: what one of them will bear.
const PERMITS: usize = 16;
/// An HMAC key shorter than its hash would be the weakest part.
const SECRET_BYTES_MIN: usize = 32;

/// One carrier as the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) name_zh: String,
    pub(crate) url: String,
    pub(crate) authority: PathBuf,
    pub(crate) key_id: String,
    pub(crate) key: PathBuf,
    pub(crate) permits: usize,
    pub(crate) deadline_ms: u64,
    pub(crate) reserved: String,
    pub(crate) travel_page: String,
    pub(crate) prefixes: Vec<String>,
}

impl Carrier {
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (id, name, name_zh) = (table.required("id"), table.required("name"), table.required("name_zh"));
        let (url, authority) = (table.required("url"), table.required("authority"));
        let (key_id, key) = (table.required("key_id"), table.required("key"));
        let permits = table.optional("permits").unwrap_or(PERMITS);
        // As long as a query may take over all carriers.
        let longest = actors::carrier::QUERY_MAX.as_millis() as u64;
        let deadline_ms = table.optional("deadline_ms").unwrap_or(longest);
        let (reserved, travel_page) = (table.required("reserved"), table.required("travel_page"));
        let prefixes = table.optional("prefixes").unwrap_or_default();
        table.end();
        Some(Self {
            id: id?,
            name: name?,
            name_zh: name_zh?,
            url: url?,
            authority: authority?,
            key_id: key_id?,
            key: key?,
            permits,
            deadline_ms,
            reserved: reserved?,
            travel_page: travel_page?,
            prefixes,
        })
    }

    /// Reads what the entry points to.
    pub(crate) fn open(&self) -> anyhow::Result<CarrierConfig> {
        let about = || format!("carrier {}", self.id);
        Ok(CarrierConfig {
            id: self.id.clone(),
            name: self.name.clone(),
            name_zh: self.name_zh.clone(),
            url: self.url.clone(),
            authority_pem: Some(read(&self.authority).with_context(about)?),
            key_id: self.key_id.clone(),
            secret: self.secret().with_context(about)?,
            permits: self.permits,
            deadline: Duration::from_millis(self.deadline_ms),
            reserved: self.reserved().with_context(about)?,
            travel_page: self.travel_page.clone(),
            prefixes: self.prefixes.clone(),
        })
    }

    pub(crate) fn secret(&self) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let secret = secret(&self.key)?;
        if secret.len() < SECRET_BYTES_MIN {
            bail!("{} holds less than {SECRET_BYTES_MIN} bytes", self.key.display());
        }
        Ok(secret)
    }

    pub(crate) fn reserved(&self) -> anyhow::Result<Phone> {
        Phone::parse(&self.reserved).context("`reserved` is no number of the mainland")
    }
}

/// A key in hexadecimal, in a file that only its owner may read.
pub(crate) fn secret(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let text = read_secret(path)?;
    let secret = hex::decode(text.trim()).map(Zeroizing::new);
    secret.with_context(|| format!("{} does not hold a key in hexadecimal", path.display()))
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}
