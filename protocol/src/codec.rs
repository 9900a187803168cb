//! The layout of bodies: bincode 2, fixed-width little-endian integers, a size limit, no trailing bytes. No other module
//! depends on it.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::limits::FRAME_BODY_BYTES_MAX;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<FRAME_BODY_BYTES_MAX>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<FRAME_BODY_BYTES_MAX>();

/// The error of a body that does not decode or encode. Its text names the kind of error, never the content.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Truncated, an unknown number, a length over its limit, or text that is not UTF-8.
    #[error("body does not decode: {0}")]
    Malformed(String),
    /// Bytes are left after the value.
    #[error("{0} trailing bytes after the body")]
    Trailing(usize),
    /// The value is too large for a body.
    #[error("body does not encode: {0}")]
    TooLarge(String),
}

/// Appends the encoded value to `out`, at most [`FRAME_BODY_BYTES_MAX`] bytes. After an error `out` may hold a part of it.
pub fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    let result = bincode::encode_into_writer(value, Appender(out), CONFIG);
    match result {
        Ok(()) if out.len() - start <= FRAME_BODY_BYTES_MAX => Ok(()),
        Ok(()) => Err(CodecError::TooLarge(format!("{} bytes", out.len() - start))),
        Err(error) => Err(CodecError::TooLarge(error.to_string())),
    }
}

/// Decodes one value, which must use up `body`.
pub fn decode<T: Decode<()>>(body: &[u8]) -> Result<T, CodecError> {
    let (value, used) =
        bincode::decode_from_slice(body, CONFIG).map_err(|error| CodecError::Malformed(kind(&error)))?;
    if used == body.len() { Ok(value) } else { Err(CodecError::Trailing(body.len() - used)) }
}

/// A list of at most `MAX` items. On the wire: the length as `u32`, checked before any allocation, then the items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T, const MAX: usize>(pub Vec<T>);

impl<T: Encode, const MAX: usize> Encode for Bounded<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if self.0.len() > MAX {
            return Err(EncodeError::Other("list too long"));
        }
        (self.0.len() as u32).encode(encoder)?;
        self.0.iter().try_for_each(|item| item.encode(encoder))
    }
}

impl<C, T: Decode<C>, const MAX: usize> Decode<C> for Bounded<T, MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = u32::decode(decoder)? as usize;
        if length > MAX {
            return Err(DecodeError::Other("list too long"));
        }
        decoder.claim_container_read::<T>(length)?;
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            decoder.unclaim_bytes_read(size_of::<T>());
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

impl<'de, C, T: Decode<C>, const MAX: usize> bincode::BorrowDecode<'de, C> for Bounded<T, MAX> {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

struct Appender<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Describes the error without quoting the input, as bincode's own texts may do.
#[allow(clippy::wildcard_enum_match_arm, reason = "bincode's error is non-exhaustive")]
fn kind(error: &DecodeError) -> String {
    use DecodeError::{LimitExceeded, Other, UnexpectedEnd};
    match error {
        UnexpectedEnd { .. } => "it ends too early".to_owned(),
        LimitExceeded => "a length is over its limit".to_owned(),
        Other(text) => (*text).to_owned(),
        _ => "a value is out of range".to_owned(),
    }
}
