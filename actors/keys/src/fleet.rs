//! The key of a fleet's changesets. Each message has a key of its own: HKDF-SHA-256 of the fleet's key and a random salt of 32 bytes, so
//! that no nonce is ever used twice, however many gateways seal. AES-256-GCM, bound to the message's place.

use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::{FLEET, KeyError, Keys, Secret, file, random};

/// The length of a message's salt.
const SALT_BYTES: usize = 32;
/// The bytes that a sealed message is longer than its content.
pub const SEAL_BYTES: usize = SALT_BYTES + 16;
/// The purpose of the derived keys.
const PURPOSE: &[u8] = b"changtong fleet 1";
/// The length of the id: enough to detect a mistake.
const ID_BYTES: usize = 8;

/// The key by which the gateways of a fleet seal what they send to each other.
pub struct FleetKey(Secret<32>);

impl Keys {
    /// Creates the key of a fleet in a key directory. The other gateways get a copy.
    ///
    /// # Errors
    /// The key exists already, or a call to the operating system failed.
    pub fn make_fleet(directory: &Path) -> Result<(), KeyError> {
        file::check_directory(directory)?;
        file::write_hex(&directory.join(FLEET), &*file::random_secret::<32>()?)?;
        file::sync_directory(directory)
    }

    /// Reports a key directory of a fleet's gateway.
    pub fn has_fleet(directory: &Path) -> bool {
        directory.join(FLEET).exists()
    }

    /// Reads the key of the fleet.
    ///
    /// # Errors
    /// The key is missing or malformed, or other users have access to it.
    pub fn fleet(directory: &Path) -> Result<FleetKey, KeyError> {
        Ok(FleetKey(file::read_hex(&directory.join(FLEET))?))
    }
}

impl FleetKey {
    /// Returns an id that reveals nothing about the key.
    pub fn id(&self) -> String {
        hex::encode(&digest(&SHA256, &[PURPOSE, &self.0[..]].concat()).as_ref()[..ID_BYTES])
    }

    /// Seals a message for its place: the salt, then ciphertext and tag.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut sealed = vec![0; SALT_BYTES];
        random::fill(&mut sealed)?;
        let key = self.derived(&sealed);
        sealed.reserve(plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plain);
        let tag = key
            .seal_in_place_separate_tag(nonce(), Aad::from(place), &mut sealed[SALT_BYTES..])
            .expect("a message is short enough to be sealed");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a message that was sealed with this key for this place; `None` if it was not.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, body) = sealed.split_at_checked(SALT_BYTES)?;
        let mut body = body.to_vec();
        let len = self.derived(salt).open_in_place(nonce(), Aad::from(place), &mut body).ok()?.len();
        body.truncate(len);
        Some(body)
    }

    fn derived(&self, salt: &[u8]) -> LessSafeKey {
        let derived = Salt::new(HKDF_SHA256, salt).extract(&self.0[..]);
        let key = derived.expand(&[PURPOSE], &AES_256_GCM).expect("a key's length can be derived");
        LessSafeKey::new(UnboundKey::from(key))
    }
}

impl std::fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FleetKey(…)")
    }
}

/// Each derived key seals one message.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_opens_with_its_key_in_its_place_alone_and_is_never_sealed_the_same_twice() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "b"] {
            Keys::init(&at(name)).unwrap();
            assert!(matches!(Keys::fleet(&at(name)), Err(KeyError::Missing { .. })));
            Keys::make_fleet(&at(name)).unwrap();
            assert!(matches!(Keys::make_fleet(&at(name)), Err(KeyError::Exists { .. })));
        }
        let (a, b) = (Keys::fleet(&at("a")).unwrap(), Keys::fleet(&at("b")).unwrap());
        let sealed = a.seal(b"place 1", b"colours").unwrap();
        assert_eq!(sealed.len(), SEAL_BYTES + 7);
        assert_eq!(a.open(b"place 1", &sealed).as_deref(), Some(&b"colours"[..]));
        assert_ne!(a.seal(b"place 1", b"colours").unwrap(), sealed);
        assert_ne!(a.id(), b.id());
        let mut changed = sealed.clone();
        changed[SALT_BYTES] ^= 1;
        for opened in [
            b.open(b"place 1", &sealed),
            a.open(b"place 2", &sealed),
            a.open(b"place 1", &changed),
            a.open(b"place 1", &sealed[..SALT_BYTES]),
            a.open(b"place 1", b""),
        ] {
            assert_eq!(opened, None);
        }
        assert!(Keys::files(&at("a")).unwrap().contains(&FLEET.to_owned()), "a sunset destroys it");
    }
}
