//! Codes of holders of the earlier electronic access code: their existing QR text keeps working.
//!
//! The code id *is* a keyed hash of the text, so that no table from text to code is needed: the code is found where every
//! other code is found, and who does not hold the key cannot tell which texts are registered.

use ring::hmac;

use crate::ids::CodeId;

/// The key of the hash; it lives as long as the imported codes do.
pub struct LegacyKey(hmac::Key);

impl LegacyKey {
    /// From 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The code of that QR text, issued by `gateway`. Texts are compared after trimming white space.
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
