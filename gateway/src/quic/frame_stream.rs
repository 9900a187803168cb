//! A device's stream, read as whole frames: all bytes that have arrived at a time, and the age of an incomplete frame.

use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{FrameReader, limits};
use quinn::{ReadError, RecvStream};
use runtime::clock;

/// The chunks taken off a stream at a time: a whole receive window of full packets.
const CHUNKS: usize = 64;

/// The stream, read as whole frames.
pub(super) struct FrameStream {
    receive: RecvStream,
    pub(super) frames: FrameReader,
    /// The time at which the incomplete frame began.
    begun: Option<Instant>,
}

impl FrameStream {
    pub(super) fn new(receive: RecvStream) -> Self {
        Self { receive, frames: FrameReader::default(), begun: None }
    }

    /// Waits for more bytes and takes all that have arrived; false at the stream's end.
    pub(super) async fn more(&mut self) -> Result<bool, ReadError> {
        let mut chunks: [Bytes; CHUNKS] = std::array::from_fn(|_| Bytes::new());
        let arrived = self.receive.read_chunks(&mut chunks).await?;
        let Some(arrived) = arrived else { return Ok(false) };
        chunks[..arrived].iter().for_each(|chunk| self.frames.push(chunk));
        Ok(true)
    }

    /// Notes the age of the incomplete frame. To be called when every whole frame was taken out.
    pub(super) fn note_begun(&mut self) {
        if self.frames.is_mid_frame() {
            self.begun.get_or_insert_with(clock::now);
        } else {
            self.begun = None;
            self.frames.shrink();
        }
    }

    /// Returns the time by which the incomplete frame has to be whole.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        self.begun.map(|begun| (begun + Duration::from_millis(limits::FRAME_MS_MAX)).into())
    }
}
