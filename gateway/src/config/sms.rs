//! `[sms]`: the service that sends codes to phones. Without it, no citizen can sign in.

use std::path::PathBuf;
use std::time::Duration;

use actors::sms::{DevelopmentSms, HttpSms, HttpSmsConfig, SmsLimits, SmsSender};
use anyhow::Context;
use keys::Keys;

use super::carriers::{read, secret};
use super::reader::Table;

/// A citizen who waits for longer asks again.
const DEADLINE_MS: u64 = 5_000;

/// Everybody in development comes from one address.
const DEVELOPMENT: SmsLimits = SmsLimits { per_phone_day_max: 100, per_client_hour_max: u16::MAX };

/// The way of codes to phones.
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
#[derive(Clone, Debug)]
pub(crate) struct Service {
    url: String,
    pub(crate) authority: PathBuf,
    key_id: String,
    pub(crate) key: PathBuf,
    deadline_ms: u64,
    limits: SmsLimits,
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
            Self::Service(service) => (Service::sender(&service.config()?)?, service.limits),
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
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (url, authority) = (table.required("url"), table.required("authority"));
        let (key_id, key) = (table.required("key_id"), table.required("key"));
        let deadline_ms = table.optional("deadline_ms").unwrap_or(DEADLINE_MS);
        let limits = table.optional_section("limits").map_or_else(SmsLimits::default, read_limits);
        table.end();
        Some(Self { url: url?, authority: authority?, key_id: key_id?, key: key?, deadline_ms, limits })
    }

    /// The client of the service.
    pub(crate) fn open(&self) -> anyhow::Result<HttpSms> {
        Ok(HttpSms::new(&self.config()?)?)
    }

    /// The same, to send by.
    pub(crate) fn sender(config: &HttpSmsConfig) -> anyhow::Result<SmsSender> {
        Ok(SmsSender::Http(Box::new(HttpSms::new(config)?)))
    }

    pub(crate) const fn limits(&self) -> SmsLimits {
        self.limits
    }

    /// Reads the files that the entry names, and returns the service's configuration.
    pub(crate) fn config(&self) -> anyhow::Result<HttpSmsConfig> {
        Ok(HttpSmsConfig {
            url: self.url.clone(),
            authority_pem: Some(read(&self.authority).context("the message service's authority")?),
            key_id: self.key_id.clone(),
            secret: secret(&self.key).context("the message service's key")?,
            deadline: Duration::from_millis(self.deadline_ms),
        })
    }
}

fn read_limits(mut table: Table<'_, '_>) -> SmsLimits {
    let usual = SmsLimits::default();
    let per_phone_day_max = table.optional("per_phone_day_max").unwrap_or(usual.per_phone_day_max);
    let per_client_hour_max = table.optional("per_client_hour_max").unwrap_or(usual.per_client_hour_max);
    table.end();
    SmsLimits { per_phone_day_max, per_client_hour_max }
}
