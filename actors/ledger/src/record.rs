//! The record that the ledger keeps of one punch, and the digest that tells one punch from another. How it lies on disk is the ledger's.

use std::num::NonZeroU32;

use protocol::{CodeId, Direction, PlaceId, Punch, Scanned, Verdict};

/// The scanned things, as far as the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ScanKind {
    /// A person or paper token.
    Token = 1,
    /// The existing QR text of an imported holder.
    Legacy = 2,
    /// A signed-in citizen scanned the place's code.
    SignedIn = 3,
    /// A person without phone or paper.
    Nothing = 4,
    /// Something that is no pass code.
    NotACode = 5,
}

impl ScanKind {
    /// The kind with that number on disk, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Token),
            2 => Some(Self::Legacy),
            3 => Some(Self::SignedIn),
            4 => Some(Self::Nothing),
            5 => Some(Self::NotACode),
            _ => None,
        }
    }

    /// The name in exports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Legacy => "legacy",
            Self::SignedIn => "signed-in",
            Self::Nothing => "nothing",
            Self::NotACode => "not-a-code",
        }
    }
}

/// One punch with its verdict. Device, sequence and region stand once for a run of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose code, if it is one.
    pub code: Option<CodeId>,
    /// The scanned thing.
    pub kind: ScanKind,
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub place: PlaceId,
    /// The device's clock, milliseconds since 1970 UTC.
    pub device_time_ms: u64,
    /// True if the device decided by itself.
    pub offline: bool,
    /// The answer.
    pub verdict: Verdict,
    /// The device's words; `None` in logs of before it was kept.
    pub digest: Option<PunchDigest>,
}

/// A digest of what a device has to repeat exactly when it sends a punch again: scan, direction, place and its own time. Not its
/// offline decision, which it may have made after it had sent the punch in vain; and not the region, which follows from the place.
///
/// CRC-32C: two punches that differ in one of place, direction or time always differ in it, others with all but 2⁻³² of them. It needs
/// no key. Only the one punch that is on record under the same number is compared, so that chance has one try for each device that is
/// restored from an image; and whoever would make a collision has to know what was scanned there, and its millisecond, on a device
/// that repeats numbers. Whoever has such a device in hand needs no collision: it draws what it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PunchDigest(NonZeroU32);

impl PunchDigest {
    /// The digest of a punch.
    pub fn of(punch: &Punch) -> Self {
        let (kind, scanned) = match &punch.scanned {
            Scanned::Token(token) => (1, crc32c::crc32c(token)),
            Scanned::Text(text) => (2, crc32c::crc32c(text.as_bytes())),
            Scanned::SignedIn(code) => (3, crc32c::crc32c(&code.get().to_le_bytes())),
            Scanned::Nothing => (4, 0),
        };
        let mut rest = [0; 14];
        rest[0] = kind;
        rest[1] = punch.direction.number();
        rest[2..6].copy_from_slice(&punch.place.0.to_le_bytes());
        rest[6..].copy_from_slice(&punch.device_time_ms.to_le_bytes());
        Self::from_number(crc32c::crc32c_append(scanned, &rest)).unwrap_or(Self(NonZeroU32::MIN))
    }

    /// The digest with that number on disk; 0 is none.
    pub const fn from_number(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number on disk.
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
