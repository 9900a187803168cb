//! The phones that a browser has proven, as the browser keeps them: seals that open nothing and name no phone. They only give the browser an
//! allowance of messages that strangers cannot use up.

use keys::Keys;
use registry::Phone;
use ring::hmac;

/// The age up to which a seal is good; after it the browser is a stranger's.
pub const KNOWN_S_MAX: u64 = 180 * 24 * 3_600;
/// The phones that one browser keeps: those of a family.
const PHONES_MAX: usize = 4;
const SEAL_BYTES: usize = 16;

/// The key that makes and checks the seals.
pub(super) struct Known(hmac::Key);

impl Known {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, keys.pepper()))
    }

    /// Returns true if the browser that keeps `kept` has proven the phone.
    pub(super) fn holds(&self, kept: &str, phone: &Phone, now_s: u64) -> bool {
        let is_it = |at_s: u64, seal: &str| {
            let seal = hex::decode(seal).ok().filter(|seal| seal.len() == SEAL_BYTES);
            let mine = self.seal(phone, at_s);
            seal.is_some_and(|seal| subtle::ConstantTimeEq::ct_eq(&mine[..], &seal[..]).into())
        };
        good(kept, now_s).any(|(_, at_s, seal)| is_it(at_s, seal))
    }

    /// Returns the value that the browser keeps instead of `kept` once it has proven this phone, too.
    pub(super) fn with(&self, kept: &str, phone: &Phone, now_s: u64) -> String {
        let newest = format!("{now_s:x}-{}", hex::encode(self.seal(phone, now_s)));
        let others =
            good(kept, now_s).filter(|(one, ..)| !self.holds(one, phone, now_s)).map(|(one, ..)| one);
        std::iter::once(newest.as_str()).chain(others.take(PHONES_MAX - 1)).collect::<Vec<_>>().join(".")
    }

    fn seal(&self, phone: &Phone, at_s: u64) -> [u8; SEAL_BYTES] {
        let text = [b"sms known", &at_s.to_le_bytes()[..], phone.reveal().as_bytes()].concat();
        *hmac::sign(&self.0, &text).as_ref().first_chunk().expect("it is longer")
    }
}

/// Returns the parts of `kept` that are not too old: each phone's whole part, its time and its seal.
fn good(kept: &str, now_s: u64) -> impl Iterator<Item = (&str, u64, &str)> {
    let parts = kept.split('.').take(PHONES_MAX).filter_map(|one| {
        let (at, seal) = one.split_once('-')?;
        Some((one, u64::from_str_radix(at, 16).ok()?, seal))
    });
    parts.filter(move |(_, at_s, _)| now_s.saturating_sub(*at_s) <= KNOWN_S_MAX)
}
