//! The requests and answers. Type numbers below 128 are requests, from 128 on answers; a number is given once, and
//! a shipped body never changes: what is new gets a new number. 6 and 137 are kept for colour deltas. Trajectory queries
//! and their answers are in `trajectory`.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::{self, Bounded, CodecError};
use crate::error::ErrorCode;
use crate::ids::{Epoch, RegionId, Sequence};
use crate::limits::{BATCH_PUNCHES_MAX, ERROR_TEXT_BYTES_MAX, VERDICTS_PER_FRAME_MAX};
use crate::punch::{Punch, Scanned};
use crate::trajectory::{TrajectoryAnswer, TrajectoryQuery};
use crate::verdict::Verdict;

/// First frame of a connection (type 1): where the device's numbering stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The device's current epoch, from 1.
    pub epoch: Epoch,
    /// The highest sequence of this epoch that the device holds an acknowledgement for; 0 if none.
    pub acknowledged: Sequence,
}

/// Which colours, without recording anything (type 2). May overtake punches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verify {
    /// The region whose policy answers.
    pub region: RegionId,
    /// The scanned thing.
    pub scanned: Bounded<Scanned, BATCH_PUNCHES_MAX>,
}

/// Punches of consecutive sequences (type 3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PunchBatch {
    /// The region of all their places.
    pub region: RegionId,
    /// The first punch's sequence; the others follow without gaps.
    pub first: Sequence,
    /// The punches.
    pub punches: Bounded<Punch, BATCH_PUNCHES_MAX>,
}

/// Is anybody there, and what time is it (type 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ping {
    /// The device's clock, milliseconds since 1970 UTC.
    pub device_time_ms: u64,
}

/// The answer to `Hello` (type 129).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// The gateway's clock, milliseconds since 1970 UTC.
    pub gateway_time_ms: u64,
    /// The highest sequence of the device's epoch that is on disk; 0 if none. The device goes on after its own highest
    /// acknowledged one; what it sends again is answered as recorded.
    pub recorded: Sequence,
    /// Punches that may be unacknowledged at any time.
    pub window_punches: u32,
    /// Punches in one batch.
    pub batch_punches_max: u32,
    /// The connection closes after this long without a frame; ping three times as often.
    pub idle_ms: u32,
}

/// Verdicts (type 130). For punches: one run of consecutive sequences, each of which is durable now; the request id is
/// that of the last batch it answers. For `Verify`: `first` is 0, and verdicts stand in the order asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verdicts {
    /// The first verdict's sequence, 0 for `Verify`.
    pub first: Sequence,
    /// When the gateway formed them, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdicts.
    pub verdicts: Bounded<Verdict, VERDICTS_PER_FRAME_MAX>,
}

numbered! {
    /// The resource that is used up.
    pub enum BusyReason {
        /// The region holds as many punches as it may.
        Region = 1 => "region",
        /// The region is parked after repeated failures.
        Parked = 2 => "parked",
        /// The log holds as much as it may, or its disk is full.
        Ledger = 3 => "ledger",
        /// The region's actor failed on this batch.
        Failed = 4 => "failed",
        /// As many trajectory queries are under way as may be.
        Queries = 5 => "queries",
    }
}

/// Not now (type 131). This request and every punch after it is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Busy {
    /// Wait at least this long.
    pub retry_after_ms: u32,
    /// Why.
    pub reason: BusyReason,
}

/// Punches are missing (type 132): everything from `expected` on is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Gap {
    /// The sequence the gateway needs next.
    pub expected: Sequence,
}

/// Refused (type 133). A connection-level refusal closes the connection with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// A number of the error table; one that the device does not know is not retryable.
    pub code: u16,
    /// Further detail as the table says; 0 if none.
    pub detail: u64,
    /// For the device's log, at most [`ERROR_TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

impl Error {
    /// The error as the table words it.
    pub fn new(code: ErrorCode, detail: u64) -> Self {
        Self { code: code.number(), detail, text: code.text().to_owned() }
    }
}

impl Encode for Error {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.code.encode(encoder)?;
        self.detail.encode(encoder)?;
        Bounded::<u8, ERROR_TEXT_BYTES_MAX>(self.text.clone().into_bytes()).encode(encoder)
    }
}

impl<C> Decode<C> for Error {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (code, detail) = (u16::decode(decoder)?, u64::decode(decoder)?);
        let text = Bounded::<u8, ERROR_TEXT_BYTES_MAX>::decode(decoder)?;
        let text = String::from_utf8(text.0).map_err(|_| DecodeError::Other("error text is not UTF-8"))?;
        Ok(Self { code, detail, text })
    }
}

/// The gateway shuts down (type 134): send nothing new, take the answers that still come, connect again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Drain {
    /// Connect again after this long, with jitter.
    pub reconnect_after_ms: u32,
}

/// The answer to `Ping` (type 135).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pong {
    /// As sent.
    pub device_time_ms: u64,
    /// The gateway's clock, milliseconds since 1970 UTC.
    pub gateway_time_ms: u64,
}

macro_rules! messages {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = concat!("Type ", $number, ".")] $variant($variant),)+ }

        impl $name {
            /// Every type number with its name.
            pub const TYPES: &'static [(u8, &'static str)] = &[$(($number, stringify!($variant))),+];

            /// The frame's type number.
            pub const fn type_number(&self) -> u8 {
                match self { $(Self::$variant(_) => $number),+ }
            }

            /// Appends the body.
            pub fn encode_body(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                match self { $(Self::$variant(body) => codec::encode(body, out)),+ }
            }

            /// Reads a body of that type; `None` if the number is not one of these.
            pub fn decode_body(type_number: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
                match type_number { $($number => Some(codec::decode(body).map(Self::$variant)),)+ _ => None }
            }
        }
    };
}

messages! {
    /// From a device.
    pub enum Request {
        Hello = 1,
        Verify = 2,
        PunchBatch = 3,
        Ping = 4,
        TrajectoryQuery = 5,
    }
}

messages! {
    /// From the gateway.
    pub enum Answer {
        Welcome = 129,
        Verdicts = 130,
        Busy = 131,
        Gap = 132,
        Error = 133,
        Drain = 134,
        Pong = 135,
        TrajectoryAnswer = 136,
    }
}
