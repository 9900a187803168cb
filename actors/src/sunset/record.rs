//! The record of the end: who ordered it, what was destroyed, what the decisions amount to; signed with the gateway's key while there
//! still is one. It is written twice: when it begins, and when everything else is done.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use registry::operator::{Order, Signature};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{Plan, RECORD, RECORD_FRESH, SunsetError, io, wrong};

pub(super) const VERSION: u32 = 1;
/// The deeds, by whom, and what is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Of the record's own form.
    pub version: u32,
    /// When it began, seconds since 1970 UTC.
    pub begun_s: u64,
    /// When everything but the signing key was destroyed; `None` until then.
    pub ended_s: Option<u64>,
    /// The digest of the plan, which operators signed.
    pub digest: String,
    /// The plan that was to be destroyed, and was.
    pub plan: Plan,
    /// The order over the digest.
    pub order: Order,
    /// Those who signed it.
    pub signatures: Vec<Signature>,
    /// The gateway's public key, Ed25519, hexadecimal: it checks this record, the decisions, and citizens' receipts.
    pub public_key: String,
    /// Decisions that are kept.
    pub decisions: u64,
    /// The root of the tree over them, hexadecimal.
    pub root: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    record: Record,
    /// Ed25519 over the record's JSON, hexadecimal.
    signature: String,
}

/// The act that operators sign.
pub fn order_text(digest: &str) -> String {
    format!("{{\"order\":\"sunset\",\"plan\":\"{digest}\"}}")
}

/// Says where it is.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(RECORD)
}

impl Record {
    /// Reads it, if the gateway whose public key it names signed it.
    ///
    /// # Errors
    /// None there, or one that is cut or altered.
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

    /// Writes it in place of the one that is there, durably.
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
