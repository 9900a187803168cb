//! The key directory: created once, outside the data directory, readable only by its owner. The keys are read at the start; only
//! [`Keys::rotate_token`] and [`Keys::make_fleet`] change the directory. The punch log manages its day keys in a subdirectory.

mod file;
pub mod fleet;
pub mod ids;
pub mod random;

use std::path::{Path, PathBuf};

use protocol::legacy::LegacyKey;
use protocol::token::{PAPER_KEY_ID_MIN, TOKEN_KEY_BYTES, TokenKey, TokenKeys, begins_with_space};
use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::random::NoRandom;

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

/// The lowest token key id; after [`TOKEN_ID_MAX`] ids start again here.
const TOKEN_ID_MIN: u8 = 1;
const TOKEN_ID_MAX: u8 = PAPER_KEY_ID_MIN - 1;
/// The number of token keys that are kept: the current and the previous one, since a token outlives a rotation by up to 90 seconds.
const TOKEN_KEYS_MAX: usize = 2;

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

/// The result of a rotation of the token keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the new key, which seals tokens from the gateway's next start on.
    pub made: u8,
    /// The id of the previous key, which opens tokens until the next rotation.
    pub kept: u8,
    /// The ids of the removed keys, whose tokens can no longer be opened.
    pub dropped: Vec<u8>,
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
    /// The error, if the file is unusable.
    pub problem: Option<String>,
}

type Secret<const N: usize> = Zeroizing<[u8; N]>;

/// The keys, in memory.
pub struct Keys {
    tokens: Vec<(u8, Secret<TOKEN_KEY_BYTES>)>,
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
        let mut tokens = Vec::new();
        for id in token_ids(directory)? {
            tokens.push((id, file::read_hex(&directory.join(token_name(id)))?));
        }
        for first in [TOKEN_ID_MIN, PAPER_KEY_ID_MIN] {
            if !tokens.iter().any(|(id, _)| is_paper(*id) == is_paper(first)) {
                return Err(KeyError::Missing { path: directory.join(token_name(first)) });
            }
        }
        Ok(Self {
            tokens,
            legacy: file::read_hex(&directory.join(LEGACY))?,
            pepper: file::read_hex(&directory.join(PEPPER))?,
            field: file::read_hex(&directory.join(FIELD))?,
            quic: file::read_hex(&directory.join(QUIC))?,
            signing: read_signing(&directory.join(SIGNING))?,
            withdrawn: directory.join(WITHDRAWN),
        })
    }

    /// Creates the next token key and removes all older ones except the previous. A running gateway reads the new key at its next
    /// start.
    pub fn rotate_token(directory: &Path) -> Result<Rotation, KeyError> {
        let mut ids: Vec<u8> = token_ids(directory)?.into_iter().filter(|&id| !is_paper(id)).collect();
        let Some(current) = current_of(&ids) else {
            return Err(KeyError::Missing { path: directory.join(token_name(TOKEN_ID_MIN)) });
        };
        let next = next_id(current);
        file::write_hex(&directory.join(token_name(next)), &*file::random_secret::<TOKEN_KEY_BYTES>()?)?;
        file::sync_directory(directory)?;
        // From the oldest, which is the first after the newest, with wrap-around.
        ids.sort_by_key(|&id| (id.wrapping_sub(next)) & TOKEN_ID_MAX);
        let superfluous = (ids.len() + 1).saturating_sub(TOKEN_KEYS_MAX);
        for &id in &ids[..superfluous] {
            file::remove(&directory.join(token_name(id)))?;
        }
        Ok(Rotation { made: next, kept: current, dropped: ids[..superfluous].to_vec() })
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
        let mut all = Vec::new();
        for id in token_ids(directory)? {
            let purpose = if is_paper(id) { "printed tokens" } else { "tokens of phones" };
            let problem = file::read_hex::<TOKEN_KEY_BYTES>(&directory.join(token_name(id))).err();
            all.push((token_name(id), purpose, problem));
        }
        for (name, purpose) in [
            (LEGACY, "texts of imported holders"),
            (PEPPER, "look-up of phones and documents"),
            (FIELD, "personal fields of the registry"),
        ] {
            all.push((name.to_owned(), purpose, file::read_hex::<32>(&directory.join(name)).err()));
        }
        let problem = file::read_hex::<64>(&directory.join(QUIC)).err();
        all.push((QUIC.to_owned(), "resets and address tokens of QUIC", problem));
        if directory.join(FLEET).exists() {
            let problem = file::read_hex::<32>(&directory.join(FLEET)).err();
            all.push((FLEET.to_owned(), "changes between the gateways of a fleet", problem));
        }
        let problem = read_signing(&directory.join(SIGNING)).err();
        all.push((SIGNING.to_owned(), "signature of deletion records", problem));
        let status = |(name, purpose, problem): (String, _, Option<KeyError>)| KeyStatus {
            made_s: file::made_s(&directory.join(&name)),
            file: name,
            purpose,
            problem: problem.map(|problem| problem.to_string()),
        };
        Ok(all.into_iter().map(status).collect())
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

    /// Returns the keys that open tokens.
    pub fn token_keys(&self) -> TokenKeys {
        TokenKeys::new(self.tokens.iter().map(|(id, key)| TokenKey::new(*id, key)))
    }

    /// Returns the id of the key that seals tokens of phones.
    pub fn current_token(&self) -> u8 {
        let ids: Vec<u8> = self.tokens.iter().map(|(id, _)| *id).filter(|&id| !is_paper(id)).collect();
        current_of(&ids).expect("load has found one")
    }

    /// Returns the id of the key that seals printed tokens.
    pub fn current_paper(&self) -> u8 {
        self.tokens.iter().map(|(id, _)| *id).filter(|&id| is_paper(id)).max().expect("load has found one")
    }

    /// Returns a token key's bytes, for the devices of a development city, which make their own tokens.
    pub fn token_key_bytes(&self, id: u8) -> Option<&[u8; TOKEN_KEY_BYTES]> {
        self.tokens.iter().find(|(known, _)| *known == id).map(|(_, key)| &**key)
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

const fn is_paper(id: u8) -> bool {
    id >= PAPER_KEY_ID_MIN
}

fn token_name(id: u8) -> String {
    let kind = if is_paper(id) { "paper" } else { "token" };
    format!("{kind}-{id}.key")
}

fn token_ids(directory: &Path) -> Result<Vec<u8>, KeyError> {
    let mut ids: Vec<u8> = file::names(directory)?
        .iter()
        .filter_map(|name| {
            let (_, id) = name.strip_suffix(".key")?.split_once('-')?;
            id.parse().ok().filter(|&id| id != 0 && token_name(id) == *name)
        })
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Returns the next id, with wrap-around. Skips ids whose tokens' texts begin with a space.
const fn next_id(id: u8) -> u8 {
    let next = if id == TOKEN_ID_MAX { TOKEN_ID_MIN } else { id + 1 };
    if begins_with_space(next) { next_id(next) } else { next }
}

/// Returns the newest id. Ids are consecutive with wrap-around, so it is the one without a successor.
fn current_of(ids: &[u8]) -> Option<u8> {
    ids.iter().copied().filter(|&id| !ids.contains(&next_id(id))).max()
}

#[cfg(test)]
mod tests;
