//! The key directory: created once, outside the data directory, readable only by its owner. The keys are read at the start; only
//! [`Keys::rotate_token`] and [`Keys::make_fleet`] change the directory. The punch log manages its day keys in a subdirectory.

mod file;
pub mod fleet;
pub mod ids;
pub mod random;
pub mod recovery;
mod tokens;

use std::path::{Path, PathBuf};

use protocol::legacy::LegacyKey;
use protocol::token::{PAPER_KEY_ID_MIN, TOKEN_KEY_BYTES};
use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::random::NoRandom;
pub use crate::tokens::{Rotation, TokenFile};
use crate::tokens::{TOKEN_ID_MIN, TokenSecret, token_ids, token_name};

const LEGACY: &str = "legacy.key";
const PEPPER: &str = "pepper.key";
const FIELD: &str = "field.key";
const QUIC: &str = "quic.key";
/// Only gateways of a fleet have it.
const FLEET: &str = "fleet.key";
const SIGNING: &str = "signing.pk8";
const DAYS: &str = "days";
/// The list of withdrawn codes. It is no key, but lies here so that it outlives backups of the registry.
const WITHDRAWN: &str = "withdrawn";

/// An error of the key directory.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key exists where `init` would create one.
    #[error("{path} exists already: keys are never overwritten")]
    Exists {
        /// The first existing file.
        path: PathBuf,
    },
    /// A file or directory is missing.
    #[error(
        "{path} is missing: restore it from the safe, or name the key directory with --keys; run `changtong keys init` only for a \
         new gateway without data"
    )]
    Missing {
        /// The missing file or directory.
        path: PathBuf,
    },
    /// Other users have access.
    #[error("{path} has mode {mode:04o}: other users have access; run `chmod {right:04o} {path}`")]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The required permission bits.
        right: u32,
    },
    /// The content is no key.
    #[error("{path} does not hold {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The expected content.
        expected: String,
    },
    /// A rotation is under way.
    #[error("{path} is not good yet: rotate again after its moment, which `changtong keys status` shows")]
    Pending {
        /// The newest key's file.
        path: PathBuf,
    },
    /// A call to the operating system failed.
    #[error("{doing} {path}")]
    Io {
        /// The attempted operation.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// One key file, for `changtong keys status`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyStatus {
    /// The file's name.
    pub file: String,
    /// The purpose of the key.
    pub purpose: &'static str,
    /// The time of its creation, seconds since 1970 UTC.
    pub made_s: Option<u64>,
    /// The moment from which tokens are issued under it, seconds since 1970 UTC; `None` for a key that was made without one.
    pub good_from_s: Option<u64>,
    /// The error, if the file is unusable.
    pub problem: Option<String>,
}

impl KeyStatus {
    fn of<T>(directory: &Path, file: &str, purpose: &'static str, read: Result<T, KeyError>) -> Self {
        Self {
            made_s: file::made_s(&directory.join(file)),
            file: file.to_owned(),
            purpose,
            good_from_s: None,
            problem: read.err().map(|problem| problem.to_string()),
        }
    }

    /// Returns the moment of a token key that waits for it.
    pub fn waits_until_s(&self, now_s: u64) -> Option<u64> {
        self.good_from_s.filter(|good_from_s| *good_from_s > now_s)
    }
}

type Secret<const N: usize> = Zeroizing<[u8; N]>;

/// The keys, in memory.
pub struct Keys {
    tokens: Vec<TokenSecret>,
    legacy: Secret<32>,
    pepper: Secret<32>,
    field: Secret<32>,
    quic: Secret<64>,
    signing: Zeroizing<Vec<u8>>,
    withdrawn: PathBuf,
}

impl Keys {
    /// Creates a new set of keys.
    ///
    /// # Errors
    /// The directory already holds a key, or a call to the operating system failed.
    pub fn init(directory: &Path) -> Result<(), KeyError> {
        file::make_directory(directory)?;
        file::check_directory(directory)?;
        let names = [LEGACY, PEPPER, FIELD, QUIC, SIGNING];
        let token = token_name(TOKEN_ID_MIN);
        let paper = token_name(PAPER_KEY_ID_MIN);
        for name in names.into_iter().chain([token.as_str(), paper.as_str()]) {
            let path = directory.join(name);
            if path.exists() {
                return Err(KeyError::Exists { path });
            }
        }
        for name in [&token, &paper] {
            file::write_hex(&directory.join(name), &*file::random_secret::<TOKEN_KEY_BYTES>()?)?;
        }
        for name in [LEGACY, PEPPER, FIELD] {
            file::write_hex(&directory.join(name), &*file::random_secret::<32>()?)?;
        }
        file::write_hex(&directory.join(QUIC), &*file::random_secret::<64>()?)?;
        let random = ring::rand::SystemRandom::new();
        let signing = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| NoRandom)?;
        file::write(&directory.join(SIGNING), signing.as_ref())?;
        file::make_directory(&Self::days(directory))?;
        file::sync_directory(directory)
    }

    /// Reads all keys.
    ///
    /// # Errors
    /// A key is missing or malformed, or other users have access to a file or directory.
    pub fn load(directory: &Path) -> Result<Self, KeyError> {
        file::check_directory(directory)?;
        let days = Self::days(directory);
        if days.exists() {
            file::check_directory(&days)?;
        }
        Ok(Self {
            tokens: tokens::load(directory)?,
            legacy: file::read_hex(&directory.join(LEGACY))?,
            pepper: file::read_hex(&directory.join(PEPPER))?,
            field: file::read_hex(&directory.join(FIELD))?,
            quic: file::read_hex(&directory.join(QUIC))?,
            signing: read_signing(&directory.join(SIGNING))?,
            withdrawn: directory.join(WITHDRAWN),
        })
    }

    /// Refuses day keys to which other users have access.
    pub fn check_days(directory: &Path) -> Result<(), KeyError> {
        let days = Self::days(directory);
        let names = if days.exists() { file::names(&days)? } else { Vec::new() };
        let keys = names.iter().filter(|name| name.ends_with(".key"));
        keys.map(|name| days.join(name)).try_for_each(|path| file::read(&path).map(drop))
    }

    /// Lists the key files with their problems. Reveals no key.
    pub fn status(directory: &Path) -> Result<Vec<KeyStatus>, KeyError> {
        let mut all = tokens::status(directory)?;
        for (name, purpose) in [
            (LEGACY, "texts of imported holders"),
            (PEPPER, "look-up of phones and documents"),
            (FIELD, "personal fields of the registry"),
        ] {
            all.push(KeyStatus::of(directory, name, purpose, file::read_hex::<32>(&directory.join(name))));
        }
        let quic = file::read_hex::<64>(&directory.join(QUIC));
        all.push(KeyStatus::of(directory, QUIC, "resets and address tokens of QUIC", quic));
        if Self::has_fleet(directory) {
            let fleet = file::read_hex::<32>(&directory.join(FLEET));
            all.push(KeyStatus::of(directory, FLEET, "changes between the gateways of a fleet", fleet));
        }
        let signing = read_signing(&directory.join(SIGNING));
        all.push(KeyStatus::of(directory, SIGNING, "signature of deletion records", signing));
        Ok(all)
    }

    /// Lists the existing key files by their names in the directory, in the order in which a sunset destroys them: day keys first,
    /// the signing key last.
    pub fn files(directory: &Path) -> Result<Vec<String>, KeyError> {
        let mut days: Vec<String> = match file::names(&Self::days(directory)) {
            Ok(names) => names.into_iter().map(|name| format!("{DAYS}/{name}")).collect(),
            Err(KeyError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        days.sort_unstable();
        let tokens = token_ids(directory)?.into_iter().map(token_name);
        let fixed = [WITHDRAWN, LEGACY, PEPPER, FIELD, QUIC, FLEET, SIGNING].map(str::to_owned);
        let is_file = |name: &String| directory.join(name).is_file();
        Ok(days.into_iter().chain(tokens).chain(fixed).filter(is_file).collect())
    }

    /// Reads the Ed25519 signing key (PKCS#8) alone, for a directory whose other keys are destroyed.
    pub fn read_signing(directory: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        read_signing(&directory.join(SIGNING))
    }

    /// Reports the file name of the signing key.
    pub fn is_signing(name: &str) -> bool {
        name == SIGNING
    }

    /// Returns the directory of the punch log's day keys.
    pub fn days(directory: &Path) -> PathBuf {
        directory.join(DAYS)
    }

    /// Returns the key of the imported holders' texts.
    pub fn legacy(&self) -> LegacyKey {
        LegacyKey::new(&self.legacy)
    }

    /// Returns the key of QUIC's stateless resets, address tokens and connection ids.
    pub fn quic(&self) -> &[u8; 64] {
        &self.quic
    }

    /// Returns the Ed25519 key that signs deletion records, PKCS#8.
    pub fn signing_pkcs8(&self) -> &[u8] {
        &self.signing
    }

    /// Returns the public key of those signatures: Ed25519, 32 bytes.
    pub fn signing_public(&self) -> Vec<u8> {
        let pair = Ed25519KeyPair::from_pkcs8(&self.signing).expect("load has read it");
        pair.public_key().as_ref().to_vec()
    }

    /// Returns the path of the list of withdrawn codes.
    pub fn withdrawn(&self) -> &Path {
        &self.withdrawn
    }

    /// Returns the key of the look-up hashes of phones and documents.
    pub fn pepper(&self) -> &[u8; 32] {
        &self.pepper
    }

    /// Returns the key of the registry's personal fields.
    pub fn field(&self) -> &[u8; 32] {
        &self.field
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Destroys a secret file: overwrites it, removes it, and syncs the directory. A missing file is no error.
pub fn destroy(path: &Path) -> Result<(), KeyError> {
    file::destroy(path)
}

/// Reads a secret text, such as a private key in PEM. Refuses a file to which other users have access.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let bytes = file::read(path)?;
    String::from_utf8(bytes.to_vec()).map(Zeroizing::new).map_err(|_| KeyError::Io {
        doing: "reading",
        path: path.to_owned(),
        source: std::io::ErrorKind::InvalidData.into(),
    })
}

fn read_signing(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = file::read(path)?;
    let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyError::Malformed {
        path: path.to_owned(),
        expected: "an Ed25519 key in PKCS#8".to_owned(),
    })?;
    debug_assert_eq!(pair.public_key().as_ref().len(), 32);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
