//! Trajectory queries, each on a stream of its own beside the stream of frames.

use std::pin::pin;
use std::time::Duration;

use protocol::RegionId;
use protocol::limits::{FRAME_BODY_BYTES_MAX, QUERY_MS_MAX};
use protocol::message::{Answer, Request};
use protocol::receipt::RECEIPT_BYTES;
use protocol::trajectory::{TrajectoryAnswer, TrajectoryQuery};
use protocol::{FrameReader, RequestId, frame};

use super::error::out_of_place;
use super::{Device, DeviceError, Link};
use crate::clock;
use crate::wire::WireError;

/// Deadline for an answer: the gateway's own limit, and time for the network.
const ANSWER_MAX: Duration = Duration::from_millis(QUERY_MS_MAX + 5_000);

impl Device {
    /// Sends a query with a consent receipt as scanned, and steps until there is an answer.
    ///
    /// `Busy` does not use the receipt: the query is repeated after the pause. A lost connection is replaced, and
    /// the query repeated: the gateway makes one query for one consent, so that is either answered, or refused
    /// with error 28 because the query was made and its answer is lost to this device; the citizen's page shows it.
    pub async fn ask_trajectory(
        &mut self,
        region: RegionId,
        receipt: [u8; RECEIPT_BYTES],
    ) -> Result<TrajectoryAnswer, DeviceError> {
        let request = Request::TrajectoryQuery(TrajectoryQuery { region, receipt });
        loop {
            self.connect().await?;
            let Link::Up(up) = &self.link else { continue };
            let connection = up.wire.connection().clone();
            match self.ask_beside(connection, &request).await? {
                Some(Answer::TrajectoryAnswer(answer)) => return Ok(answer),
                Some(Answer::Busy(busy)) => {
                    let wait = Duration::from_millis(busy.retry_after_ms.into());
                    self.step_until(clock::now() + wait).await?;
                }
                Some(answer) => return Err(out_of_place(answer)),
                None => {}
            }
        }
    }

    /// Sends a query with a consent receipt on a stream of this connection, once, and returns at once: the future has the answer, whatever
    /// happens to the device meanwhile. `None` if there is no connection.
    pub fn start_query(
        &mut self,
        region: RegionId,
        receipt: [u8; RECEIPT_BYTES],
    ) -> Result<Option<impl Future<Output = Result<Answer, DeviceError>> + use<>>, DeviceError> {
        let Link::Up(up) = &self.link else { return Ok(None) };
        let connection = up.wire.connection().clone();
        let mut bytes = Vec::new();
        let request = Request::TrajectoryQuery(TrajectoryQuery { region, receipt });
        frame::write_request(self.state.next_request(), &request, &mut bytes)?;
        Ok(Some(async move {
            match tokio::time::timeout(ANSWER_MAX, exchange(connection, bytes)).await {
                Ok(answered) => Ok(answered?.1),
                Err(_) => Err(WireError::Lost("a query has no answer".to_owned()).into()),
            }
        }))
    }

    /// Sends a query on a stream of that connection; `None` if the connection is lost.
    async fn ask_beside(
        &mut self,
        connection: quinn::Connection,
        request: &Request,
    ) -> Result<Option<Answer>, DeviceError> {
        let mut bytes = Vec::new();
        frame::write_request(self.state.next_request(), request, &mut bytes)?;
        let id = connection.stable_id();
        let mut asked = pin!(tokio::time::timeout(ANSWER_MAX, exchange(connection, bytes)));
        loop {
            tokio::select! {
                answer = &mut asked => {
                    return match answer {
                        Ok(Ok((_, answer))) => Ok(Some(answer)),
                        Ok(Err(error)) if error.retryable() => Ok(None),
                        Ok(Err(error)) => Err(error.into()),
                        Err(_) => Err(WireError::Lost("a query has no answer".to_owned()).into()),
                    };
                }
                stepped = self.step() => stepped?,
            }
            let Link::Up(up) = &self.link else { return Ok(None) };
            if up.wire.connection().stable_id() != id {
                return Ok(None);
            }
        }
    }
}

/// Sends one frame on a new stream, finishes it, and reads the one frame that comes back.
async fn exchange(connection: quinn::Connection, bytes: Vec<u8>) -> Result<(RequestId, Answer), WireError> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(&bytes).await?;
    // Its other error is that it has ended already.
    let _ = send.finish();
    let mut reader = FrameReader::default();
    while let Some(chunk) = receive.read_chunk(FRAME_BODY_BYTES_MAX, true).await? {
        reader.push(&chunk.bytes);
        if let Some(frame) = reader.next_frame()?
            && let Some(answer) = frame.answer()
        {
            return Ok((frame.request, answer?));
        }
    }
    Err(WireError::Lost("the stream ended without an answer".to_owned()))
}
