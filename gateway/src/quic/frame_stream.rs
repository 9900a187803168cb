//! A device's stream, read as whole frames: all bytes that have arrived at a time, and the age of an incomplete frame.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{FrameReader, limits};
use quinn::{ReadError, RecvStream};
use runtime::clock;

/// The chunks that are waited for: a gate's punch is one. More would be set up and dropped for each of them.
const FEW: usize = 4;
/// The chunks taken off a stream that has more: a whole receive window of full packets.
const MANY: usize = 64;

/// The stream, read as whole frames.
pub(super) struct FrameStream {
    receive: RecvStream,
    pub(super) frames: FrameReader,
    /// The time at which the incomplete frame began.
    begun: Option<Instant>,
    /// The error behind the bytes that were read last.
    failed: Option<ReadError>,
}

impl FrameStream {
    pub(super) fn new(receive: RecvStream) -> Self {
        Self { receive, frames: FrameReader::default(), begun: None, failed: None }
    }

    /// Waits for more bytes and takes all that have arrived; false at the stream's end.
    pub(super) async fn more(&mut self) -> Result<bool, ReadError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut few: [Bytes; FEW] = std::array::from_fn(|_| Bytes::new());
        let Some(arrived) = self.receive.read_chunks(&mut few).await? else { return Ok(false) };
        few[..arrived].iter().for_each(|chunk| self.frames.push(chunk));
        if arrived == FEW {
            self.rest();
        }
        Ok(true)
    }

    /// Takes what else has arrived. An error is left for the next call of [`Self::more`], behind the bytes that came before it.
    fn rest(&mut self) {
        let mut many: [Bytes; MANY] = std::array::from_fn(|_| Bytes::new());
        let now = pin!(self.receive.read_chunks(&mut many)).poll(&mut Context::from_waker(Waker::noop()));
        match now {
            Poll::Ready(Ok(Some(arrived))) => {
                many[..arrived].iter().for_each(|chunk| self.frames.push(chunk))
            }
            // The stream itself remembers its end.
            Poll::Ready(Ok(None)) | Poll::Pending => {}
            Poll::Ready(Err(error)) => self.failed = Some(error),
        }
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
