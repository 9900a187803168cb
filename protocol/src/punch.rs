//! Punches: a device's reports of people who pass, or want to pass, a place.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use crate::colour::Colour;
use crate::ids::{CodeId, PlaceId};
use crate::limits::SCANNED_TEXT_BYTES_MAX;
use crate::token::TOKEN_BYTES;
use crate::verdict::Advice;

/// The scanned content.
#[derive(Clone, PartialEq, Eq)]
pub enum Scanned {
    /// A person or paper token in its 18 bytes (wire number 1).
    Token([u8; TOKEN_BYTES]),
    /// Any other text, at most [`SCANNED_TEXT_BYTES_MAX`] bytes: an imported holder's QR text, or no pass code at all (2).
    /// A device may send tokens as text too.
    Text(String),
    /// A signed-in citizen who scanned the place's code (3). Accepted from portals only.
    SignedIn(CodeId),
    /// A person without phone or paper (4).
    Nothing,
}

/// Shows the kind only: the content is personal data.
impl std::fmt::Debug for Scanned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Text(_) => "Text(…)",
            Self::SignedIn(_) => "SignedIn(…)",
            Self::Nothing => "Nothing",
        })
    }
}

impl Encode for Scanned {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match self {
            Self::Token(token) => {
                1u8.encode(encoder)?;
                token.encode(encoder)
            }
            Self::Text(text) => {
                2u8.encode(encoder)?;
                let length =
                    u16::try_from(text.len()).map_err(|_| EncodeError::Other("scanned text too long"))?;
                length.encode(encoder)?;
                encoder_write(encoder, text.as_bytes())
            }
            Self::SignedIn(code) => {
                3u8.encode(encoder)?;
                code.encode(encoder)
            }
            Self::Nothing => 4u8.encode(encoder),
        }
    }
}

fn encoder_write<E: Encoder>(encoder: &mut E, bytes: &[u8]) -> Result<(), EncodeError> {
    use bincode::enc::write::Writer;
    encoder.writer().write(bytes)
}

impl<C> Decode<C> for Scanned {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match u8::decode(decoder)? {
            1 => Ok(Self::Token(Decode::decode(decoder)?)),
            2 => decode_text(decoder).map(Self::Text),
            3 => Ok(Self::SignedIn(CodeId::decode(decoder)?)),
            4 => Ok(Self::Nothing),
            _ => Err(DecodeError::Other("unknown Scanned")),
        }
    }
}

bincode::impl_borrow_decode!(Scanned);

fn decode_text<D: Decoder>(decoder: &mut D) -> Result<String, DecodeError> {
    use bincode::de::read::Reader;
    let length = usize::from(u16::decode(decoder)?);
    if length > SCANNED_TEXT_BYTES_MAX {
        return Err(DecodeError::Other("scanned text too long"));
    }
    decoder.claim_bytes_read(length)?;
    let mut bytes = vec![0; length];
    decoder.reader().read(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| DecodeError::Other("scanned text is not UTF-8"))
}

wire_numbered! {
    /// The direction in which the person passes the place.
    pub enum Direction {
        /// Into the place.
        In = 1 => "in",
        /// Out of the place.
        Out = 2 => "out",
        /// The place has no directions.
        Through = 3 => "through",
    }
}

/// A decision that a device made without the gateway. It is recorded as made and never judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OfflineDecision {
    /// The colour that the device showed.
    pub colour: Colour,
    /// The advice that the device gave.
    pub advice: Advice,
}

/// One person at one place at one time. Its sequence follows from its position in the batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Punch {
    /// The scanned content.
    pub scanned: Scanned,
    /// The direction.
    pub direction: Direction,
    /// The place. The device must have a right to it, and it must lie in the batch's region.
    pub place: PlaceId,
    /// The time of the scan by the device's clock, milliseconds since 1970 UTC. Recorded beside the gateway's time, otherwise
    /// not trusted.
    pub device_time_ms: u64,
    /// The decision, if the device had to decide without the gateway.
    pub offline: Option<OfflineDecision>,
}
