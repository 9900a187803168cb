//! Frames: the envelope of every message on a stream.
//!
//! `version u8 · type u8 · request u32 · length u32 · body · crc u32`, little-endian; the CRC-32C covers everything before
//! it. [`FrameReader`] cuts frames out of what has arrived; it never holds more than one frame's worth of unread bytes.

use crate::codec::CodecError;
use crate::error::ErrorCode;
use crate::ids::RequestId;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::message::{Answer, Request};

/// The version this crate speaks.
pub const VERSION: u8 = 1;
/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"changtong/1";
/// Bytes before the body.
pub const HEADER_BYTES: usize = 10;
/// Bytes after the body.
pub const TRAILER_BYTES: usize = 4;
/// The longest frame.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + FRAME_BODY_BYTES_MAX + TRAILER_BYTES;

/// A frame whose envelope is sound; its body is not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type number.
    pub kind: u8,
    /// Chosen by the device, repeated in answers.
    pub request: RequestId,
    /// The body.
    pub body: &'a [u8],
}

/// Why bytes are no frame. All of them end the connection: there is no way to find the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version.
    #[error("frame version {0} is not spoken here")]
    Version(u8),
    /// A length over [`FRAME_BODY_BYTES_MAX`].
    #[error("frame body of {0} bytes is over the limit")]
    TooLarge(u32),
    /// The checksum does not match.
    #[error("frame checksum does not match")]
    Checksum,
}

impl FrameError {
    /// The error table's word for it.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Version(_) => ErrorCode::UnsupportedVersion,
            Self::TooLarge(_) => ErrorCode::TooLarge,
            Self::Checksum => ErrorCode::BadChecksum,
        }
    }
}

impl<'a> Frame<'a> {
    /// Cuts the first frame off `bytes`: the frame and its length, or `None` if more has to arrive first.
    pub fn cut(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(&version) = bytes.first() else { return Ok(None) };
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = le_u32(&header[6..10]);
        if length as usize > FRAME_BODY_BYTES_MAX {
            return Err(FrameError::TooLarge(length));
        }
        let end = HEADER_BYTES + length as usize;
        let Some(trailer) = bytes.get(end..end + TRAILER_BYTES) else { return Ok(None) };
        if crc32c::crc32c(&bytes[..end]) != le_u32(trailer) {
            return Err(FrameError::Checksum);
        }
        let frame = Self {
            kind: header[1],
            request: RequestId(le_u32(&header[2..6])),
            body: &bytes[HEADER_BYTES..end],
        };
        Ok(Some((frame, end + TRAILER_BYTES)))
    }

    /// The request in it. The error is what to answer.
    pub fn request(&self) -> Result<Request, ErrorCode> {
        match Request::decode_body(self.kind, self.body) {
            Some(Ok(request)) => Ok(request),
            Some(Err(_)) => Err(ErrorCode::BadBody),
            None => Err(ErrorCode::UnknownType),
        }
    }

    /// The answer in it; `None` for a type that this version does not know, which a device ignores.
    pub fn answer(&self) -> Option<Result<Answer, CodecError>> {
        Answer::decode_body(self.kind, self.body)
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("callers pass four bytes"))
}

/// Appends a request's frame.
pub fn write_request(id: RequestId, request: &Request, out: &mut Vec<u8>) -> Result<(), CodecError> {
    write(request.type_number(), id, out, |out| request.encode_body(out))
}

/// Appends an answer's frame.
pub fn write_answer(id: RequestId, answer: &Answer, out: &mut Vec<u8>) -> Result<(), CodecError> {
    write(answer.type_number(), id, out, |out| answer.encode_body(out))
}

fn write(
    kind: u8,
    id: RequestId,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&id.0.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    if let Err(error) = body(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = (out.len() - start - HEADER_BYTES) as u32;
    out[start + 6..start + HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Collects a stream's bytes and cuts frames out of them.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    read: usize,
}

impl FrameReader {
    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if it has arrived.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some((frame, used)) = Frame::cut(&self.bytes[self.read..])? else { return Ok(None) };
        self.read += used;
        Ok(Some(frame))
    }

    /// Says whether a frame has begun and not ended.
    pub fn is_mid_frame(&self) -> bool {
        self.read < self.bytes.len()
    }

    /// Gives back memory that one large frame made us take.
    pub fn shrink(&mut self) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.shrink_to(0);
    }
}
