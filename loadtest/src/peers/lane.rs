//! A lane keeps one frame under way after another until its turn ends: the closed loop that all peers share. How a frame is asked
//! is each peer's own; connections are made here a few at a time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use protocol::Scanned;
use tokio::task::JoinSet;

use super::punch::{Punch, Source};
use super::{Shape, nats, postgres, redis};
use crate::clock;
use crate::floor::line::{self, Line, Pace};
use crate::gauge::Gauge;

/// Connections that shake hands at a time.
const DIALLING_MAX: usize = 64;
/// One of them.
const DIAL_MAX: Duration = Duration::from_secs(30);

/// One loop of a turn.
pub(super) enum Lane {
    /// A connection of the gateway or the echo, with the frames that it has under way.
    Quic {
        line: Box<Line>,
        tokens: Rc<Vec<Scanned>>,
        most: usize,
    },
    Redis(redis::Asker, Source),
    Nats(nats::Asker, Source),
    Postgres(postgres::Asker, Source),
}

/// The task that moves the bytes of one connection; it ends with its owner.
pub(super) type Driver = JoinSet<()>;

/// The connections of a turn. Dropping it closes the connections.
#[derive(Default)]
pub(super) struct Connected {
    pub(super) lanes: Vec<Lane>,
    /// The drivers that move bytes for the lanes' clients.
    pub(super) drivers: Vec<Driver>,
    pub(super) connections: usize,
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
            Self::Redis(asker, source) => (Asker::Redis(asker), source),
            Self::Nats(asker, source) => (Asker::Nats(asker), source),
            Self::Postgres(asker, source) => (Asker::Postgres(asker), source),
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

enum Asker {
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

/// The answered colour is the person's.
pub(super) fn check(punch: &Punch, colour: i64) -> anyhow::Result<()> {
    let expected = i64::from(punch.colour.number());
    ensure!(colour == expected, "colour {colour} was answered for code {} of colour {expected}", punch.code);
    Ok(())
}

/// Connects so many times, a few at a time.
pub(super) async fn dial<T: 'static, F: Future<Output = anyhow::Result<T>> + 'static>(
    count: usize,
    connect: impl Fn() -> F,
) -> anyhow::Result<Vec<T>> {
    let (mut dialling, mut dialled) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count + DIALLING_MAX {
        if number < count {
            dialling.spawn_local(tokio::time::timeout(DIAL_MAX, connect()));
        }
        if number + 1 >= DIALLING_MAX
            && let Some(one) = dialling.join_next().await
        {
            dialled.push(one?.context("connecting took too long")??);
        }
    }
    Ok(dialled)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn so_many_connections_are_made_and_never_too_many_at_a_time() {
        for count in [0, 1, DIALLING_MAX - 1, DIALLING_MAX, DIALLING_MAX + 1, 200] {
            let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let local = tokio::task::LocalSet::new();
            let dialled = local.run_until(dial(count, || {
                let (now, most) = (Rc::clone(&now), Rc::clone(&most));
                async move {
                    now.set(now.get() + 1);
                    most.set(most.get().max(now.get()));
                    tokio::task::yield_now().await;
                    now.set(now.get() - 1);
                    Ok(())
                }
            }));
            assert_eq!(dialled.await.unwrap().len(), count);
            assert!(most.get() <= DIALLING_MAX, "{} at a time", most.get());
        }
    }
}
