//! The record of one punch, and the digest that identifies a punch. The layout on disk is in `format`.

use std::num::NonZeroU32;

use protocol::token::TOKEN_BYTES;
use protocol::{CodeId, Direction, PlaceId, Punch, Scanned, Verdict};

protocol::numbered! {
    /// The kind of scan, as recorded.
    pub enum ScanKind {
        /// A person or paper token.
        Token = 1 => "token",
        /// The existing QR text of an imported holder.
        Legacy = 2 => "legacy",
        /// A signed-in citizen who scanned the place's code.
        SignedIn = 3 => "signed-in",
        /// A person without phone or paper.
        Nothing = 4 => "nothing",
        /// Anything that is no pass code.
        NotACode = 5 => "not-a-code",
    }
}

/// One punch with its verdict. Device, sequence and region are stored once per run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The scanned code; `None` if no code was scanned.
    pub code: Option<CodeId>,
    /// The kind of scan.
    pub kind: ScanKind,
    /// The direction.
    pub direction: Direction,
    /// The place.
    pub place: PlaceId,
    /// The time by the device's clock, milliseconds since 1970 UTC.
    pub device_time_ms: u64,
    /// True if the device decided offline.
    pub offline: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// The digest of the punch as sent; `None` in logs of releases without digests.
    pub digest: Option<PunchDigest>,
}

/// A digest of the fields that a device must repeat exactly when it sends a punch again: scan, direction, place and device time. Not of
/// the offline decision, which the device may add later, and not of the region, which follows from the place.
///
/// CRC-32C: punches that differ only in place, direction or time always have different digests; any others with probability 1 − 2⁻³².
/// It needs no key. A punch is compared only with the one recorded under the same number, so there is one chance of an accidental
/// collision per device restored from an image. A deliberate collision needs the recorded scan and its millisecond and control over the
/// device, with which an attacker could send any punch anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PunchDigest(NonZeroU32);

/// The bytes of the fields beside the scan that a device must repeat.
const REPEATED_BYTES: usize = 14;

/// Returns the fields beside the scan that a device must repeat, with the number of the scan's kind.
fn repeated(kind: u8, punch: &Punch) -> [u8; REPEATED_BYTES] {
    let mut bytes = [0; REPEATED_BYTES];
    bytes[0] = kind;
    bytes[1] = punch.direction.number();
    bytes[2..6].copy_from_slice(&punch.place.0.to_le_bytes());
    bytes[6..].copy_from_slice(&punch.device_time_ms.to_le_bytes());
    bytes
}

impl PunchDigest {
    /// Computes the digest of a punch.
    pub fn of(punch: &Punch) -> Self {
        let (kind, scanned) = match &punch.scanned {
            Scanned::Token(token) => return Self::of_token(token, &repeated(1, punch)),
            Scanned::Text(text) => (2, crc32c::crc32c(text.as_bytes())),
            Scanned::SignedIn(code) => (3, crc32c::crc32c(&code.get().to_le_bytes())),
            Scanned::Nothing => (4, 0),
        };
        Self::new(crc32c::crc32c_append(scanned, &repeated(kind, punch)))
    }

    /// Computes the digest of a token and the rest in one go, which most punches need: four words where they are aligned.
    fn of_token(token: &[u8; TOKEN_BYTES], rest: &[u8; REPEATED_BYTES]) -> Self {
        #[repr(align(8))]
        struct Words([u8; TOKEN_BYTES + REPEATED_BYTES]);
        let mut words = Words([0; TOKEN_BYTES + REPEATED_BYTES]);
        words.0[..TOKEN_BYTES].copy_from_slice(token);
        words.0[TOKEN_BYTES..].copy_from_slice(rest);
        Self::new(crc32c::crc32c(&words.0))
    }

    /// Makes a digest of a checksum; 0 means none on disk.
    fn new(checksum: u32) -> Self {
        Self::from_number(checksum).unwrap_or(Self(NonZeroU32::MIN))
    }

    /// Returns the digest with that number on disk; `None` for 0.
    pub const fn from_number(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Returns the number on disk.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Advice, Colour, OfflineDecision};

    use super::*;

    fn punch(scanned: Scanned) -> Punch {
        Punch { scanned, direction: Direction::In, place: PlaceId(7), device_time_ms: 1_000, offline: None }
    }

    #[test]
    fn a_digest_tells_punches_apart_by_everything_that_a_device_has_to_repeat() {
        let token = punch(Scanned::Token([7; 18]));
        let digest = PunchDigest::of(&token);
        let code = CodeId::from_u64(5).expect("a code");
        for other in [
            Punch { scanned: Scanned::Token([8; 18]), ..token.clone() },
            Punch { scanned: Scanned::Text("text".to_owned()), ..token.clone() },
            Punch { scanned: Scanned::Text(String::new()), ..token.clone() },
            Punch { scanned: Scanned::SignedIn(code), ..token.clone() },
            Punch { scanned: Scanned::Nothing, ..token.clone() },
            Punch { direction: Direction::Out, ..token.clone() },
            Punch { place: PlaceId(8), ..token.clone() },
            Punch { device_time_ms: 1_001, ..token.clone() },
        ] {
            assert_ne!(PunchDigest::of(&other), digest, "{other:?}");
        }
        let decision = OfflineDecision { colour: Colour::Unknown, advice: Advice::Pass };
        let decided = Punch { offline: Some(decision), ..token };
        assert_eq!(PunchDigest::of(&decided), digest, "a device may decide after it has sent");
    }

    #[test]
    fn a_digest_is_the_same_in_every_version_that_reads_the_log() {
        for (scanned, number) in [
            (Scanned::Token([7; 18]), 0x0ce7_2cf9),
            (Scanned::Text("NCEAC:0001".to_owned()), 0xabf4_f56e),
            (Scanned::Nothing, 0x5c22_49a0),
        ] {
            assert_eq!(PunchDigest::of(&punch(scanned.clone())).number(), number, "{scanned:?}");
        }
    }
}
