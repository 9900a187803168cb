//! The end of a device's efforts: refusals and breaches that another attempt would not heal.

use protocol::codec::CodecError;
use protocol::message::{self, Answer};
use protocol::{Epoch, ErrorCode};

use crate::state::StateError;
use crate::wire::WireError;

/// Errors that trying again would not help; the device is left without a connection, its state intact.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The gateway refused with a number of the error table.
    #[error("refused with error {code}: {text} (detail {detail})")]
    Refused {
        /// The number.
        code: u16,
        /// Further detail as the table says.
        detail: u64,
        /// The gateway's words.
        text: String,
    },
    /// The device has already used a higher epoch: [`DeviceState::start_epoch`] above this one.
    #[error("the gateway knows epoch {} of this device", current.0)]
    EpochBehind {
        /// The highest used, as far as the gateway said: at least the one that was refused.
        current: Epoch,
    },
    /// A number that this device used stands for another punch on the gateway's side, or its acknowledgements cannot be: it lost track of
    /// its numbering, as a device restored from an image does. [`DeviceState::start_epoch`] sends everything again in a higher one.
    #[error("the gateway knows other punches under this device's numbers ({})", .0.name())]
    NumberingLost(ErrorCode),
    /// The connection failed in a way that will not heal, or failed at all where no second try was asked for.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The gateway said what cannot be true.
    #[error(transparent)]
    State(#[from] StateError),
    /// An answer that nothing was asked for.
    #[error("the gateway sent an answer of type {0} out of place")]
    OutOfPlace(u8),
    /// The request does not fit a frame.
    #[error(transparent)]
    TooLarge(#[from] CodecError),
}

impl DeviceError {
    /// Says whether it is the gateway's refusal with that number of the error table.
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

/// Says what an answer means where it was not to be expected.
pub(super) fn out_of_place(answer: Answer) -> DeviceError {
    match answer {
        Answer::Error(error) => refused(error),
        Answer::Welcome(_)
        | Answer::Verdicts(_)
        | Answer::Busy(_)
        | Answer::Gap(_)
        | Answer::Drain(_)
        | Answer::Pong(_)
        | Answer::TrajectoryAnswer(_) => DeviceError::OutOfPlace(answer.type_number()),
    }
}

/// Says what an `Error` means to the device: a lost connection if trying again can help.
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

/// A connection closed for its epoch may have taken the `Error` that names the current one with it.
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

/// A connection closed for its numbers may have taken the `Error` that says so with it.
pub(super) fn numbering_lost(error: DeviceError) -> DeviceError {
    if let DeviceError::Wire(WireError::Closed(number)) = &error
        && let Some(code @ (ErrorCode::NumberUsed | ErrorCode::AcknowledgedAhead)) =
            ErrorCode::from_number(*number)
    {
        return DeviceError::NumberingLost(code);
    }
    error
}
