//! The errors of a device: refusals and breaches after which another attempt would not help.

use protocol::codec::CodecError;
use protocol::message::{self, Answer};
use protocol::{Epoch, ErrorCode};

use crate::state::StateError;
use crate::wire::WireError;

/// An error after which another attempt would not help; the device has no connection, and its state is intact.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The gateway refused with a number of the error table.
    #[error("refused with error {code}: {text} (detail {detail})")]
    Refused {
        /// The number.
        code: u16,
        /// The detail, as the error table describes.
        detail: u64,
        /// The gateway's text.
        text: String,
    },
    /// The device has already used a higher epoch: call [`DeviceState::start_epoch`] with a higher one.
    #[error("the gateway knows epoch {} of this device", current.0)]
    EpochBehind {
        /// The highest used epoch, as far as the gateway told: at least the refused one.
        current: Epoch,
    },
    /// A number that this device used stands for another punch on the gateway's side, or its acknowledgements cannot be: it lost track of
    /// its numbering, as a device restored from an image does. [`DeviceState::start_epoch`] sends everything again in a higher one.
    #[error("the gateway knows other punches under this device's numbers ({})", .0.name())]
    NumberingLost(ErrorCode),
    /// The connection failed in a way that another attempt would not help, or in a single attempt.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The gateway broke the protocol.
    #[error(transparent)]
    State(#[from] StateError),
    /// An answer without a request.
    #[error("the gateway sent an answer of type {0} out of place")]
    OutOfPlace(u8),
    /// The request does not fit a frame.
    #[error(transparent)]
    TooLarge(#[from] CodecError),
}

impl DeviceError {
    /// Returns true if it is the gateway's refusal with that number of the error table.
    pub fn is(&self, code: ErrorCode) -> bool {
        match self {
            Self::Refused { code: number, .. } | Self::Wire(WireError::Closed(number)) => {
                *number == code.number()
            }
            Self::EpochBehind { .. }
            | Self::NumberingLost(_)
            | Self::Wire(_)
            | Self::State(_)
            | Self::OutOfPlace(_)
            | Self::TooLarge(_) => false,
        }
    }
}

/// Returns the error for an unexpected answer.
pub(super) fn out_of_place(answer: Answer) -> DeviceError {
    match answer {
        Answer::Error(error) => refused(error),
        Answer::Welcome(_)
        | Answer::Verdicts(_)
        | Answer::Busy(_)
        | Answer::Gap(_)
        | Answer::Drain(_)
        | Answer::Pong(_)
        | Answer::TrajectoryAnswer(_)
        | Answer::Gateways(_) => DeviceError::OutOfPlace(answer.type_number()),
    }
}

/// Returns the error for an `Error` frame: a lost connection if another attempt can help.
pub(super) fn refused(error: message::Error) -> DeviceError {
    match ErrorCode::from_number(error.code) {
        Some(ErrorCode::EpochBehind) => {
            DeviceError::EpochBehind { current: Epoch(u32::try_from(error.detail).unwrap_or(u32::MAX)) }
        }
        Some(code @ (ErrorCode::NumberUsed | ErrorCode::AcknowledgedAhead)) => {
            DeviceError::NumberingLost(code)
        }
        Some(code) if code.retryable() => WireError::Closed(error.code).into(),
        Some(_) | None => DeviceError::Refused { code: error.code, detail: error.detail, text: error.text },
    }
}

/// Maps a close because of the epoch to [`DeviceError::EpochBehind`]: the `Error` frame that names the current one may be lost.
pub(super) fn epoch_behind(error: DeviceError, refused: Epoch) -> DeviceError {
    match numbering_lost(error) {
        DeviceError::Wire(WireError::Closed(code)) if code == ErrorCode::EpochBehind.number() => {
            DeviceError::EpochBehind { current: refused }
        }
        DeviceError::EpochBehind { current } => DeviceError::EpochBehind { current: current.max(refused) },
        error @ (DeviceError::Refused { .. }
        | DeviceError::NumberingLost(_)
        | DeviceError::Wire(_)
        | DeviceError::State(_)
        | DeviceError::OutOfPlace(_)
        | DeviceError::TooLarge(_)) => error,
    }
}

/// Maps a close because of the numbering to [`DeviceError::NumberingLost`]: the `Error` frame may be lost.
pub(super) fn numbering_lost(error: DeviceError) -> DeviceError {
    if let DeviceError::Wire(WireError::Closed(number)) = &error
        && let Some(code @ (ErrorCode::NumberUsed | ErrorCode::AcknowledgedAhead)) =
            ErrorCode::from_number(*number)
    {
        return DeviceError::NumberingLost(code);
    }
    error
}
