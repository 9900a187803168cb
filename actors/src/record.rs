//! What the ledger keeps of one punch.

use protocol::{CodeId, Direction, PlaceId, Verdict};

/// What was scanned, as far as the record says.
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
    /// What was scanned.
    pub kind: ScanKind,
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub place: PlaceId,
    /// The device's clock, milliseconds since 1970 UTC.
    pub device_time_ms: u64,
    /// Whether the device decided by itself.
    pub offline: bool,
    /// What was answered.
    pub verdict: Verdict,
}
