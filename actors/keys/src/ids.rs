//! Ids of keys: short hashes that reveal nothing about the keys. The stores record the ids of the keys that they were made with, so
//! that a replaced key file is detected and reported by its name. Pure.

use ring::digest::{Context, SHA256};

use super::{FIELD, Keys, LEGACY, PEPPER, SIGNING};
use crate::tokens::{TOKEN_ID_MAX, TOKEN_ID_MIN, is_paper, token_name};

/// The length of an id: enough to detect a mistake, since keys are random.
const ID_BYTES: usize = 8;
/// The number of ids after a missing key's that count as newer. Ids wrap around, so half of the range is newer and half is older.
const NEWER_IDS_MAX: usize = 64;

/// The id of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId {
    /// The file's name in the key directory.
    pub file: String,
    /// The id, hexadecimal.
    pub id: String,
}

/// A difference between a key directory and the ids that a store recorded, with the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMismatch {
    /// The file holds another key.
    Replaced(String),
    /// The file is missing, and no rotation has removed it.
    Missing(String),
}

impl Keys {
    /// Returns the ids of the keys that stored or issued data depends on. The QUIC key is not among them: with another one devices
    /// only have to reconnect.
    pub fn ids(&self) -> Vec<KeyId> {
        let fixed = [
            (LEGACY.to_owned(), &self.legacy[..]),
            (PEPPER.to_owned(), &self.pepper[..]),
            (FIELD.to_owned(), &self.field[..]),
            (SIGNING.to_owned(), &self.signing[..]),
        ];
        let tokens = self.tokens.iter().map(|token| (token_name(token.id), &token.key[..]));
        fixed.into_iter().chain(tokens).map(|(file, key)| KeyId { id: id_of(&file, key), file }).collect()
    }

    /// Returns the first difference from the recorded ids; `None` if all of those keys are unchanged or rotated out.
    pub fn mismatch(&self, known: &[KeyId]) -> Option<KeyMismatch> {
        let here = self.ids();
        known.iter().find_map(|known| match here.iter().find(|key| key.file == known.file) {
            Some(key) if key.id == known.id => None,
            Some(_) => Some(KeyMismatch::Replaced(known.file.clone())),
            None if self.is_rotated_out(&known.file) => None,
            None => Some(KeyMismatch::Missing(known.file.clone())),
        })
    }

    /// Reports a token key of phones that enough newer ones have replaced.
    fn is_rotated_out(&self, file: &str) -> bool {
        let ids = self.phone_ids();
        let gone = (1..=u8::MAX).filter(|&id| !is_paper(id)).find(|&id| token_name(id) == file);
        let Some(gone) = gone else { return false };
        // Includes ids that are skipped today, because earlier releases used them.
        let after = |id: u8| if id == TOKEN_ID_MAX { TOKEN_ID_MIN } else { id + 1 };
        let newer = std::iter::successors(Some(after(gone)), |&id| Some(after(id)));
        newer.take(NEWER_IDS_MAX).filter(|id| ids.contains(id)).count() >= self.kept()
    }
}

fn id_of(file: &str, key: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"changtong key id 1\n");
    context.update(file.as_bytes());
    context.update(&[0]);
    context.update(key);
    hex::encode(&context.finish().as_ref()[..ID_BYTES])
}
