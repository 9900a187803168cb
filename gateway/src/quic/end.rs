//! The end of a session, and the close code that the device gets. The numbers are the error table's.

use protocol::ErrorCode;

/// The reason for which a session ends.
pub(super) enum End {
    /// The device closed its connection, or the network did.
    Gone,
    /// The device ended its side of the stream, and has all its answers.
    Served,
    /// The gateway closes the connection.
    Refused(ErrorCode),
}

impl From<ErrorCode> for End {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

impl From<quinn::ReadError> for End {
    fn from(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::Reset(_) => Self::Refused(ErrorCode::StreamBroken),
            quinn::ReadError::ConnectionLost(_)
            | quinn::ReadError::ClosedStream
            | quinn::ReadError::IllegalOrderedRead
            | quinn::ReadError::ZeroRttRejected => Self::Gone,
        }
    }
}

impl From<quinn::WriteError> for End {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(_) => Self::Refused(ErrorCode::StreamBroken),
            quinn::WriteError::ConnectionLost(_)
            | quinn::WriteError::ClosedStream
            | quinn::WriteError::ZeroRttRejected => Self::Gone,
        }
    }
}
