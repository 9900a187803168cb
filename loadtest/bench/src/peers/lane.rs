//! The closed loop that all peers share: a lane sends one frame after another until its turn ends. Each peer has its own
//! client.

use std::rc::Rc;
use std::time::Instant;

use device::clock;
use protocol::Scanned;

use super::punch::{Punch, Source};
use super::{Shape, nats, postgres, redis};
use crate::floor::client::{self, Client, Pace};
use crate::gauge::Gauge;

/// A loop of a turn.
pub(super) enum Lane {
    /// A connection of the gateway or the echo, with several frames in flight.
    Quic { client: Box<Client>, tokens: Rc<Vec<Scanned>>, most: usize },
    /// A client of another peer, with its punches.
    Peer(Box<Asker>, Source),
}

impl Lane {
    /// Sends until `end`; returns the number of answered punches, warm-up included, and 0 for the gateway.
    pub(super) async fn run(self, shape: Shape, end: Instant, gauge: Rc<Gauge>) -> anyhow::Result<u64> {
        let batch = shape.batch as usize;
        let (mut asker, mut source) = match self {
            Self::Quic { client: connection, tokens, most } => {
                let shape = client::Shape { batch, verify: false };
                connection.round(shape, Pace::Closed(most), tokens, end, gauge).await?;
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
            asker.ask(&punches, &gauge).await?;
            gauge.took(clock::since(since));
            answered += batch as u64;
        }
    }
}

/// A client with one frame in flight at a time.
pub(super) enum Asker {
    Redis(redis::Asker),
    Nats(nats::Asker),
    Postgres(postgres::Asker),
}

impl Asker {
    /// Sends a frame, waits for its answers, and counts them when they come: NATS answers each punch, the others a frame as a whole.
    async fn ask(&mut self, punches: &[Punch], gauge: &Gauge) -> anyhow::Result<()> {
        match self {
            Self::Redis(asker) => asker.ask(punches).await?,
            Self::Nats(asker) => return asker.ask(punches, gauge).await,
            Self::Postgres(asker) => asker.ask(punches).await?,
        }
        gauge.answered(punches.len());
        Ok(())
    }
}
