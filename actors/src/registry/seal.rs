//! Sealing and finding personal data. AES-256-GCM with a random nonce, bound to the person's code; phones and documents are
//! found by HMAC-SHA-256, because a plain hash of an eleven-digit number can be reversed by trying all.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::{Phone, RegistryError};

/// Of the keyed hash this much is kept: among 23 M people no two will share it.
pub(crate) const HASH_BYTES: usize = 16;
pub(crate) type Hash = [u8; HASH_BYTES];

/// Makes the keyed hashes by which people are found.
pub(crate) struct Hasher(hmac::Key);

impl Hasher {
    pub(crate) fn new(pepper: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, pepper))
    }

    /// The keyed hash of a value of that kind.
    fn hash(&self, kind: &str, value: &[u8]) -> Hash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value);
        *context.sign().as_ref().first_chunk().expect("the hash is longer")
    }

    /// The hash by which a phone is found.
    pub(crate) fn phone(&self, phone: &Phone) -> Hash {
        self.hash("phone", phone.reveal().as_bytes())
    }
}

pub(super) struct Sealer {
    field: LessSafeKey,
    pepper: Hasher,
    random: SystemRandom,
}

impl Sealer {
    pub(super) fn new(field: &[u8; 32], pepper: &[u8; 32]) -> Self {
        let field = UnboundKey::new(&AES_256_GCM, field).expect("32 bytes are a key");
        Self { field: LessSafeKey::new(field), pepper: Hasher::new(pepper), random: SystemRandom::new() }
    }

    /// The same for the same keys, and says nothing about them.
    pub(super) fn mark(&self) -> String {
        let mut block = *b"changtong keys 1";
        let nonce = Nonce::assume_unique_for_key([0xff; NONCE_LEN]);
        let tag = self.field.seal_in_place_separate_tag(nonce, Aad::empty(), &mut block);
        let tag = tag.expect("sixteen bytes can be sealed");
        hex::encode([self.hash("mark", "keys"), block].concat()) + &hex::encode(tag.as_ref())
    }

    /// The keyed hash of a value of that kind.
    pub(super) fn hash(&self, kind: &str, value: &str) -> Hash {
        self.pepper.hash(kind, value.as_bytes())
    }

    pub(super) fn hash_bytes(&self, kind: &str, value: &[u8]) -> Hash {
        self.pepper.hash(kind, value)
    }

    pub(super) fn random(&self) -> Result<u64, RegistryError> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes).map_err(|_| no_random())?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Seals `plain`: nonce, then ciphertext and tag.
    pub(super) fn seal(&self, owner: u64, plain: &[u8]) -> Result<Vec<u8>, RegistryError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| no_random())?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let aad = Aad::from(owner.to_be_bytes());
        let tag = self
            .field
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed[NONCE_LEN..])
            .expect("a person's fields are short enough to be sealed");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same owner.
    pub(super) fn open(&self, owner: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk()?;
        let mut body = body.to_vec();
        let aad = Aad::from(owner.to_be_bytes());
        let plain = self.field.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body).ok()?;
        let len = plain.len();
        body.truncate(len);
        Some(body)
    }
}

fn no_random() -> RegistryError {
    RegistryError::Io {
        doing: "reading",
        path: "the system's random bytes".into(),
        source: std::io::Error::other("not given"),
    }
}
