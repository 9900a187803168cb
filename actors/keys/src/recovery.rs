//! The key pair by which the punches of a gateway that is lost are read again. Gateways have the public half and seal their day keys to
//! it; operators keep the private half offline. HPKE (RFC 9180) in its base mode: X25519, HKDF-SHA-256, AES-256-GCM.

use std::path::Path;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use zeroize::Zeroizing;

use crate::{KeyError, file};

/// The length of a key, and of the share that a sealed text begins with.
const KEY_BYTES: usize = 32;
/// The purpose of the derived keys.
const PURPOSE: &[u8] = b"changtong recovery 1";

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Share = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The public half.
#[derive(Clone)]
pub struct RecoveryKey(Public);

/// The private half.
pub struct RecoverySecret(Private);

impl RecoveryKey {
    /// Reads a public half, 64 hexadecimal digits; `None` if it is none, or one to which nothing can be sealed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let key = Self(Public::from_bytes(&bytes).ok()?);
        key.sealed(b"", b"").map(|_| key)
    }

    /// Returns the id of the pair, 16 hexadecimal digits: the beginning of its public half.
    pub fn id(&self) -> String {
        hex::encode(&self.0.to_bytes()[..8])
    }

    /// Seals a secret for its place.
    ///
    /// # Panics
    /// The system gives no random bytes.
    pub fn seal(&self, place: &[u8], secret: &[u8]) -> Vec<u8> {
        self.sealed(place, secret).expect("it was tried when the key was read")
    }

    fn sealed(&self, place: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
        let sealed = single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.0,
            PURPOSE,
            secret,
            place,
        );
        let (share, sealed) = sealed.ok()?;
        Some([&share.to_bytes()[..], &sealed[..]].concat())
    }
}

impl RecoverySecret {
    /// Makes a pair; writes the private half to a new file and returns the public one, 64 hexadecimal digits.
    ///
    /// # Errors
    /// The file exists already, or a call to the operating system failed.
    pub fn make(path: &Path) -> Result<String, KeyError> {
        let (private, public) = X25519HkdfSha256::derive_keypair(&*file::random_secret::<KEY_BYTES>()?);
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        private.write_exact(&mut *bytes);
        file::write_hex(path, &*bytes)?;
        Ok(hex::encode(public.to_bytes()))
    }

    /// Reads the private half.
    ///
    /// # Errors
    /// The file is missing or malformed, or other users have access to it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let bytes = file::read_hex::<KEY_BYTES>(path)?;
        let malformed =
            |_| KeyError::Malformed { path: path.to_owned(), expected: "a recovery key".to_owned() };
        Private::from_bytes(&*bytes).map(Self).map_err(malformed)
    }

    /// Opens a secret that was sealed to this pair for this place; `None` if it was not.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (share, sealed) = sealed.split_at_checked(KEY_BYTES)?;
        let share = Share::from_bytes(share).ok()?;
        let opened = single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &share,
            PURPOSE,
            sealed,
            place,
        );
        opened.ok().map(Zeroizing::new)
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

impl std::fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoverySecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_the_private_half_in_its_place_alone() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let public = RecoverySecret::make(&at("a")).unwrap();
        RecoverySecret::make(&at("b")).unwrap();
        assert!(matches!(RecoverySecret::make(&at("a")), Err(KeyError::Exists { .. })));
        let key = RecoveryKey::parse(&public).unwrap();
        let (a, b) = (RecoverySecret::read(&at("a")).unwrap(), RecoverySecret::read(&at("b")).unwrap());
        let sealed = key.seal(b"north 2026-11-30", b"a day's key");
        assert_ne!(sealed, key.seal(b"north 2026-11-30", b"a day's key"));
        assert_eq!(a.open(b"north 2026-11-30", &sealed).as_deref(), Some(&b"a day's key".to_vec()));
        let mut changed = sealed.clone();
        changed[KEY_BYTES] ^= 1;
        for opened in [
            b.open(b"north 2026-11-30", &sealed),
            a.open(b"south 2026-11-30", &sealed),
            a.open(b"north 2026-11-30", &changed),
            a.open(b"north 2026-11-30", &sealed[..KEY_BYTES - 1]),
        ] {
            assert_eq!(opened, None);
        }
        // The last one is a point of low order, whose secret everybody knows.
        for text in ["", "00", &public[1..], &format!("{public}00"), &"g".repeat(64), &"0".repeat(64)] {
            assert!(RecoveryKey::parse(text).is_none(), "{text}");
        }
    }
}
