//! Ids of keys, which say nothing about them. The stores note the ids of the keys that they were made
//! with, so that another file of the same name is known at once, by its name. Pure.

use ring::digest::{Context, SHA256};

use super::{
    FIELD, Keys, LEGACY, PEPPER, SIGNING, TOKEN_ID_MAX, TOKEN_ID_MIN, TOKEN_KEYS_MAX, is_paper, token_name,
};

/// Of the hash this much is kept: keys are random, and this is for mistakes.
const ID_BYTES: usize = 8;
/// Newer keys than one that is gone are looked for among this many ids: ids go round, and half way round the newer is the older.
const NEWER_IDS_MAX: usize = 64;

/// A key by its file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId {
    /// The file's name in the directory of the keys.
    pub file: String,
    /// Hexadecimal.
    pub id: String,
}

/// A fault of a directory of keys, for a store that knows others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strange {
    /// The file holds another key.
    Other(String),
    /// The key is gone, and no rotation explains it.
    Gone(String),
}

impl Keys {
    /// The ids of those without which something that was stored or issued cannot be read or checked. The key of QUIC is not among
    /// them: with another one devices connect again.
    pub fn ids(&self) -> Vec<KeyId> {
        let fixed = [
            (LEGACY.to_owned(), &self.legacy[..]),
            (PEPPER.to_owned(), &self.pepper[..]),
            (FIELD.to_owned(), &self.field[..]),
            (SIGNING.to_owned(), &self.signing[..]),
        ];
        let tokens = self.tokens.iter().map(|(id, key)| (token_name(*id), &key[..]));
        fixed.into_iter().chain(tokens).map(|(file, key)| KeyId { id: id_of(&file, key), file }).collect()
    }

    /// The first of the known keys that is not here as it was.
    pub fn strange(&self, known: &[KeyId]) -> Option<Strange> {
        let here = self.ids();
        known.iter().find_map(|known| match here.iter().find(|key| key.file == known.file) {
            Some(key) if key.id == known.id => None,
            Some(_) => Some(Strange::Other(known.file.clone())),
            None if self.is_rotated_out(&known.file) => None,
            None => Some(Strange::Gone(known.file.clone())),
        })
    }

    /// Says whether that file is a phones' key which as many newer ones have replaced as are kept.
    fn is_rotated_out(&self, file: &str) -> bool {
        let ids: Vec<u8> = self.tokens.iter().map(|(id, _)| *id).filter(|&id| !is_paper(id)).collect();
        let gone = (1..=u8::MAX).filter(|&id| !is_paper(id)).find(|&id| token_name(id) == file);
        let Some(gone) = gone else { return false };
        // Also over ids that are left out now: earlier releases gave them.
        let after = |id: u8| if id == TOKEN_ID_MAX { TOKEN_ID_MIN } else { id + 1 };
        let newer = std::iter::successors(Some(after(gone)), |&id| Some(after(id)));
        newer.take(NEWER_IDS_MAX).filter(|id| ids.contains(id)).count() >= TOKEN_KEYS_MAX
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
