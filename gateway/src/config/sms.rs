//! `[sms]`: the service that carries codes to phones. Without it nobody signs in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::keys::{Keys, read_secret};
use actors::sms::{DevelopmentSms, HttpSms, HttpSmsConfig, SmsLimits, SmsSender};
use anyhow::Context;
use serde::Deserialize;
use zeroize::Zeroizing;

/// A citizen who waits for longer asks again.
const DEADLINE_MS: u64 = 5_000;

/// Everybody in development comes from one address.
const DEVELOPMENT: SmsLimits = SmsLimits { per_phone_day_max: 100, per_client_hour_max: u16::MAX };

/// How codes reach phones.
#[derive(Clone)]
pub(crate) enum Sms {
    /// Not at all.
    Off,
    /// By a service.
    Service(Service),
    /// Shown here, for made-up numbers alone.
    Development(DevelopmentSms),
}

/// The message service as the file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    url: String,
    authority: PathBuf,
    key_id: String,
    key: PathBuf,
    #[serde(default = "deadline_ms")]
    deadline_ms: u64,
    #[serde(default)]
    limits: Limits,
}

const fn deadline_ms() -> u64 {
    DEADLINE_MS
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    per_phone_day_max: u16,
    per_client_hour_max: u16,
}

impl Default for Limits {
    fn default() -> Self {
        let SmsLimits { per_phone_day_max, per_client_hour_max } = SmsLimits::default();
        Self { per_phone_day_max, per_client_hour_max }
    }
}

impl std::fmt::Debug for Sms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Service(_) => "Service(…)",
            Self::Development(_) => "Development",
        })
    }
}

impl Sms {
    /// Codes by that way; `None` without one.
    pub(crate) fn open(&self, keys: &Keys) -> anyhow::Result<Option<actors::sms::Sms>> {
        let (sender, limits) = match self {
            Self::Off => return Ok(None),
            Self::Service(service) => (SmsSender::Http(Box::new(service.open()?)), service.limits()),
            Self::Development(shown) => (SmsSender::Development(shown.clone()), DEVELOPMENT),
        };
        Ok(Some(actors::sms::Sms::new(keys, limits, sender)))
    }

    /// The messages that are shown instead of sent.
    pub(crate) fn inbox(&self) -> Option<DevelopmentSms> {
        match self {
            Self::Off | Self::Service(_) => None,
            Self::Development(shown) => Some(shown.clone()),
        }
    }
}

impl Service {
    fn open(&self) -> anyhow::Result<HttpSms> {
        let secret = read_secret(&self.key).context("the message service's key")?;
        let secret = hex::decode(secret.trim()).map(Zeroizing::new);
        let secret =
            secret.with_context(|| format!("{} does not hold a key in hexadecimal", self.key.display()))?;
        let config = HttpSmsConfig {
            url: self.url.clone(),
            authority_pem: Some(read(&self.authority)?),
            key_id: self.key_id.clone(),
            secret,
            deadline: Duration::from_millis(self.deadline_ms),
        };
        Ok(HttpSms::new(&config)?)
    }

    const fn limits(&self) -> SmsLimits {
        let Limits { per_phone_day_max, per_client_hour_max } = self.limits;
        SmsLimits { per_phone_day_max, per_client_hour_max }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}
