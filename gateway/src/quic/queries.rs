//! A device's trajectory queries, each on a stream of its own beside the punches: one frame in, one frame out. The device's rights
//! and the number of queries at a time are checked here; receipts and carriers are other threads' business, awaited under a deadline.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actors::query::QueryError;
use protocol::message::{Answer, Busy, BusyReason, Error, Request};
use protocol::trajectory::{TrajectoryAnswer, TrajectoryQuery, TrajectoryReason};
use protocol::{DeviceClass, DeviceId, ErrorCode, Frame, RequestId, frame, limits};
use quinn::{Connection, ReadToEndError, RecvStream, SendStream};
use runtime::clock;
use tokio::task::JoinSet;

use super::front::Shared;
use super::metrics::QueryEnd;
use crate::across::Leader;
use crate::trajectory;

/// The time after which a device asks again when too many queries wait: carriers are slow.
const RETRY_AFTER_MS: u32 = 2_000;
/// The delay of a refusal that has cost other threads something: a device that tries receipts gets few answers a second.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);
/// The time after which a device that does not take an answer of a few bytes gets none.
const WRITE: Duration = Duration::from_secs(5);

/// The reason why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// An error of the error table.
    Error(ErrorCode),
    /// Too many are under way; the receipt is still good.
    Busy,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Error(code)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Receipt => Self::Error(ErrorCode::ReceiptBad),
            QueryError::ReceiptExpired => Self::Error(ErrorCode::ReceiptExpired),
            QueryError::Consent => Self::Error(ErrorCode::ReceiptUsed),
            QueryError::Busy => Self::Busy,
            QueryError::Failed => Self::Error(ErrorCode::Internal),
        }
    }
}

/// Serves the streams that a welcomed device opens beside its first, until its connection ends. Dropping the future gives up the
/// queries under way.
pub(super) async fn serve(shared: Rc<Shared>, connection: Connection, device: DeviceId) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept_bi() => {
                let Ok((send, receive)) = accepted else { return };
                let query = Query { shared: Rc::clone(&shared), device, begun: clock::now() };
                streams.spawn_local(query.serve(send, receive));
            }
            Some(joined) = streams.join_next() => {
                if joined.is_err() {
                    tracing::error!("a trajectory query failed");
                }
            }
        }
    }
}

struct Query {
    shared: Rc<Shared>,
    device: DeviceId,
    begun: Instant,
}

impl Query {
    async fn serve(self, mut send: SendStream, receive: RecvStream) {
        let (id, outcome) = match read(receive).await {
            Ok((id, query)) => (id, self.ask(query).await),
            Err((id, code)) => (id, Err(Refusal::Error(code))),
        };
        self.count(&outcome);
        let answer = match outcome {
            Ok(answer) => Answer::TrajectoryAnswer(answer),
            Err(Refusal::Error(code)) => Answer::Error(Error::new(code, 0)),
            Err(Refusal::Busy) => {
                Answer::Busy(Busy { retry_after_ms: RETRY_AFTER_MS, reason: BusyReason::Queries })
            }
        };
        let mut bytes = Vec::new();
        frame::write_answer(id, &answer, &mut bytes).expect("every answer is built within its limits");
        if let Ok(Ok(())) = tokio::time::timeout(WRITE, send.write_all(&bytes)).await {
            let _ = send.finish();
        }
    }

    /// Checks the device's rights and takes a permit, then asks with the receipt. The answer does not tell the owner of the receipt.
    async fn ask(&self, query: TrajectoryQuery) -> Result<TrajectoryAnswer, Refusal> {
        let front = &self.shared.front;
        let rights = front.fleet.rights(self.device).filter(|rights| !rights.revoked);
        let rights = rights.ok_or(ErrorCode::DeviceRevoked)?;
        if !may_query(rights.class) {
            return Err(ErrorCode::QueryDenied.into());
        }
        if !rights.allows_region(query.region) {
            return Err(ErrorCode::RegionDenied.into());
        }
        let Some(_permit) = self.shared.query_permit() else { return Err(Refusal::Busy) };
        let _under_way = self.shared.metrics.query_begins();
        let asked = async {
            match Leader::elsewhere(front.peers.as_ref()) {
                Some(leader) => leader.query(&query.receipt).await,
                None => trajectory::ask(&front.queries, &query.receipt).await.map(|(answer, _)| answer),
            }
        };
        match tokio::time::timeout(Duration::from_millis(limits::QUERY_MS_MAX), asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tokio::time::sleep(REFUSAL_DELAY).await;
                Err(error.into())
            }
            Err(_) => Ok(TrajectoryAnswer::without_days(TrajectoryReason::TimedOut)),
        }
    }

    fn count(&self, outcome: &Result<TrajectoryAnswer, Refusal>) {
        let metrics = &self.shared.metrics;
        let end = match outcome {
            Ok(answer) => QueryEnd::Answered(answer.reason),
            Err(Refusal::Busy) => {
                metrics.shed(BusyReason::Queries);
                QueryEnd::Busy
            }
            Err(Refusal::Error(code)) => {
                metrics.refused(*code);
                QueryEnd::Refused
            }
        };
        metrics.query_ends(end, clock::since(self.begun));
    }
}

/// Returns true for the classes that stand before staff. Portals ask for the signed-in citizen on their own pages.
const fn may_query(class: DeviceClass) -> bool {
    match class {
        DeviceClass::Gate | DeviceClass::Handheld | DeviceClass::Concentrator => true,
        DeviceClass::Portal => false,
    }
}

/// Reads the one frame of a query's stream. The error goes to the request that it names: request 0 if there is no frame.
async fn read(mut receive: RecvStream) -> Result<(RequestId, TrajectoryQuery), (RequestId, ErrorCode)> {
    let whole = receive.read_to_end(limits::QUERY_BYTES_MAX);
    let refused = |code| (RequestId(0), code);
    match tokio::time::timeout(Duration::from_millis(limits::FRAME_MS_MAX), whole).await {
        Ok(Ok(bytes)) => parse(&bytes),
        Ok(Err(ReadToEndError::TooLong)) => Err(refused(ErrorCode::TooLarge)),
        Ok(Err(ReadToEndError::Read(_))) => Err(refused(ErrorCode::BadFrame)),
        Err(_) => Err(refused(ErrorCode::FrameTooSlow)),
    }
}

fn parse(bytes: &[u8]) -> Result<(RequestId, TrajectoryQuery), (RequestId, ErrorCode)> {
    let cut = Frame::cut(bytes).map_err(|error| (RequestId(0), error.code()))?;
    let Some((frame, used)) = cut else { return Err((RequestId(0), ErrorCode::BadFrame)) };
    let refused = |code| (frame.request, code);
    match frame.request().map_err(refused)? {
        Request::TrajectoryQuery(query) if used == bytes.len() => Ok((frame.request, query)),
        // One frame is all that belongs on this stream.
        Request::TrajectoryQuery(_)
        | Request::Hello(_)
        | Request::Verify(_)
        | Request::PunchBatch(_)
        | Request::Ping(_) => Err(refused(ErrorCode::WrongStream)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::RegionId;
    use protocol::message::Ping;
    use protocol::receipt::RECEIPT_BYTES;

    fn bytes_of(request: &Request) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::write_request(RequestId(7), request, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn one_query_and_nothing_else_is_a_query() {
        let query = TrajectoryQuery { region: RegionId(3), receipt: [1; RECEIPT_BYTES] };
        let good = bytes_of(&Request::TrajectoryQuery(query));
        let ping = bytes_of(&Request::Ping(Ping { device_time_ms: 1 }));
        let mut flipped = good.clone();
        flipped[20] ^= 1;
        let mut version = good.clone();
        version[0] = 2;
        let (none, seven) = (RequestId(0), RequestId(7));
        for (name, bytes, expected) in [
            ("a query", good.clone(), Ok((seven, query))),
            ("nothing", Vec::new(), Err((none, ErrorCode::BadFrame))),
            ("half a frame", good[..20].to_vec(), Err((none, ErrorCode::BadFrame))),
            ("two queries", [good.clone(), good.clone()].concat(), Err((seven, ErrorCode::WrongStream))),
            ("a query and a half", [&good[..], &good[..9]].concat(), Err((seven, ErrorCode::WrongStream))),
            ("a ping", ping, Err((seven, ErrorCode::WrongStream))),
            ("a wrong checksum", flipped, Err((none, ErrorCode::BadChecksum))),
            ("another version", version, Err((none, ErrorCode::UnsupportedVersion))),
        ] {
            assert_eq!(parse(&bytes), expected, "{name}");
        }
    }

    #[test]
    fn portals_may_not_query_over_the_wire() {
        let may: Vec<_> = DeviceClass::ALL.iter().filter(|class| may_query(**class)).collect();
        assert_eq!(may, [&DeviceClass::Gate, &DeviceClass::Handheld, &DeviceClass::Concentrator]);
    }
}
