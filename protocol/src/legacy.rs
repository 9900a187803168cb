//! Codes of holders of the earlier electronic access code, whose existing QR texts stay valid.
//!
//! The code id is a keyed hash of the text. No table from text to code is needed, and the registered texts cannot be
//! tested without the key.

use ring::hmac;

use crate::ids::CodeId;

/// The key of the hash, needed as long as imported codes exist.
pub struct LegacyKey(hmac::Key);

impl LegacyKey {
    /// Makes the key from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Returns the code id of a QR text, with `gateway` as its issuer; `None` if [`CodeId::issue`] has none. White space around
    /// the text is ignored.
    pub fn code(&self, gateway: u16, text: &str) -> Option<CodeId> {
        let tag = hmac::sign(&self.0, text.trim().as_bytes());
        let random = tag.as_ref().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
        CodeId::issue(gateway, random)
    }
}

impl std::fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegacyKey(…)")
    }
}
