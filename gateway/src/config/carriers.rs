//! `[[carrier]]`: whom to ask for trajectories, and with which key. Read when the process starts; a secret stands in a file of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::carrier::CarrierConfig;
use actors::keys::read_secret;
use actors::registry::Phone;
use anyhow::{Context, bail};
use serde::Deserialize;
use zeroize::Zeroizing;

/// A query at a carrier that says nothing of its own limits: what one of them will bear.
const PERMITS: usize = 16;
/// An HMAC key shorter than its hash would be the weakest part.
const SECRET_BYTES_MIN: usize = 32;

/// One carrier as the file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carrier {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) name_zh: String,
    pub(crate) url: String,
    pub(crate) authority: PathBuf,
    pub(crate) key_id: String,
    pub(crate) key: PathBuf,
    #[serde(default = "permits")]
    pub(crate) permits: usize,
    #[serde(default = "deadline_ms")]
    pub(crate) deadline_ms: u64,
    pub(crate) reserved: String,
    pub(crate) travel_page: String,
    #[serde(default)]
    pub(crate) prefixes: Vec<String>,
}

const fn permits() -> usize {
    PERMITS
}

/// As long as a query may take over all carriers.
fn deadline_ms() -> u64 {
    actors::carrier::QUERY_MAX.as_millis() as u64
}

impl Carrier {
    /// Reads what the entry points to.
    pub(crate) fn open(&self) -> anyhow::Result<CarrierConfig> {
        let about = || format!("carrier {}", self.id);
        let authority = read(&self.authority).with_context(about)?;
        let secret = read_secret(&self.key).with_context(about)?;
        let secret = Zeroizing::new(hex::decode(secret.trim()).with_context(|| {
            format!("carrier {}: {} does not hold a key in hexadecimal", self.id, self.key.display())
        })?);
        if secret.len() < SECRET_BYTES_MIN {
            bail!("carrier {}: {} holds less than {SECRET_BYTES_MIN} bytes", self.id, self.key.display());
        }
        let reserved = Phone::parse(&self.reserved)
            .with_context(|| format!("carrier {}: `reserved` is no number of the mainland", self.id))?;
        Ok(CarrierConfig {
            id: self.id.clone(),
            name: self.name.clone(),
            name_zh: self.name_zh.clone(),
            url: self.url.clone(),
            authority_pem: Some(authority),
            key_id: self.key_id.clone(),
            secret,
            permits: self.permits,
            deadline: Duration::from_millis(self.deadline_ms),
            reserved,
            travel_page: self.travel_page.clone(),
            prefixes: self.prefixes.clone(),
        })
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}
