//! The manifest of a backup: its files with their digests, signed with the gateway's key. A file that was cut, altered or exchanged is found
//! by its digest, and named.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{BackupError, LEDGER, REGISTRY, io, sync_directory};

pub(super) const VERSION: u32 = 1;
const NAME: &str = "manifest.json";
/// The longest manifest that is read: a hundred times that of a fortnight, which has 336 segments, a line each.
const MANIFEST_BYTES_MAX: u64 = 8 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// The content of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's format.
    pub version: u32,
    /// The time when it was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// The number under which the gateway issues codes.
    pub gateway: u16,
    /// The operators who ordered it.
    pub operators: String,
    /// The case for which it was ordered.
    pub case: String,
    /// The last LSN of the punch log in it.
    pub lsn: u64,
    /// The number of decisions in the registry.
    pub decisions: u64,
    /// The root of the tree over the decisions, hexadecimal.
    pub root: String,
    /// Every file but the manifest.
    pub files: Vec<BackupFile>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its name, from the backup's directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    manifest: Manifest,
    /// Ed25519 over the manifest's JSON, hexadecimal.
    signature: String,
}

impl Manifest {
    /// Writes the manifest beside the files, signed, and makes all of them durable.
    pub(super) fn write(&self, directory: &Path, signing_pkcs8: &[u8]) -> Result<(), BackupError> {
        let path = directory.join(NAME);
        let key = Ed25519KeyPair::from_pkcs8(signing_pkcs8);
        let key = key.map_err(|_| wrong(&path, "the signing key is no Ed25519 key in PKCS#8"))?;
        let signature = hex::encode(key.sign(signed_text(self).as_bytes()));
        let signed = Signed { manifest: self.clone(), signature };
        let text = serde_json::to_string_pretty(&signed).expect("texts and numbers") + "\n";
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(io("writing", &path))?;
        sync_directory(&directory.join(LEDGER))?;
        sync_directory(directory)
    }

    /// Reads a manifest that was signed by the gateway with that public key (Ed25519, 32 bytes).
    pub(super) fn read(directory: &Path, public_key: &[u8]) -> Result<Self, BackupError> {
        let path = directory.join(NAME);
        let mut text = Vec::new();
        match File::open(&path).and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(wrong(
                    &path,
                    "it is missing; the backup was not finished, or this is not a backup",
                ));
            }
            Err(error) => return Err(io("reading", &path)(error)),
        }
        let signed: Result<Signed, _> = serde_json::from_slice(&text);
        let Signed { manifest, signature } = signed.map_err(|_| wrong(&path, "it is cut or altered"))?;
        let signature = hex::decode(signature).map_err(|_| wrong(&path, "it is cut or altered"))?;
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        if key.verify(signed_text(&manifest).as_bytes(), &signature).is_err() {
            return Err(wrong(
                &path,
                "it is altered, or the backup is of a gateway with other keys: name their directory with --keys",
            ));
        }
        if manifest.version != VERSION {
            return Err(wrong(&path, "a newer release made the backup; restore it with that one"));
        }
        if !manifest.files.iter().all(|file| is_name(&file.name)) {
            return Err(wrong(&path, "it names a file that no backup contains"));
        }
        Ok(manifest)
    }

    /// Compares the files with the manifest.
    ///
    /// # Errors
    /// Names all files that differ or are missing.
    pub(super) fn check(&self, directory: &Path) -> Result<(), BackupError> {
        let mut altered = Vec::new();
        for file in &self.files {
            match describe(directory, &file.name) {
                Err(BackupError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    altered.push(format!("{} is missing", file.name));
                }
                Err(error) => return Err(error),
                Ok(found) if found.bytes != file.bytes => {
                    altered.push(format!("{} has {} bytes instead of {}", file.name, found.bytes, file.bytes))
                }
                Ok(found) if found.sha256 != file.sha256 => altered.push(format!("{} is altered", file.name)),
                Ok(_) => {}
            }
        }
        if altered.is_empty() { Ok(()) } else { Err(BackupError::Altered(altered)) }
    }
}

/// Lists and digests the files of a backup that is being made.
pub(super) fn files(directory: &Path) -> Result<Vec<BackupFile>, BackupError> {
    let ledger = directory.join(LEDGER);
    let mut names = vec![REGISTRY.to_owned()];
    for entry in std::fs::read_dir(&ledger).map_err(io("listing", &ledger))? {
        let name = entry.map_err(io("listing", &ledger))?.file_name();
        names.extend(name.to_str().map(|name| format!("{LEDGER}/{name}")));
    }
    names.sort_unstable();
    names.iter().map(|name| describe(directory, name)).collect()
}

/// Returns true for the name of a plain file beside the manifest or in the log's directory.
fn is_name(name: &str) -> bool {
    let inside = name.strip_prefix(LEDGER).and_then(|name| name.strip_prefix('/'));
    name == REGISTRY
        || inside.is_some_and(|name| !name.is_empty() && !name.contains('/') && !name.starts_with('.'))
}

fn describe(directory: &Path, name: &str) -> Result<BackupFile, BackupError> {
    let path: PathBuf = directory.join(name);
    let mut file = File::open(&path).map_err(io("opening", &path))?;
    let (mut context, mut buffer, mut bytes) = (Context::new(&SHA256), vec![0; BUFFER_BYTES], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                context.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(io("reading", &path)(error)),
        }
    }
    Ok(BackupFile { name: name.to_owned(), bytes, sha256: hex::encode(context.finish()) })
}

fn signed_text(manifest: &Manifest) -> String {
    let text = serde_json::to_string(manifest).expect("texts and numbers");
    format!("changtong backup 1\n{text}")
}

fn wrong(path: &Path, what: &'static str) -> BackupError {
    BackupError::Manifest { path: path.to_owned(), what }
}
