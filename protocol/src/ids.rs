//! Ids of codes, devices, regions and places, and a device's numbering of its punches.
//!
//! Each id has a type of its own. No id is a secret, and none grants access.

use std::fmt;
use std::num::NonZeroU64;

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

/// The id of a person's code: 63 bits, of which the upper 10 are the issuing gateway and the rest is random. Never zero, never
/// displayed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeId(NonZeroU64);

impl CodeId {
    /// The number of random bits, which are the lower ones.
    const RANDOM_BITS: u32 = 53;
    /// The highest issuing gateway (10 bits).
    const GATEWAY_MAX: u16 = 1023;

    /// Builds the id that `gateway` issues for these random bits; bits above [`Self::RANDOM_BITS`] are dropped.
    /// `None` for the one combination that would be zero, or a gateway above [`Self::GATEWAY_MAX`].
    pub fn issue(gateway: u16, random: u64) -> Option<Self> {
        if gateway > Self::GATEWAY_MAX {
            return None;
        }
        Self::from_u64(u64::from(gateway) << Self::RANDOM_BITS | random & ((1 << Self::RANDOM_BITS) - 1))
    }

    /// Checks a number; `None` for zero and for more than 63 bits.
    pub fn from_u64(number: u64) -> Option<Self> {
        if number >> 63 != 0 {
            return None;
        }
        NonZeroU64::new(number).map(Self)
    }

    /// Returns the number, 1 ..= 2^63 − 1.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Returns the issuing gateway.
    pub fn gateway(self) -> u16 {
        (self.get() >> Self::RANDOM_BITS) as u16
    }
}

/// Shows the issuing gateway only: a code's number is personal data.
impl fmt::Debug for CodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeId(gateway {}, …)", self.gateway())
    }
}

impl Encode for CodeId {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.get().encode(encoder)
    }
}

impl<C> Decode<C> for CodeId {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::from_u64(u64::decode(decoder)?).ok_or(DecodeError::Other("code id out of range"))
    }
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A checkpoint device, as its certificate names it.
    DeviceId(u64)
}
id! {
    /// A region of the city.
    RegionId(u16)
}
id! {
    /// A place that people pass: a gate, a bus, a market's door. Belongs to one region.
    PlaceId(u32)
}
id! {
    /// An epoch of a device, from 1, in which it numbers its punches from 1. A device that lost its queue takes a higher epoch.
    Epoch(u32)
}
id! {
    /// A punch's number: 1, 2, 3 … without gaps within the device's epoch.
    Sequence(u64)
}
id! {
    /// The id of a request, chosen by the device and repeated in the answer.
    RequestId(u32)
}

impl DeviceId {
    const URI_PREFIX: &str = "urn:changtong:device:";

    /// Returns the subject alternative name (URI) of the device's certificate.
    pub fn to_uri(self) -> String {
        format!("{}{}", Self::URI_PREFIX, self.0)
    }

    /// Reads a subject alternative name; `None` unless it is in the form of [`Self::to_uri`].
    pub fn from_uri(uri: &str) -> Option<Self> {
        let digits = uri.strip_prefix(Self::URI_PREFIX)?;
        let id = Self(digits.parse().ok()?);
        (id.0 != 0 && id.to_uri() == uri).then_some(id)
    }
}

wire_numbered! {
    /// The class of a device, set in the registry. Limits of [`crate::limits`] depend on it.
    pub enum DeviceClass {
        /// A gate or turnstile: one person at a time.
        Gate = 1 => "gate",
        /// A phone or PDA in a person's hand.
        Handheld = 2 => "handheld",
        /// Many gates behind one connection.
        Concentrator = 3 => "concentrator",
        /// The gateway's own pages: the only class that may send [`crate::Scanned::SignedIn`].
        Portal = 4 => "portal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_id_is_never_zero_and_fits_63_bits() {
        assert_eq!(CodeId::issue(0, 0), None);
        assert_eq!(CodeId::issue(1024, 1), None);
        assert_eq!(CodeId::from_u64(1 << 63), None);
        let code = CodeId::issue(1023, u64::MAX).expect("in range");
        assert_eq!((code.gateway(), code.get() >> 63), (1023, 0));
    }

    #[test]
    fn only_the_canonical_device_uri_is_read() {
        assert_eq!(DeviceId::from_uri("urn:changtong:device:17"), Some(DeviceId(17)));
        for bad in [
            "urn:changtong:device:017",
            "urn:changtong:device:+1",
            "urn:changtong:device:0",
            "urn:changtong:device:",
            "device:1",
        ] {
            assert_eq!(DeviceId::from_uri(bad), None, "{bad}");
        }
    }
}
