//! `changtong serve --config FILE`: one TOML file. There is no default for a secret or for where one lies, an unknown key is an
//! error, and what is wrong is named with its line.

mod carriers;
mod pages;
mod sms;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::process::Settings;
pub(crate) use carriers::Carrier;
pub(crate) use pages::Pages;
pub(crate) use sms::Sms;

/// A closed segment is read as a whole: 256 MiB is a busy hour and fits memory many times.
pub(crate) const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// Punches that may wait for a sync: a few seconds of a disk that stalls.
pub(crate) const QUEUE_PUNCHES: usize = 256 * 1024;
/// What the notice allows punches to be kept for.
pub(crate) const RETENTION_DAYS: u32 = 14;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: bool,
    data: PathBuf,
    keys: PathBuf,
    policy: PathBuf,
    quic: Quic,
    http: Listen,
    enrol: Enrol,
    #[serde(default)]
    ledger: LedgerSection,
    #[serde(default)]
    carrier: Vec<Carrier>,
    sms: Option<sms::Service>,
    pages: Option<Pages>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quic {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listen {
    listen: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrol {
    listen: SocketAddr,
    authority: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LedgerSection {
    segment_bytes_max: u64,
    queue_punches_max: usize,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self { segment_bytes_max: SEGMENT_BYTES, queue_punches_max: QUEUE_PUNCHES }
    }
}

/// Reads and checks the file.
pub(crate) fn load(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> anyhow::Result<Settings> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("{}:{line}: {}", path.display(), error.message())
    })?;
    if file.keys.starts_with(&file.data) {
        bail!("{}: keys must lie outside data: a copy of the data must not open it", path.display());
    }
    Ok(Settings {
        test: file.test,
        data: file.data,
        keys: file.keys,
        authority: file.enrol.authority,
        certificate: file.quic.certificate,
        key: file.quic.key,
        quic: file.quic.listen,
        http: file.http.listen,
        enrol: file.enrol.listen,
        pages: file.pages,
        segment_bytes_max: file.ledger.segment_bytes_max,
        queue_punches_max: file.ledger.queue_punches_max,
        retention_days: RETENTION_DAYS,
        policy: file.policy,
        carriers: file.carrier,
        sms: file.sms.map_or(Sms::Off, Sms::Service),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../changtong.example.toml");

    #[test]
    fn the_example_is_read_and_shows_the_defaults() {
        let settings = parse(EXAMPLE, Path::new("example")).unwrap();
        assert_eq!(settings.segment_bytes_max, SEGMENT_BYTES);
        assert_eq!(settings.queue_punches_max, QUEUE_PUNCHES);
        let [mobile, unicom, telecom] = &settings.carriers[..] else {
            panic!("the notice names three carriers")
        };
        assert_eq!([&mobile.id, &unicom.id, &telecom.id], ["china-mobile", "china-unicom", "china-telecom"]);
        // What the example says of the first is what the others have by default.
        assert_eq!((mobile.permits, mobile.deadline_ms), (unicom.permits, unicom.deadline_ms));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, expected) in [
            ("[ledger]", "[leger]", "unknown field `leger`"),
            ("segment_bytes_max = 268435456", "segment_bytes_max = -1", "file:"),
            ("listen = \"127.0.0.1:9464\"", "listen = 9464", "file:"),
            ("keys = \"/etc/changtong/keys\"", "keys = \"/var/lib/changtong/keys\"", "outside data"),
            ("permits = 16", "permit = 16", "unknown field `permit`"),
            ("data = \"/var/lib/changtong\"", "", "missing field `data`"),
        ] {
            assert!(EXAMPLE.contains(from), "{from}");
            let error = parse(&EXAMPLE.replace(from, to), Path::new("file")).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
