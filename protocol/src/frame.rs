//! Frames: the envelope of every message on a stream.
//!
//! `version u8 · type u8 · request u32 · length u32 · body · crc u32`, little-endian; the CRC-32C covers everything before
//! it. [`FrameReader`] splits received bytes into frames.

use crate::codec::CodecError;
use crate::error::ErrorCode;
use crate::ids::RequestId;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::message::{Answer, Request};

/// The supported version.
pub const VERSION: u8 = 1;
/// The protocol's ALPN name in the TLS handshake.
pub const ALPN: &[u8] = b"changtong/1";
/// The number of bytes before the body.
pub const HEADER_BYTES: usize = 10;
/// The number of bytes after the body.
pub const TRAILER_BYTES: usize = 4;

/// A frame with a valid envelope and a body that is not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type number.
    pub kind: u8,
    /// The request id, chosen by the device and repeated in answers.
    pub request: RequestId,
    /// The body.
    pub body: &'a [u8],
}

/// The reason why bytes are no frame. Each ends the connection, because the start of the next frame is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An unsupported version.
    #[error("frame version {0} is not supported")]
    Version(u8),
    /// A length over [`FRAME_BODY_BYTES_MAX`].
    #[error("frame body of {0} bytes is over the limit")]
    TooLarge(u32),
    /// The checksum does not match.
    #[error("frame checksum does not match")]
    Checksum,
}

impl FrameError {
    /// Returns the error of the error table.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Version(_) => ErrorCode::UnsupportedVersion,
            Self::TooLarge(_) => ErrorCode::TooLarge,
            Self::Checksum => ErrorCode::BadChecksum,
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads the first frame in `bytes` and returns it with its length; `None` if it is incomplete.
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

    /// Decodes the request. The error is the answer to the device.
    pub fn request(&self) -> Result<Request, ErrorCode> {
        match Request::decode_body(self.kind, self.body) {
            Some(Ok(request)) => Ok(request),
            Some(Err(_)) => Err(ErrorCode::BadBody),
            None => Err(ErrorCode::UnknownType),
        }
    }

    /// Decodes the answer; `None` for an unknown type, which a device ignores.
    pub fn answer(&self) -> Option<Result<Answer, CodecError>> {
        Answer::decode_body(self.kind, self.body)
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("callers pass four bytes"))
}

/// Appends a request's frame to `out`, which stays as it was after an error.
pub fn write_request(id: RequestId, request: &Request, out: &mut Vec<u8>) -> Result<(), CodecError> {
    write(request.type_number(), id, out, |out| request.encode_body(out))
}

/// Appends an answer's frame to `out`, which stays as it was after an error.
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

/// A buffer that collects a stream's bytes and splits them into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    read: usize,
}

impl FrameReader {
    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next frame; `None` until it is complete.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some((frame, used)) = Frame::cut(&self.bytes[self.read..])? else { return Ok(None) };
        self.read += used;
        Ok(Some(frame))
    }

    /// Reports an incomplete frame at the end of the buffer.
    pub fn is_mid_frame(&self) -> bool {
        self.read < self.bytes.len()
    }

    /// Frees the memory that a large frame required.
    pub fn shrink(&mut self) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.shrink_to(0);
    }
}
