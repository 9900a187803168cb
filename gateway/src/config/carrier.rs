//! A `[[carrier]]` of the configuration: whom trajectories are asked of, and with which key. Carriers publish no interface: what
//! is spoken to them is `actors/carrier-interface.yaml`, by themselves or by an adapter before them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::carrier::CarrierConfig;
use actors::keys::read_secret;
use actors::registry::Phone;
use anyhow::{Context, ensure};
use serde::Deserialize;
use zeroize::Zeroizing;

/// A key shorter than its HMAC is a password.
const SECRET_BYTES_MIN: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carrier {
    id: String,
    name: String,
    name_zh: String,
    url: String,
    authority: PathBuf,
    key_id: String,
    secret: PathBuf,
    permits: usize,
    deadline_ms: u64,
    reserved: String,
    travel_page: String,
    #[serde(default)]
    prefixes: Vec<String>,
}

impl Carrier {
    /// Reads what its files hold.
    pub(super) fn read(self) -> anyhow::Result<CarrierConfig> {
        let what = format!("carrier {}", self.id);
        self.read_files().context(what)
    }

    fn read_files(self) -> anyhow::Result<CarrierConfig> {
        let authority = std::fs::read(&self.authority)
            .with_context(|| format!("reading {}", self.authority.display()))?;
        Ok(CarrierConfig {
            reserved: Phone::parse(&self.reserved).context("reserved is not a phone number")?,
            secret: secret(&self.secret)?,
            authority_pem: Some(authority),
            id: self.id,
            name: self.name,
            name_zh: self.name_zh,
            url: self.url,
            key_id: self.key_id,
            permits: self.permits,
            deadline: Duration::from_millis(self.deadline_ms),
            travel_page: self.travel_page,
            prefixes: self.prefixes,
        })
    }
}

fn secret(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let text = read_secret(path)?;
    let secret = Zeroizing::new(hex::decode(text.trim()).unwrap_or_default());
    ensure!(
        secret.len() >= SECRET_BYTES_MIN,
        "{} does not hold {SECRET_BYTES_MIN} bytes or more in hexadecimal",
        path.display()
    );
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn carrier(folder: &Path, secret: &str, mode: u32) -> anyhow::Result<CarrierConfig> {
        let path = folder.join("carrier.key");
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::write(folder.join("ca.pem"), "an authority").unwrap();
        let section = Carrier {
            id: "china-mobile".to_owned(),
            name: "China Mobile".to_owned(),
            name_zh: "中国移动".to_owned(),
            url: "https://carrier.example".to_owned(),
            authority: folder.join("ca.pem"),
            key_id: "one".to_owned(),
            secret: path,
            permits: 16,
            deadline_ms: 4000,
            reserved: "16300000000".to_owned(),
            travel_page: "https://carrier.example/travel".to_owned(),
            prefixes: Vec::new(),
        };
        section.read()
    }

    #[test]
    fn a_secret_that_is_short_or_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = hex::encode([7; 32]);
        for (secret, mode, expected) in [
            (format!("{good}\n").as_str(), 0o600, None),
            (&good, 0o644, Some("carrier china-mobile")),
            (&good[2..], 0o600, Some("32 bytes")),
            ("not hexadecimal", 0o600, Some("32 bytes")),
        ] {
            let read = carrier(folder.path(), secret, mode);
            match expected {
                None => assert_eq!(read.unwrap().secret.as_slice(), [7; 32]),
                Some(expected) => {
                    let error = format!("{:#}", read.unwrap_err());
                    assert!(error.contains(expected) && !error.contains(&good[2..]), "{error}");
                }
            }
        }
    }
}
