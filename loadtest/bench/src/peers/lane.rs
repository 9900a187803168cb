//! A lane keeps one frame under way after another until its turn ends: the closed loop that all peers share. How a frame is asked
//! is each peer's own.

use std::rc::Rc;
use std::time::Instant;

use device::clock;
use protocol::Scanned;

use super::punch::{Punch, Source};
use super::{Shape, nats, postgres, redis};
use crate::floor::line::{self, Line, Pace};
use crate::gauge::Gauge;

/// One loop of a turn.
pub(super) enum Lane {
    /// A connection of the gateway or the echo, with the frames that it has under way.
    Quic { line: Box<Line>, tokens: Rc<Vec<Scanned>>, most: usize },
    /// A client of another peer, with the punches that it asks for.
    Peer(Box<Asker>, Source),
}

impl Lane {
    /// Asks until `end`; how many punches were answered, whether the gauge was on or not. Those of the gateway are not counted.
    pub(super) async fn run(self, shape: Shape, end: Instant, gauge: Rc<Gauge>) -> anyhow::Result<u64> {
        let batch = shape.batch as usize;
        let (mut asker, mut source) = match self {
            Self::Quic { line, tokens, most } => {
                let shape = line::Shape { batch, verify: false };
                line.round(shape, Pace::Closed(most), tokens, end, gauge).await?;
                return Ok(0);
            }
            Self::Peer(asker, source) => (asker, source),
        };
        let (mut answered, mut punches) = (0, Vec::with_capacity(batch));
        loop {
            let since = clock::now();
            if since >= end {
                return Ok(answered);
            }
            source.fill(batch, &mut punches);
            asker.ask(&punches).await?;
            gauge.done(batch, clock::since(since));
            answered += batch as u64;
        }
    }
}

/// A client that asks for one frame at a time.
pub(super) enum Asker {
    Redis(redis::Asker),
    Nats(nats::Asker),
    Postgres(postgres::Asker),
}

impl Asker {
    async fn ask(&mut self, punches: &[Punch]) -> anyhow::Result<()> {
        match self {
            Self::Redis(asker) => asker.ask(punches).await,
            Self::Nats(asker) => asker.ask(punches).await,
            Self::Postgres(asker) => asker.ask(punches).await,
        }
    }
}
