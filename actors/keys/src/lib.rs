//! The key directory: made once, outside the data, readable by its owner alone. Read at start and handed out in pieces; only
//! `rotate_token` changes it. The punch log's day keys have a directory of their own in it, which the log keeps.

mod file;
pub mod ids;

use std::path::{Path, PathBuf};

use protocol::legacy::LegacyKey;
use protocol::token::{PAPER_KEY_ID_MIN, TOKEN_KEY_BYTES, TokenKey, TokenKeys, begins_with_space};
use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

const LEGACY: &str = "legacy.key";
const PEPPER: &str = "pepper.key";
const FIELD: &str = "field.key";
const QUIC: &str = "quic.key";
const SIGNING: &str = "signing.pk8";
const DAYS: &str = "days";
/// No key: codes whose holders have withdrawn. It outlives the registry's backups as the keys do.
const WITHDRAWN: &str = "withdrawn";

/// Token key ids run from here to [`TOKEN_ID_MAX`] and then start again.
const TOKEN_ID_MIN: u8 = 1;
const TOKEN_ID_MAX: u8 = PAPER_KEY_ID_MIN - 1;
/// The current key and the one before it: a token outlives its key by a minute and a half.
const TOKEN_KEYS_MAX: usize = 2;

/// Why the keys are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `init` where keys are already.
    #[error("{path} exists already: keys are never overwritten")]
    Exists {
        /// The first that exists.
        path: PathBuf,
    },
    /// Not there.
    #[error(
        "{path} is missing: restore it from the safe, or name the directory of the keys with --keys; only a gateway that has no \
         data yet begins with `changtong keys init`"
    )]
    Missing {
        /// The missing thing.
        path: PathBuf,
    },
    /// Others than its owner may read or write it.
    #[error("{path} has mode {mode:04o}: others may get at it; `chmod {right:04o} {path}` shuts it")]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Those that it has to have.
        right: u32,
    },
    /// Its content is no key.
    #[error("{path} does not hold {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The right content.
        expected: String,
    },
    /// The operating system says no.
    #[error("{doing} {path}")]
    Io {
        /// The attempt.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// The outcome of a rotation of the phones' keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key under which tokens are issued from the next start on.
    pub made: u8,
    /// The one before it, which opens tokens until the next rotation.
    pub kept: u8,
    /// Those that are gone, and with them what they sealed.
    pub dropped: Vec<u8>,
}

/// One key file, for `changtong keys status`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyStatus {
    /// The file's name.
    pub file: String,
    /// Its purpose.
    pub purpose: &'static str,
    /// When it was written, seconds since 1970 UTC.
    pub made_s: Option<u64>,
    /// The fault.
    pub problem: Option<String>,
}

type Secret<const N: usize> = Zeroizing<[u8; N]>;

/// Every key, in memory.
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
    /// Makes a new set of keys in a directory that holds none.
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
            file::write_hex(&directory.join(name), &*file::random::<TOKEN_KEY_BYTES>()?)?;
        }
        for name in [LEGACY, PEPPER, FIELD] {
            file::write_hex(&directory.join(name), &*file::random::<32>()?)?;
        }
        file::write_hex(&directory.join(QUIC), &*file::random::<64>()?)?;
        let random = ring::rand::SystemRandom::new();
        let signing = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError::Random)?;
        file::write(&directory.join(SIGNING), signing.as_ref())?;
        file::make_directory(&Self::days(directory))?;
        file::sync_directory(directory)
    }

    /// Reads every key. Refuses files and directories that others may get at.
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

    /// Makes the next token key and drops all but the one before it, which stays for the tokens that it sealed. A running gateway
    /// reads it at its next start.
    pub fn rotate_token(directory: &Path) -> Result<Rotated, KeyError> {
        let mut ids: Vec<u8> = token_ids(directory)?.into_iter().filter(|&id| !is_paper(id)).collect();
        let Some(current) = current_of(&ids) else {
            return Err(KeyError::Missing { path: directory.join(token_name(TOKEN_ID_MIN)) });
        };
        let next = next_id(current);
        file::write_hex(&directory.join(token_name(next)), &*file::random::<TOKEN_KEY_BYTES>()?)?;
        file::sync_directory(directory)?;
        // From the oldest: the one after the newest, going round.
        ids.sort_by_key(|&id| (id.wrapping_sub(next)) & TOKEN_ID_MAX);
        let superfluous = (ids.len() + 1).saturating_sub(TOKEN_KEYS_MAX);
        for &id in &ids[..superfluous] {
            file::remove(&directory.join(token_name(id)))?;
        }
        Ok(Rotated { made: next, kept: current, dropped: ids[..superfluous].to_vec() })
    }

    /// Refuses day keys that others may read.
    pub fn check_days(directory: &Path) -> Result<(), KeyError> {
        let days = Self::days(directory);
        let names = if days.exists() { file::names(&days)? } else { Vec::new() };
        let keys = names.iter().filter(|name| name.ends_with(".key"));
        keys.map(|name| days.join(name)).try_for_each(|path| file::read(&path).map(drop))
    }

    /// Says what is in the directory, and what is wrong with it. Shows no key.
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

    /// Every key file that is there, by its name in the directory: day keys first, and the one that signs last. In that order they are
    /// destroyed when the measure ends.
    pub fn files(directory: &Path) -> Result<Vec<String>, KeyError> {
        let mut days: Vec<String> = match file::names(&Self::days(directory)) {
            Ok(names) => names.into_iter().map(|name| format!("{DAYS}/{name}")).collect(),
            Err(KeyError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        days.sort_unstable();
        let tokens = token_ids(directory)?.into_iter().map(token_name);
        let fixed = [WITHDRAWN, LEGACY, PEPPER, FIELD, QUIC, SIGNING].map(str::to_owned);
        let is_file = |name: &String| directory.join(name).is_file();
        Ok(days.into_iter().chain(tokens).chain(fixed).filter(is_file).collect())
    }

    /// The Ed25519 key that signs, in PKCS#8, when the others are gone already.
    pub fn read_signing(directory: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        read_signing(&directory.join(SIGNING))
    }

    /// Says whether that file is the key that signs.
    pub fn is_signing(name: &str) -> bool {
        name == SIGNING
    }

    /// Says where the punch log keeps its day keys.
    pub fn days(directory: &Path) -> PathBuf {
        directory.join(DAYS)
    }

    /// The keys that open tokens.
    pub fn token_keys(&self) -> TokenKeys {
        TokenKeys::new(self.tokens.iter().map(|(id, key)| TokenKey::new(*id, key)))
    }

    /// The key that seals a phone's tokens now.
    pub fn current_token(&self) -> u8 {
        let ids: Vec<u8> = self.tokens.iter().map(|(id, _)| *id).filter(|&id| !is_paper(id)).collect();
        current_of(&ids).expect("load has found one")
    }

    /// The key that seals printed tokens now.
    pub fn current_paper(&self) -> u8 {
        self.tokens.iter().map(|(id, _)| *id).filter(|&id| is_paper(id)).max().expect("load has found one")
    }

    /// A token key's bytes, for a development fleet's devices that make their own tokens.
    pub fn token_key_bytes(&self, id: u8) -> Option<&[u8; TOKEN_KEY_BYTES]> {
        self.tokens.iter().find(|(known, _)| *known == id).map(|(_, key)| &**key)
    }

    /// The key of the imported holders' texts.
    pub fn legacy(&self) -> LegacyKey {
        LegacyKey::new(&self.legacy)
    }

    /// For QUIC's reset and address tokens and connection ids.
    pub fn quic(&self) -> &[u8; 64] {
        &self.quic
    }

    /// The Ed25519 key that signs deletion records.
    pub fn signing_pkcs8(&self) -> &[u8] {
        &self.signing
    }

    /// Says what checks those signatures: Ed25519, 32 bytes.
    pub fn signing_public(&self) -> Vec<u8> {
        let pair = Ed25519KeyPair::from_pkcs8(&self.signing).expect("load has read it");
        pair.public_key().as_ref().to_vec()
    }

    /// Says where it is noted whose codes are gone.
    pub fn withdrawn(&self) -> &Path {
        &self.withdrawn
    }

    pub fn pepper(&self) -> &[u8; 32] {
        &self.pepper
    }

    pub fn field(&self) -> &[u8; 32] {
        &self.field
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Destroys a file with a secret: overwritten, removed, and the removal made durable. One that is gone is destroyed.
pub fn destroy(path: &Path) -> Result<(), KeyError> {
    file::destroy(path)
}

/// A secret that is text, such as a private key in PEM. Refuses a file that others may read.
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

/// The id after that one, round and round. Ids whose tokens' texts begin with a space are left out.
const fn next_id(id: u8) -> u8 {
    let next = if id == TOKEN_ID_MAX { TOKEN_ID_MIN } else { id + 1 };
    if begins_with_space(next) { next_id(next) } else { next }
}

/// Ids are given one after the other and go round, so the newest is the one whose successor is not there.
fn current_of(ids: &[u8]) -> Option<u8> {
    ids.iter().copied().filter(|&id| !ids.contains(&next_id(id))).max()
}

#[cfg(test)]
mod tests;
