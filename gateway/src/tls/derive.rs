//! Three keys out of `quic.key`, each under its own label, so that none says anything about another.

use ring::{hkdf, hmac};

const SALT: &[u8] = b"changtong quic 1";

/// Seals retry tokens.
pub(super) fn token_key(secret: &[u8; 64]) -> hkdf::Prk {
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &bytes(secret, b"retry token"))
}

/// Signs stateless resets.
pub(super) fn reset_key(secret: &[u8; 64]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &bytes(secret, b"stateless reset"))
}

/// Marks connection ids as this gateway's.
pub(super) fn connection_id_key(secret: &[u8; 64]) -> u64 {
    let bytes = bytes(secret, b"connection id");
    u64::from_le_bytes(*bytes.first_chunk().expect("32 bytes hold 8"))
}

fn bytes(secret: &[u8; 64], label: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
        .extract(secret)
        .expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|key| key.fill(&mut out))
        .expect("32 bytes are one block of SHA-256");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_keys_and_labels_differ() {
        let (one, two) = ([1; 64], [2; 64]);
        assert_eq!(connection_id_key(&one), connection_id_key(&one));
        assert_ne!(connection_id_key(&one), connection_id_key(&two));
        assert_ne!(bytes(&one, b"a"), bytes(&one, b"b"));
    }
}
