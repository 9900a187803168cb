//! A device's stream, read as whole frames: everything that has arrived in one go, and since when a frame is incomplete.

use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{FrameReader, limits};
use quinn::{ReadError, RecvStream};
use runtime::clock;

/// Chunks taken off a stream in one go: a whole receive window of full packets.
const CHUNKS: usize = 64;

/// The stream, read as whole frames.
pub(super) struct Reading {
    receive: RecvStream,
    pub(super) frames: FrameReader,
    /// When the frame began that has not ended yet.
    begun: Option<Instant>,
}

impl Reading {
    pub(super) fn new(receive: RecvStream) -> Self {
        Self { receive, frames: FrameReader::default(), begun: None }
    }

    /// Waits for more and takes everything that has arrived; false at the stream's end.
    pub(super) async fn more(&mut self) -> Result<bool, ReadError> {
        let mut chunks: [Bytes; CHUNKS] = std::array::from_fn(|_| Bytes::new());
        let arrived = self.receive.read_chunks(&mut chunks).await?;
        let Some(arrived) = arrived else { return Ok(false) };
        chunks[..arrived].iter().for_each(|chunk| self.frames.push(chunk));
        Ok(true)
    }

    /// To be called when every whole frame was taken out.
    pub(super) fn note_begun(&mut self) {
        if self.frames.is_mid_frame() {
            self.begun.get_or_insert_with(clock::now);
        } else {
            self.begun = None;
            self.frames.shrink();
        }
    }

    /// When the frame that has begun has to be whole.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        self.begun.map(|begun| (begun + Duration::from_millis(limits::FRAME_MS_MAX)).into())
    }
}
