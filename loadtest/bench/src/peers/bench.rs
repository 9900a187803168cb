//! The turns of a run: the peers are connected, loaded and measured one after another, round after round. Each peer has its own
//! code to start and to ask.

use std::collections::BTreeMap;
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use device::clock;
use protocol::DeviceClass;
use tokio::task::JoinSet;

use super::dial::Connected;
use super::lane::{Asker, Lane};
use super::member::{Acknowledge, Member};
use super::nats::{self, Nats};
use super::postgres::Postgres;
use super::redis::Redis;
use super::{Figures, Kept, Measured, Options, Peer, Round, Setup, Shape, gateway};
use crate::Note;
use crate::cpu::{self, Usage};
use crate::floor::Echo;
use crate::gauge::Gauge;
use crate::program::Program;

/// The length of the first part of a turn, which is not counted: connections are new, and a thousand first packets at once get lost.
const WARM_UP: Duration = Duration::from_millis(1500);
/// The time after its end for which a turn waits for the last answers.
const TURN_EXTRA_MAX: Duration = Duration::from_secs(30);
/// Deadline for all connections of a turn.
const CONNECT_MAX: Duration = Duration::from_secs(60);

/// A running peer.
enum Running {
    /// The gateway with its process, if it is on this machine.
    Gateway(Option<u32>),
    Echo(Echo),
    Redis(Box<Redis>),
    Nats(Box<Nats>),
    Postgres(Box<Postgres>),
    Member(Box<Member>),
}

impl Running {
    async fn start(
        peer: Peer,
        setup: &Setup<'_>,
        program: &Program,
        gateway: Option<u32>,
    ) -> anyhow::Result<Self> {
        Ok(match peer {
            Peer::Gateway => Self::Gateway(gateway),
            // The larger windows, which serve small shapes too.
            Peer::Echo => Self::Echo(Echo::start(setup.fleet, DeviceClass::Concentrator)?),
            Peer::Redis => Self::Redis(Box::new(Redis::start(setup, program).await?)),
            Peer::Nats => Self::nats(setup, program, nats::Kind::Later).await?,
            Peer::NatsSynced => Self::nats(setup, program, nats::Kind::Synced).await?,
            Peer::NatsThree => Self::nats(setup, program, nats::Kind::Three).await?,
            Peer::FleetDisk => Self::member(setup, program, Acknowledge::Disk).await?,
            Peer::FleetReplicated => Self::member(setup, program, Acknowledge::Replicated).await?,
            Peer::Postgres => Self::Postgres(Box::new(Postgres::start(setup, program).await?)),
        })
    }

    async fn nats(setup: &Setup<'_>, program: &Program, kind: nats::Kind) -> anyhow::Result<Self> {
        Ok(Self::Nats(Box::new(Nats::start(setup, program, kind).await?)))
    }

    async fn member(setup: &Setup<'_>, program: &Program, when: Acknowledge) -> anyhow::Result<Self> {
        let nats = setup.nats.context(nats::HOW)?;
        Ok(Self::Member(Box::new(Member::start(setup, program, nats, when).await?)))
    }

    async fn connect(&self, setup: &Setup<'_>, shape: Shape) -> anyhow::Result<Connected<Lane>> {
        Ok(match self {
            Self::Member(member) => member.connect(setup, shape).await?,
            Self::Gateway(_) => gateway::connect(setup, shape, None).await?,
            Self::Echo(echo) => gateway::connect(setup, shape, Some(echo.address()?)).await?,
            Self::Redis(redis) => {
                let lane = |(asker, source)| Lane::Peer(Box::new(Asker::Redis(asker)), source);
                redis.connect(setup, shape).await?.map(lane)
            }
            Self::Nats(nats) => {
                let lane = |(asker, source)| Lane::Peer(Box::new(Asker::Nats(asker)), source);
                nats.connect(setup, shape).await?.map(lane)
            }
            Self::Postgres(postgres) => {
                let lane = |(asker, source)| Lane::Peer(Box::new(Asker::Postgres(asker)), source);
                postgres.connect(setup, shape).await?.map(lane)
            }
        })
    }

    fn usage(&self) -> Option<Usage> {
        match self {
            Self::Gateway(process) => process.and_then(Usage::of),
            Self::Echo(echo) => echo.thread.and_then(Usage::of_thread),
            Self::Redis(redis) => Usage::of(redis.process()),
            Self::Nats(nats) => nats.usage(),
            Self::Postgres(postgres) => Usage::of_family(postgres.process()),
            Self::Member(member) => member.usage(),
        }
    }

    /// Reads the processor time of the brokers of a gateway in a fleet.
    fn brokers(&self) -> Option<Usage> {
        if let Self::Member(member) = self { member.brokers_usage() } else { None }
    }

    /// Waits until the second copy of a gateway in a fleet has everything; returns the time that this took.
    async fn copied(&self) -> anyhow::Result<Option<Duration>> {
        if let Self::Member(member) = self { Ok(Some(member.copied().await?)) } else { Ok(None) }
    }

    /// Returns the number of punches that it holds; `None` for gateways and the echo.
    async fn held(&self) -> anyhow::Result<Option<u64>> {
        Ok(match self {
            Self::Gateway(_) | Self::Echo(_) | Self::Member(_) => None,
            Self::Redis(redis) => Some(redis.held().await?),
            Self::Nats(nats) => Some(nats.held().await?),
            Self::Postgres(postgres) => Some(postgres.held().await?),
        })
    }
}

/// The peers of a run. They end with the value.
pub(super) struct Bench<'a> {
    options: &'a Options,
    note: Note<'a>,
    setup: Setup<'a>,
    running: Vec<(Peer, Running)>,
    answered: BTreeMap<Peer, u64>,
}

impl<'a> Bench<'a> {
    /// Starts the peers one after another.
    pub(super) async fn start(
        (options, note): (&'a Options, Note<'a>),
        setup: &Setup<'a>,
        programs: &BTreeMap<Peer, Program>,
        gateway: Option<u32>,
    ) -> anyhow::Result<Self> {
        let mut running = Vec::new();
        for (&peer, program) in programs {
            note(format_args!("starting {} {}", peer.name(), program.version));
            let started = Running::start(peer, setup, program, gateway).await;
            running.push((peer, started.with_context(|| format!("starting {}", peer.name()))?));
        }
        Ok(Self { options, note, setup: setup.clone(), running, answered: BTreeMap::new() })
    }

    /// Returns the brokers' processes of gateways in a fleet.
    pub(super) fn brokers(&self) -> Vec<u32> {
        let member = |(_, running): &(Peer, Running)| match running {
            Running::Member(member) => member.brokers(),
            Running::Gateway(_)
            | Running::Echo(_)
            | Running::Redis(_)
            | Running::Nats(_)
            | Running::Postgres(_) => Vec::new(),
        };
        self.running.iter().flat_map(member).collect()
    }

    /// Runs all rounds of all shapes.
    pub(super) async fn shapes(&mut self) -> anyhow::Result<Vec<Measured>> {
        let mut measured = Vec::new();
        for &shape in &self.options.shapes {
            let mut rounds = Vec::new();
            for number in 0..self.options.rounds as usize {
                let round = self.round(shape, number).await?;
                (self.note)(format_args!("{shape}, round {}: {}", number + 1, said(&round)));
                rounds.push(round);
            }
            measured.push(Measured { shape, rounds });
        }
        Ok(measured)
    }

    async fn round(&mut self, shape: Shape, number: usize) -> anyhow::Result<Round> {
        let mut round = Round::new();
        // Taking turns in going first, so that none always runs on the warmer machine.
        for turn in 0..self.running.len() {
            let (peer, running) = &self.running[(number + turn) % self.running.len()];
            let (figures, answered) =
                self.turn(running, shape).await.with_context(|| format!("{shape} at {}", peer.name()))?;
            round.insert(*peer, figures);
            *self.answered.entry(*peer).or_default() += answered;
            // What one has left to write is not to be the next one's burden.
            rustix::fs::syncfs(File::open(self.setup.scratch.path())?)?;
        }
        Ok(round)
    }

    async fn turn(&self, running: &Running, shape: Shape) -> anyhow::Result<(Figures, u64)> {
        let connecting = tokio::time::timeout(CONNECT_MAX, running.connect(&self.setup, shape));
        let Connected { lanes, drivers, connections } =
            connecting.await.context("connecting took too long")?.context("connecting")?;
        let end = clock::now() + WARM_UP + Duration::from_secs(self.options.seconds.into());
        let (gauge, mut loops) = (Rc::new(Gauge::default()), JoinSet::new());
        for lane in lanes {
            loops.spawn_local(lane.run(shape, end, Rc::clone(&gauge)));
        }
        let client = || cpu::this_thread().and_then(Usage::of_thread);
        tokio::time::sleep(WARM_UP).await;
        gauge.turn(true);
        let (from, before) = (clock::now(), (running.usage(), client(), running.brokers()));
        tokio::time::sleep_until(end.into()).await;
        let mut answered = 0;
        if !gauge.has_latency() {
            // A large frame of a slow peer takes longer than a turn, which lasts until the first is answered.
            let first = tokio::time::timeout(TURN_EXTRA_MAX, loops.join_next()).await;
            let first = first.context("waiting for the first answer")?.context("no connection")?;
            answered += first??;
        }
        gauge.turn(false);
        let (took, after) = (clock::since(from), (running.usage(), client(), running.brokers()));
        let joined = async {
            while let Some(one) = loops.join_next().await {
                answered += one??;
            }
            anyhow::Ok(answered)
        };
        let answered = tokio::time::timeout(TURN_EXTRA_MAX, joined).await;
        let answered = answered.context("waiting for the last answers")??;
        for mut driver in drivers {
            driver.shutdown().await;
        }
        let copied_after = running.copied().await?;
        let punches = gauge.scans();
        ensure!(punches > 0, "nothing was answered within a turn");
        let figures = Figures {
            punches,
            per_second: punches as f64 / took.as_secs_f64(),
            latency_ms: [0.5, 0.99].map(|quantile| gauge.latency_ms(quantile)),
            server_cpu: cpu::each(before.0, after.0, punches),
            client_cpu: cpu::each(before.1, after.1, punches),
            brokers_cpu: cpu::each(before.2, after.2, punches),
            copied_after,
            connections,
        };
        Ok((figures, answered))
    }

    /// Returns the punches that each peer answered, and those that it holds.
    pub(super) async fn kept(&self) -> anyhow::Result<BTreeMap<Peer, Kept>> {
        let mut kept = BTreeMap::new();
        for (peer, running) in &self.running {
            let asking = tokio::time::timeout(CONNECT_MAX, running.held());
            let held = asking.await.context("counting took too long")?;
            if let Some(held) = held.with_context(|| format!("counting what {} holds", peer.name()))? {
                let answered = self.answered.get(peer).copied().unwrap_or(0);
                kept.insert(*peer, Kept { answered, held });
            }
        }
        Ok(kept)
    }
}

/// Formats a round as a line of progress.
fn said(round: &Round) -> String {
    let each = round.iter().map(|(peer, figures)| format!("{} {:.0}/s", peer.name(), figures.per_second));
    each.collect::<Vec<_>>().join(", ")
}
