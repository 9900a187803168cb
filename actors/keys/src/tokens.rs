//! The token keys: the one that seals, those that open, and their rotation. A new key may have a moment from which it seals, in its own
//! file, so that all gateways of a fleet open its tokens before one of them issues any.

use std::path::Path;

use protocol::token::{PAPER_KEY_ID_MIN, TOKEN_KEY_BYTES, TokenKey, TokenKeys, begins_with_space};

use crate::{KeyError, KeyStatus, Keys, Secret, file};

/// The lowest token key id; after [`TOKEN_ID_MAX`] ids start again here.
pub(crate) const TOKEN_ID_MIN: u8 = 1;
pub(crate) const TOKEN_ID_MAX: u8 = PAPER_KEY_ID_MIN - 1;
/// The number of token keys that are kept: the current and the previous one, since a token outlives a rotation by up to 90 seconds. One
/// that is not good yet is kept beside them.
pub(crate) const TOKEN_KEYS_MAX: usize = 2;

/// The result of a rotation of the token keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the new key, which seals tokens after the gateway's next start, from its moment on.
    pub made: u8,
    /// The id of the previous key, which opens tokens until the next rotation.
    pub kept: u8,
    /// The ids of the removed keys, whose tokens can no longer be opened.
    pub dropped: Vec<u8>,
}

/// The file of a token key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenFile {
    /// The file's name in the key directory.
    pub file: String,
    /// The moment from which tokens are issued under it, seconds since 1970 UTC; `None` for a key that was made without one.
    pub good_from_s: Option<u64>,
}

/// A token key in memory.
pub(crate) struct TokenSecret {
    pub(crate) id: u8,
    pub(crate) key: Secret<TOKEN_KEY_BYTES>,
    good_from_s: Option<u64>,
}

/// Reads all token keys; at least one of phones and one of papers.
pub(crate) fn load(directory: &Path) -> Result<Vec<TokenSecret>, KeyError> {
    let mut tokens = Vec::new();
    for id in token_ids(directory)? {
        let (key, good_from_s) = read(directory, id)?;
        tokens.push(TokenSecret { id, key, good_from_s });
    }
    for first in [TOKEN_ID_MIN, PAPER_KEY_ID_MIN] {
        if !tokens.iter().any(|token| is_paper(token.id) == is_paper(first)) {
            return Err(KeyError::Missing { path: directory.join(token_name(first)) });
        }
    }
    Ok(tokens)
}

pub(crate) fn status(directory: &Path) -> Result<Vec<KeyStatus>, KeyError> {
    let status = |id| {
        let purpose = if is_paper(id) { "printed tokens" } else { "tokens of phones" };
        let read = read(directory, id);
        let good_from_s = read.as_ref().ok().and_then(|(_, good_from_s)| *good_from_s);
        KeyStatus { good_from_s, ..KeyStatus::of(directory, &token_name(id), purpose, read) }
    };
    Ok(token_ids(directory)?.into_iter().map(status).collect())
}

/// Reads one key with its moment. Keys of papers have none.
fn read(directory: &Path, id: u8) -> Result<(Secret<TOKEN_KEY_BYTES>, Option<u64>), KeyError> {
    let path = directory.join(token_name(id));
    if is_paper(id) { Ok((file::read_hex(&path)?, None)) } else { file::read_dated(&path) }
}

impl Keys {
    /// Creates the next token key, which seals from that moment on, seconds since 1970 UTC, or at once; a running gateway reads it at its
    /// next start. Removes older ones but the current one, and while the new one waits for its moment, the one before.
    ///
    /// # Errors
    /// The newest key waits for its moment, no key is there, or a call to the operating system failed.
    pub fn rotate_token(
        directory: &Path,
        good_from_s: Option<u64>,
        now_s: u64,
    ) -> Result<Rotation, KeyError> {
        let ids = token_ids(directory)?.into_iter().filter(|&id| !is_paper(id)).collect();
        let ids = in_order(ids);
        let Some(&current) = ids.last() else {
            return Err(KeyError::Missing { path: directory.join(token_name(TOKEN_ID_MIN)) });
        };
        if read(directory, current)?.1.is_some_and(|good_from_s| good_from_s > now_s) {
            return Err(KeyError::Pending { path: directory.join(token_name(current)) });
        }
        let next = next_id(current);
        let key = file::random_secret::<TOKEN_KEY_BYTES>()?;
        file::write_dated(&directory.join(token_name(next)), &*key, good_from_s)?;
        file::sync_directory(directory)?;
        let superfluous = (ids.len() + 1).saturating_sub(kept_by(good_from_s));
        for &id in &ids[..superfluous] {
            file::remove(&directory.join(token_name(id)))?;
        }
        Ok(Rotation { made: next, kept: current, dropped: ids[..superfluous].to_vec() })
    }

    /// Returns the keys that open tokens; also one that is not good yet.
    pub fn token_keys(&self) -> TokenKeys {
        TokenKeys::new(self.tokens.iter().map(|token| TokenKey::new(token.id, &token.key)))
    }

    /// Returns the id of the key that seals tokens of phones at that time: the newest one that is good, or the oldest one.
    pub fn current_token(&self, now_s: u64) -> u8 {
        let ids = self.phone_ids();
        let is_good = |id: &&u8| self.good_from_s(**id).is_none_or(|good_from_s| good_from_s <= now_s);
        *ids.iter().rev().find(is_good).or(ids.first()).expect("load has found one")
    }

    /// Returns the newest token key of phones, whether it is good already or not.
    pub fn newest_token(&self) -> TokenFile {
        let newest = self.newest();
        TokenFile { file: token_name(newest), good_from_s: self.good_from_s(newest) }
    }

    /// Returns the id of the key that seals printed tokens.
    pub fn current_paper(&self) -> u8 {
        let ids = self.tokens.iter().map(|token| token.id).filter(|&id| is_paper(id));
        ids.max().expect("load has found one")
    }

    /// Returns a token key's bytes, for the devices of a development city, which make their own tokens.
    pub fn token_key_bytes(&self, id: u8) -> Option<&[u8; TOKEN_KEY_BYTES]> {
        self.tokens.iter().find(|token| token.id == id).map(|token| &*token.key)
    }

    /// Returns the ids of the token keys of phones, from the oldest to the newest.
    pub(crate) fn phone_ids(&self) -> Vec<u8> {
        in_order(self.tokens.iter().map(|token| token.id).filter(|&id| !is_paper(id)).collect())
    }

    /// Returns the number of keys that the last rotation has kept, with its own.
    pub(crate) fn kept(&self) -> usize {
        kept_by(self.good_from_s(self.newest()))
    }

    fn newest(&self) -> u8 {
        *self.phone_ids().last().expect("load has found one")
    }

    fn good_from_s(&self, id: u8) -> Option<u64> {
        self.tokens.iter().find(|token| token.id == id).and_then(|token| token.good_from_s)
    }
}

/// Returns the number of keys that stay when one with such a moment is made, with that one.
fn kept_by(good_from_s: Option<u64>) -> usize {
    TOKEN_KEYS_MAX + usize::from(good_from_s.is_some())
}

pub(crate) const fn is_paper(id: u8) -> bool {
    id >= PAPER_KEY_ID_MIN
}

pub(crate) fn token_name(id: u8) -> String {
    let kind = if is_paper(id) { "paper" } else { "token" };
    format!("{kind}-{id}.key")
}

pub(crate) fn token_ids(directory: &Path) -> Result<Vec<u8>, KeyError> {
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

/// Returns the ids from the oldest to the newest. They are consecutive with wrap-around, so the newest is the one without a successor, and
/// the oldest the first one after it.
fn in_order(mut ids: Vec<u8>) -> Vec<u8> {
    if let Some(newest) = ids.iter().copied().filter(|&id| !ids.contains(&next_id(id))).max() {
        ids.sort_by_key(|&id| id.wrapping_sub(newest + 1) & TOKEN_ID_MAX);
    }
    ids
}
