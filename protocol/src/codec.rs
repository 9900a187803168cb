//! The one place that knows how bodies are laid out: bincode 2, fixed-width little-endian integers, a size limit, and
//! no trailing bytes.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

use crate::limits::FRAME_BODY_BYTES_MAX;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<FRAME_BODY_BYTES_MAX>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<FRAME_BODY_BYTES_MAX>();

/// A body that could not be read or written. The text names the kind of fault, never the content.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Truncated, an unknown number, a length over its limit, or text that is not UTF-8.
    #[error("body does not decode: {0}")]
    Malformed(String),
    /// The value ended before the body did.
    #[error("{0} trailing bytes after the body")]
    Trailing(usize),
    /// The value does not fit a body.
    #[error("body does not encode: {0}")]
    TooLarge(String),
}

/// Appends the body to `out`; at most [`FRAME_BODY_BYTES_MAX`] bytes.
pub fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    let result = bincode::encode_into_writer(value, Appender(out), CONFIG);
    match result {
        Ok(()) if out.len() - start <= FRAME_BODY_BYTES_MAX => Ok(()),
        Ok(()) => Err(CodecError::TooLarge(format!("{} bytes", out.len() - start))),
        Err(error) => Err(CodecError::TooLarge(error.to_string())),
    }
}

/// Reads exactly one value that fills `body`.
pub fn decode<T: Decode<()>>(body: &[u8]) -> Result<T, CodecError> {
    let (value, used) =
        bincode::decode_from_slice(body, CONFIG).map_err(|error| CodecError::Malformed(kind(&error)))?;
    if used == body.len() { Ok(value) } else { Err(CodecError::Trailing(body.len() - used)) }
}

struct Appender<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// bincode's own texts may quote the input; these do not.
#[allow(clippy::wildcard_enum_match_arm, reason = "bincode's error is non-exhaustive")]
fn kind(error: &bincode::error::DecodeError) -> String {
    use bincode::error::DecodeError::{LimitExceeded, Other, UnexpectedEnd};
    match error {
        UnexpectedEnd { .. } => "it ends too early".to_owned(),
        LimitExceeded => "a length is over its limit".to_owned(),
        Other(text) => (*text).to_owned(),
        _ => "a value is out of range".to_owned(),
    }
}
