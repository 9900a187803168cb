//! The rounds of a run: each side is loaded and measured in its turn.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use device::clock;
use device::fleet::Fleet;
use device::tokens::Tokens;
use protocol::{Scanned, limits};
use tokio::task::JoinSet;

use super::client::{Client, Pace, Shape};
use super::gateways::Gateway;
use super::sync::Probe;
use super::{Echo, Figures, Measured, Options, Round, connect};
use crate::Note;
use crate::cpu::{self, Usage};
use crate::gauge::Gauge;
use crate::pace::{self, Schedule};

/// Limit of tokens made for a round.
const TOKENS_MAX: usize = 1 << 21;
/// The length of the first part of a round, which is not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// The time after its end for which a round waits for the last answers.
const ROUND_EXTRA_MAX: Duration = Duration::from_secs(10);
/// The least connections whose memory can be told from the rest of the process.
const CONNECTIONS_WEIGHED_MIN: u32 = 500;

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) note: Note<'a>,
    pub(super) tokens: &'a Tokens,
    pub(super) gateways: &'a [Gateway],
    pub(super) echo: &'a Echo,
}

/// A side with its connections.
struct Side<'a> {
    server: Server<'a>,
    clients: Vec<Client>,
}

#[derive(Clone, Copy)]
enum Server<'a> {
    Echo(&'a Echo),
    Gateway(&'a Gateway),
}

impl Server<'_> {
    fn usage(self) -> Option<Usage> {
        match self {
            Self::Echo(echo) => echo.thread.and_then(Usage::of_thread),
            Self::Gateway(gateway) => gateway.process.and_then(Usage::of),
        }
    }
}

impl<'a> Bench<'a> {
    /// Measures with each number of connections.
    pub(super) async fn all(&self) -> anyhow::Result<Vec<Measured>> {
        let (mut measured, idle_mib) = (Vec::new(), self.memory_mib());
        for &devices in &self.options.devices {
            let one = self.measure(devices, idle_mib).await;
            measured.push(one.with_context(|| format!("{devices} connections"))?);
        }
        Ok(measured)
    }

    /// Returns the memory of the gateway, the first of two.
    fn memory_mib(&self) -> Option<f64> {
        self.gateways[0].process.and_then(cpu::memory_mib)
    }

    /// Measures with that many connections. `idle_mib` is the gateway's memory before the run: what is left by earlier connections is
    /// used again and belongs to these.
    async fn measure(&self, devices: u32, idle_mib: Option<f64>) -> anyhow::Result<Measured> {
        let mut sides = self.connect(devices).await?;
        let grown = idle_mib.zip(self.memory_mib()).map(|(before, after)| (after - before) * 1024.0);
        let connection_kib =
            grown.filter(|_| devices >= CONNECTIONS_WEIGHED_MIN).map(|kib| kib / f64::from(devices));
        let mut probe = Probe::create(&self.gateways[0].fleet.data)?;
        let mut rounds = Vec::new();
        for number in 0..self.options.rounds {
            let (tokens, sync) = (self.make_tokens(), probe.sync()?);
            let mut figures = vec![None; sides.len()];
            // Each second round in reverse, so that no side always runs on the warmer machine.
            let mut order: Vec<usize> = (0..sides.len()).collect();
            if number % 2 == 1 {
                order.reverse();
            }
            for at in order {
                figures[at] = Some(self.round(&mut sides[at], &tokens).await?);
            }
            let mut figures = figures.into_iter();
            let mut next = || figures.next().flatten();
            let (echo, gateway) = (next().context("the echo's turn")?, next().context("the gateway's turn")?);
            let ratio = gateway.per_second / echo.per_second;
            (self.note)(format_args!("{devices} connections, round {}: ratio {ratio:.2}", number + 1));
            rounds.push(Round { echo, gateway, other: next(), sync });
        }
        Ok(Measured { devices, rounds, connection_kib })
    }

    /// Makes tokens for a round; they expire.
    fn make_tokens(&self) -> Rc<Vec<Scanned>> {
        let (people, now_s) = (self.tokens.people(), clock::now_s());
        Rc::new(people.iter().take(TOKENS_MAX).map(|person| self.tokens.scan(person, now_s)).collect())
    }

    /// Connects all sides, the echo first.
    async fn connect(&self, devices: u32) -> anyhow::Result<Vec<Side<'a>>> {
        let clients = self.clients(&self.gateways[0].fleet, devices, true).await;
        let clients = clients.context("connecting to the echo")?;
        let mut sides = vec![Side { server: Server::Echo(self.echo), clients }];
        for gateway in self.gateways {
            let clients = self.clients(&gateway.fleet, devices, false).await;
            let clients = clients.context("connecting to the gateway")?;
            sides.push(Side { server: Server::Gateway(gateway), clients });
        }
        Ok(sides)
    }

    async fn clients(&self, fleet: &Fleet, devices: u32, to_echo: bool) -> anyhow::Result<Vec<Client>> {
        let class = self.options.class();
        let chosen: Vec<_> = fleet.of_class(class).take(devices as usize).collect();
        ensure!(
            chosen.len() == devices as usize,
            "the city has {} devices of class {class} for this shape; start it with more, or ask for fewer",
            chosen.len()
        );
        let echo = if to_echo { Some(self.echo.address()?) } else { None };
        connect(fleet, &chosen, echo).await
    }

    async fn round(
        &self,
        Side { server, clients }: &mut Side<'a>,
        tokens: &Rc<Vec<Scanned>>,
    ) -> anyhow::Result<Figures> {
        let length = Duration::from_secs(self.options.seconds.into());
        let start = clock::now();
        let end = start + WARM_UP + length;
        let gauge = Rc::new(Gauge::default());
        let mut running = JoinSet::new();
        let shape = Shape { batch: self.options.batch as usize, verify: self.options.verify };
        let paces = self.paces(clients.len(), start, end);
        for (client, pace) in clients.drain(..).zip(paces) {
            running.spawn_local(client.round(shape, pace, Rc::clone(tokens), end, Rc::clone(&gauge)));
        }
        tokio::time::sleep(WARM_UP).await;
        gauge.turn(true);
        let client = || cpu::this_thread().and_then(Usage::of_thread);
        let (from, before) = (clock::now(), (server.usage(), client()));
        tokio::time::sleep_until(end.into()).await;
        gauge.turn(false);
        let (took, after) = (clock::since(from), (server.usage(), client()));
        let joined = async {
            while let Some(client) = running.join_next().await {
                clients.push(client??);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(ROUND_EXTRA_MAX, joined).await.context("waiting for the last answers")??;
        ensure!(gauge.scans() > 0, "nothing was answered within a round");
        Ok(Figures {
            per_second: gauge.scans() as f64 / took.as_secs_f64(),
            server_cpu: cpu::each(before.0, after.0, gauge.scans()),
            client_cpu: cpu::each(before.1, after.1, gauge.scans()),
            latency_ms: [0.5, 0.99, 0.999].map(|quantile| gauge.latency_ms(quantile)),
        })
    }

    /// Returns the pace of each client in a round.
    fn paces(&self, count: usize, start: Instant, end: Instant) -> Vec<Pace> {
        let Some(rate) = self.options.rate else {
            return (0..count).map(|_| Pace::Closed(self.options.in_flight as usize)).collect();
        };
        let (lanes, keep) = pace::lanes(Schedule { start, rate, end }, count);
        tokio::spawn(keep);
        let most = (limits::window_punches_max(self.options.class()) / self.options.batch) as usize;
        lanes.into_iter().map(|lane| Pace::Open { lane, most }).collect()
    }
}
