//! The requests and answers. Type numbers below 128 are requests, from 128 on answers. A number is never reused, and a
//! released body never changes: a new body gets a new number. 6 and 137 are reserved for colour deltas. Trajectory queries
//! and their answers are in `trajectory`, the list of gateways in `gateways`.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::codec::{self, Bounded, CodecError};
use crate::error::ErrorCode;
use crate::gateways::Gateways;
use crate::ids::{Epoch, RegionId, Sequence};
use crate::limits::{BATCH_PUNCHES_MAX, ERROR_TEXT_BYTES_MAX, VERDICTS_PER_FRAME_MAX};
use crate::punch::{Punch, Scanned};
use crate::trajectory::{TrajectoryAnswer, TrajectoryQuery};
use crate::verdict::Verdict;

/// The first frame of a connection (type 1): the state of the device's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The device's current epoch, from 1.
    pub epoch: Epoch,
    /// The highest sequence of this epoch up to which the device holds every acknowledgement; 0 if none.
    pub acknowledged: Sequence,
}

/// A request for verdicts that records nothing (type 2). Its answer may overtake those of punches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verify {
    /// The region whose policy applies.
    pub region: RegionId,
    /// The scans.
    pub scanned: Bounded<Scanned, BATCH_PUNCHES_MAX>,
}

/// Punches with consecutive sequences (type 3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PunchBatch {
    /// The region of all their places.
    pub region: RegionId,
    /// The first punch's sequence; the others follow without gaps.
    pub first: Sequence,
    /// The punches.
    pub punches: Bounded<Punch, BATCH_PUNCHES_MAX>,
}

/// A liveness check and a request for the gateway's time (type 4).
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
    /// The highest sequence of the device's epoch that is on disk; 0 if none. The device continues after its own highest
    /// acknowledged sequence; repeats are answered with the recorded verdicts.
    pub recorded: Sequence,
    /// The maximum number of unacknowledged punches.
    pub window_punches: u32,
    /// The maximum number of punches in one batch.
    pub batch_punches_max: u32,
    /// The idle timeout of the connection, milliseconds; devices ping three times as often.
    pub idle_ms: u32,
}

/// Verdicts (type 130). For punches: one run of consecutive sequences, all of them durable; the request id is that of the
/// last batch that the run answers. For `Verify`: `first` is 0, and the verdicts are in the order of the scans.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verdicts {
    /// The first verdict's sequence, 0 for `Verify`.
    pub first: Sequence,
    /// The time at which the gateway formed them, milliseconds since 1970 UTC.
    pub as_of_ms: u64,
    /// The verdicts.
    pub verdicts: Bounded<Verdict, VERDICTS_PER_FRAME_MAX>,
}

wire_numbered! {
    /// The resource that is exhausted.
    pub enum BusyReason {
        /// The region holds its maximum of punches.
        Region = 1 => "region",
        /// The region is parked after repeated failures.
        Parked = 2 => "parked",
        /// The log's queue or its disk is full, or the second copy that answers wait for is away.
        Ledger = 3 => "ledger",
        /// The region's actor failed on this batch.
        Failed = 4 => "failed",
        /// The maximum number of trajectory queries is in progress.
        Queries = 5 => "queries",
    }
}

/// A temporary refusal (type 131). The device sends this request and every punch after it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Busy {
    /// The minimum delay before the retry, milliseconds.
    pub retry_after_ms: u32,
    /// The cause.
    pub reason: BusyReason,
}

/// A report of missing punches (type 132). The device sends everything from `expected` on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Gap {
    /// The next sequence that the gateway accepts.
    pub expected: Sequence,
}

/// A refusal (type 133). A connection-level refusal also closes the connection, with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// A number of the error table. A device treats an unknown number as not retryable.
    pub code: u16,
    /// The detail that the specification defines for the code; 0 if none.
    pub detail: u64,
    /// A text for the device's log, at most [`ERROR_TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

impl Error {
    /// Builds the error with the text of the error table.
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

/// A shutdown notice (type 134): the device sends nothing new, reads the remaining answers, and reconnects later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Drain {
    /// The delay before the reconnect, milliseconds, to which the device adds jitter.
    pub reconnect_after_ms: u32,
}

/// The answer to `Ping` (type 135).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pong {
    /// The device's time from the `Ping`.
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

            /// Returns the frame's type number.
            pub const fn type_number(&self) -> u8 {
                match self { $(Self::$variant(_) => $number),+ }
            }

            /// Appends the body to `out`.
            pub fn encode_body(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                match self { $(Self::$variant(body) => codec::encode(body, out)),+ }
            }

            /// Decodes a body of that type; `None` for an unknown type number.
            pub fn decode_body(type_number: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
                match type_number { $($number => Some(codec::decode(body).map(Self::$variant)),)+ _ => None }
            }
        }
    };
}

messages! {
    /// A message from a device.
    pub enum Request {
        Hello = 1,
        Verify = 2,
        PunchBatch = 3,
        Ping = 4,
        TrajectoryQuery = 5,
    }
}

messages! {
    /// A message from the gateway.
    pub enum Answer {
        Welcome = 129,
        Verdicts = 130,
        Busy = 131,
        Gap = 132,
        Error = 133,
        Drain = 134,
        Pong = 135,
        TrajectoryAnswer = 136,
        Gateways = 138,
    }
}
