//! Sealing and keyed hashes. AES-256-GCM with a random nonce, bound to the field's column and owner. Phones and documents are
//! found by HMAC-SHA-256: a plain hash of an eleven-digit number could be reversed by trying all.

use std::sync::atomic::{AtomicBool, Ordering};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::RegistryError;
use crate::personal::Phone;

/// The stored length of a keyed hash: no collisions are expected among 23 million people.
pub(crate) const HASH_BYTES: usize = 16;
pub type Hash = [u8; HASH_BYTES];

/// The keyed hash by which people are found.
pub struct Hasher(hmac::Key);

impl Hasher {
    pub fn new(pepper: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, pepper))
    }

    /// Returns the keyed hash of a value of this kind.
    fn hash(&self, kind: &str, value: &[u8]) -> Hash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value);
        *context.sign().as_ref().first_chunk().expect("the hash is longer")
    }

    /// Returns the hash by which a phone is found.
    pub fn phone(&self, phone: &Phone) -> Hash {
        self.hash("phone", phone.reveal().as_bytes())
    }
}

/// A column of sealed fields; a field opens only in the column that it was sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Column {
    /// A person's fields; the owner is the code.
    Person = 1,
    /// The evidence of a cause; the owner is the code.
    Evidence = 2,
    /// The outcome of a query; the owner is the consent.
    Outcome = 3,
    /// The phone that a receipt refers to; the owner is the consent.
    OpenPhone = 4,
    /// A stored stay; the owner is the hash that it is found by.
    Stay = 5,
    /// The texts of an appeal and of its answer; the owner is the appeal.
    Appeal = 6,
    /// The text of an order; the owner is its entry.
    Order = 7,
}

pub(crate) struct Sealer {
    field: LessSafeKey,
    pepper: Hasher,
    random: SystemRandom,
    /// True while people sealed by earlier releases may remain.
    old_people: AtomicBool,
}

impl Sealer {
    pub(crate) fn new(field: &[u8; 32], pepper: &[u8; 32]) -> Self {
        let field = UnboundKey::new(&AES_256_GCM, field).expect("32 bytes are a key");
        let (field, pepper) = (LessSafeKey::new(field), Hasher::new(pepper));
        Self { field, pepper, random: SystemRandom::new(), old_people: AtomicBool::new(false) }
    }

    /// Returns a value that identifies the keys and reveals nothing about them.
    pub(crate) fn mark(&self) -> String {
        let mut block = *b"changtong keys 1";
        let nonce = Nonce::assume_unique_for_key([0xff; NONCE_LEN]);
        let tag = self.field.seal_in_place_separate_tag(nonce, Aad::empty(), &mut block);
        let tag = tag.expect("sixteen bytes can be sealed");
        hex::encode([self.hash("mark", "keys"), block].concat()) + &hex::encode(tag.as_ref())
    }

    /// Returns the key file that differs from those of a known mark.
    pub(crate) fn other_than(&self, known: &str) -> Option<&'static str> {
        let mark = self.mark();
        let (pepper, field) = mark.split_at(2 * HASH_BYTES);
        if known == mark {
            None
        } else if known.starts_with(pepper) {
            Some("field.key")
        } else if known.ends_with(field) {
            Some("pepper.key")
        } else {
            Some("field.key, with pepper.key,")
        }
    }

    /// Returns the keyed hash of a value of this kind.
    pub(crate) fn hash(&self, kind: &str, value: &str) -> Hash {
        self.pepper.hash(kind, value.as_bytes())
    }

    pub(crate) fn hash_bytes(&self, kind: &str, value: &[u8]) -> Hash {
        self.pepper.hash(kind, value)
    }

    pub(crate) fn random(&self) -> Result<u64, RegistryError> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes).map_err(|_| no_random())?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Sets whether people sealed by earlier releases may remain.
    pub(crate) fn set_old_people(&self, may: bool) {
        self.old_people.store(may, Ordering::Release);
    }

    pub(crate) fn has_old_people(&self) -> bool {
        self.old_people.load(Ordering::Acquire)
    }

    /// Seals `plain`: nonce, then ciphertext and tag.
    pub(crate) fn seal(&self, column: Column, owner: u64, plain: &[u8]) -> Result<Vec<u8>, RegistryError> {
        self.seal_bound(&bound(column, owner), plain)
    }

    /// Opens a field that [`Self::seal`] made for the same column and owner; `None` if it does not open.
    pub(crate) fn open(&self, column: Column, owner: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let may_be_old = column == Column::Person && self.has_old_people();
        let old = || if may_be_old { self.open_old(owner, sealed) } else { None };
        self.open_bound(&bound(column, owner), sealed).or_else(old)
    }

    /// Opens a field of an earlier release, which was bound to its owner alone.
    pub(crate) fn open_old(&self, owner: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_bound(&owner.to_be_bytes(), sealed)
    }

    /// Seals as earlier releases did.
    #[cfg(test)]
    pub(crate) fn seal_old(&self, owner: u64, plain: &[u8]) -> Result<Vec<u8>, RegistryError> {
        self.seal_bound(&owner.to_be_bytes(), plain)
    }

    fn seal_bound(&self, to: &[u8], plain: &[u8]) -> Result<Vec<u8>, RegistryError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| no_random())?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .field
            .seal_in_place_separate_tag(nonce, Aad::from(to), &mut sealed[NONCE_LEN..])
            .expect("a person's fields are short enough to be sealed");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open_bound(&self, to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk()?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self.field.open_in_place(nonce, Aad::from(to), &mut body).ok()?.len();
        body.truncate(len);
        Some(body)
    }
}

/// Returns the bound data. It is one byte longer than that of earlier releases, so neither form opens as the other.
fn bound(column: Column, owner: u64) -> [u8; 9] {
    let mut bytes = [column as u8; 9];
    bytes[1..].copy_from_slice(&owner.to_be_bytes());
    bytes
}

fn no_random() -> RegistryError {
    RegistryError::Io {
        doing: "reading",
        path: "the system's random bytes".into(),
        source: std::io::Error::other("not given"),
    }
}
