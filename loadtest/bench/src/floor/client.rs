//! One client connection of the floor: it sends frames in a given shape, and the answers complete them, either
//! the gateway's verdicts or the same bytes. Smaller than a device: it keeps nothing to send again, so `Busy` is an error.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use anyhow::bail;
use device::clock;
use device::wire::Wire;
use protocol::codec::Bounded;
use protocol::frame::{FrameReader, HEADER_BYTES, TRAILER_BYTES};
use protocol::message::{Answer, PunchBatch, Request, Verify};
use protocol::{Direction, PlaceId, Punch, RegionId, RequestId, Scanned, Sequence};

use crate::gauge::Gauge;
use crate::pace::Lane;

/// The body of an answer without verdicts: the first sequence, the time, and the number of verdicts.
const VERDICTS_FIXED_BYTES: usize = 8 + 8 + 4;
/// A verdict: colour, advice, basis and reason.
const VERDICT_BYTES: usize = 4;

/// The pace of frames.
pub(crate) enum Pace {
    /// Closed loop: a frame is sent when fewer than this many are in flight.
    Closed(usize),
    /// Open loop: each frame is sent at its time, as long as fewer than `most` are in flight.
    Open { lane: Lane, most: usize },
}

/// The shape of the traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) verify: bool,
}

impl Pace {
    async fn next(&mut self) -> Option<Instant> {
        match self {
            Self::Open { lane, .. } => lane.recv().await,
            Self::Closed(_) => None,
        }
    }
}

/// The server, with the state to read its answers.
pub(crate) enum Peer {
    Gateway(FrameReader),
    /// The bytes that came back and are no whole answer yet.
    Echo {
        back: usize,
    },
}

/// Returns the length of the gateway's answer to a frame of so many scans. The gateway may answer several frames in one, which saves
/// their headers.
const fn answer_bytes(batch: usize) -> usize {
    HEADER_BYTES + VERDICTS_FIXED_BYTES + batch * VERDICT_BYTES + TRAILER_BYTES
}

/// A frame in flight.
struct InFlight {
    since: Instant,
    last: u64,
}

pub(crate) struct Client {
    wire: Wire,
    peer: Peer,
    place: (PlaceId, RegionId),
    next: u64,
    token: usize,
    in_flight: VecDeque<InFlight>,
}

impl Client {
    /// Takes a connection, for the gateway after `Hello`. `number` makes clients start at different tokens.
    pub(crate) fn new(wire: Wire, peer: Peer, place: (PlaceId, RegionId), number: usize) -> Self {
        Self { wire, peer, place, next: 1, token: number * 997, in_flight: VecDeque::new() }
    }

    /// Sends in that shape until `end`, then waits for the frames in flight.
    pub(crate) async fn round(
        mut self,
        shape: Shape,
        mut pace: Pace,
        tokens: Rc<Vec<Scanned>>,
        end: Instant,
        gauge: Rc<Gauge>,
    ) -> anyhow::Result<Self> {
        loop {
            let now = clock::now();
            if now >= end && self.in_flight.is_empty() {
                return Ok(self);
            }
            let may = match &pace {
                Pace::Closed(most) => {
                    while now < end && self.in_flight.len() < *most {
                        self.send(shape, &tokens, now)?;
                    }
                    false
                }
                Pace::Open { most, .. } => now < end && self.in_flight.len() < *most,
            };
            tokio::select! {
                biased;
                intended = pace.next(), if may => match intended {
                    Some(intended) => self.send(shape, &tokens, intended)?,
                    None => pace = Pace::Closed(0),
                },
                read = self.wire.exchange() => if let Some(chunk) = read? {
                    self.take(&chunk.bytes, shape.batch, &gauge)?;
                },
                () = tokio::time::sleep_until(end.into()), if now < end => {}
            }
        }
    }

    fn send(&mut self, shape: Shape, tokens: &[Scanned], since: Instant) -> anyhow::Result<()> {
        let (place, region) = self.place;
        let start = self.token;
        self.token = (start + shape.batch) % tokens.len();
        let scanned = (start..start + shape.batch).map(|at| tokens[at % tokens.len()].clone());
        let request = if shape.verify {
            Request::Verify(Verify { region, scanned: Bounded(scanned.collect()) })
        } else {
            let device_time_ms = clock::now_ms();
            let punch =
                |scanned| Punch { scanned, direction: Direction::In, place, device_time_ms, offline: None };
            let punches = Bounded(scanned.map(punch).collect());
            let first = Sequence(self.next);
            self.next += shape.batch as u64;
            Request::PunchBatch(PunchBatch { region, first, punches })
        };
        let id = match self.peer {
            Peer::Gateway(_) => self.next as u32,
            Peer::Echo { .. } => answer_bytes(shape.batch) as u32,
        };
        self.wire.push(RequestId(id), &request)?;
        self.in_flight.push_back(InFlight { since, last: self.next - 1 });
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], batch: usize, gauge: &Gauge) -> anyhow::Result<()> {
        let now = clock::now();
        match &mut self.peer {
            Peer::Echo { back } => {
                *back += bytes.len();
                let answer = answer_bytes(batch);
                while *back >= answer
                    && let Some(sent) = self.in_flight.pop_front()
                {
                    *back -= answer;
                    gauge.done(batch, now.saturating_duration_since(sent.since));
                }
            }
            Peer::Gateway(reader) => {
                reader.push(bytes);
                while let Some(frame) = reader.next_frame()? {
                    let Some(answer) = frame.answer() else { continue };
                    let Answer::Verdicts(run) = answer? else {
                        bail!("the gateway answered type {}: this shape is too much for it", frame.kind)
                    };
                    let verify = run.first.0 == 0;
                    let last = run.first.0 + run.verdicts.0.len() as u64 - 1;
                    while let Some(sent) = self.in_flight.pop_front_if(|frame| verify || frame.last <= last) {
                        gauge.done(batch, now.saturating_duration_since(sent.since));
                        if verify {
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::message::Verdicts;
    use protocol::{Reason, Verdict, frame};

    use super::*;

    #[test]
    fn the_echo_answers_with_as_many_bytes_as_the_gateway() {
        for batch in [1, 7, 256, 1024] {
            let verdicts = Bounded(vec![Verdict::ask_staff(Reason::NotLoaded); batch]);
            let answer = Answer::Verdicts(Verdicts { first: Sequence(u64::MAX), as_of_ms: 1, verdicts });
            let mut bytes = Vec::new();
            frame::write_answer(RequestId(1), &answer, &mut bytes).unwrap();
            assert_eq!(bytes.len(), answer_bytes(batch), "{batch} verdicts");
        }
    }
}
