//! The record of a sunset: who ordered it, what was destroyed, and the root over the decisions; signed with the gateway's key while it
//! exists. It is written twice: at the beginning, and when everything but the signing key is destroyed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use registry::operator::{Order, Signature};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{Plan, RECORD, RECORD_FRESH, SunsetError, io, wrong};

pub(super) const VERSION: u32 = 1;
/// The destruction of a sunset, its order, and what is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the record's format.
    pub version: u32,
    /// The time when it began, seconds since 1970 UTC.
    pub begun_s: u64,
    /// The time when everything but the signing key was destroyed, seconds since 1970 UTC; `None` before.
    pub ended_s: Option<u64>,
    /// The digest of the plan, which operators signed.
    pub digest: String,
    /// The plan that was carried out.
    pub plan: Plan,
    /// The order over the digest.
    pub order: Order,
    /// The signatures under the order.
    pub signatures: Vec<Signature>,
    /// The gateway's public key, Ed25519, hexadecimal, with which this record, the decisions and citizens' receipts are checked.
    pub public_key: String,
    /// The number of decisions that are kept.
    pub decisions: u64,
    /// The root of the tree over the decisions, hexadecimal.
    pub root: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    record: Record,
    /// Ed25519 over the record's JSON, hexadecimal.
    signature: String,
}

/// Returns the text of the order that operators sign.
pub fn order_text(digest: &str) -> String {
    format!("{{\"order\":\"sunset\",\"plan\":\"{digest}\"}}")
}

/// Returns the record's path.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(RECORD)
}

impl Record {
    /// Reads a record that was signed with the key that it names.
    ///
    /// # Errors
    /// No record, or one that was cut or altered.
    pub fn read(data: &Path) -> Result<Self, SunsetError> {
        let path = path(data);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(SunsetError::NoRecord { path }),
            Err(error) => return Err(io("reading", &path)(error)),
        };
        let altered = || wrong(&path, "the record is cut or altered: its signature is not good");
        let Signed { record, signature } = serde_json::from_slice(&text).map_err(|_| altered())?;
        let (Ok(key), Ok(signature)) = (hex::decode(&record.public_key), hex::decode(signature)) else {
            return Err(altered());
        };
        let key = UnparsedPublicKey::new(&ED25519, key);
        if key.verify(signed_text(&record).as_bytes(), &signature).is_err() {
            return Err(altered());
        }
        match record.version {
            VERSION => Ok(record),
            _ => Err(wrong(&path, "a newer release wrote it; use that one")),
        }
    }

    /// Writes the record, durably, in place of an earlier one.
    pub(super) fn write(&self, data: &Path, signing_pkcs8: &[u8]) -> Result<(), SunsetError> {
        let (path, fresh) = (path(data), data.join(RECORD_FRESH));
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8)
            .map_err(|_| wrong(&path, "the signing key is no Ed25519 key in PKCS#8"))?;
        let signature = hex::encode(key.sign(signed_text(self).as_bytes()));
        let signed = Signed { record: self.clone(), signature };
        let text = serde_json::to_string_pretty(&signed).expect("texts and numbers") + "\n";
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(io("writing", &path))?;
        sync_directory(data)
    }
}

fn signed_text(record: &Record) -> String {
    let text = serde_json::to_string(record).expect("texts and numbers");
    format!("changtong sunset 1\n{text}")
}

pub(super) fn sync_directory(path: &Path) -> Result<(), SunsetError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io("syncing", path))
}
