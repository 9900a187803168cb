//! `loadtest floor`: raw QUIC under the same shape of load, round by round beside the gateway, so that every figure is a
//! ratio from one run. The floor reads no frames: it shows the cost of QUIC, TLS and the kernel on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use device::clock;
use device::fleet::{Fleet, FleetDevice};
use device::tokens::Tokens;
use device::wire::{self, Wire};
use protocol::message::{Answer, Hello, Request};
use protocol::{DeviceClass, Epoch, FrameReader, RequestId, Scanned, Sequence, limits};
use tokio::task::{JoinSet, LocalSet};

use crate::Note;
use crate::cpu::{self, Usage};
use crate::gauge::Gauge;
use crate::pace::{self, Schedule};

pub(crate) mod client;
pub mod server;
mod sync;
mod text;

use client::{Client, Pace, Peer, Shape};
use sync::Probe;
pub use text::table;

/// Limit of handshakes at a time.
const DIALLING_MAX: usize = 64;
/// Limit of tokens made for a round.
const TOKENS_MAX: usize = 1 << 21;
/// The length of the first part of a round, which is not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// The time after its end for which a round waits for the last answers.
const ROUND_EXTRA_MAX: Duration = Duration::from_secs(10);

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub devices: u32,
    /// Scans in a frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub batch: u32,
    /// Frames under way on a connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight: u32,
    /// Frames a second over all connections, each sent at its scheduled time instead of one after another
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Verify instead of punching
    #[arg(long)]
    pub verify: bool,
    /// Rounds of each side
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Length of a round, after its warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub seconds: u32,
    /// Put the servers on core 0 and this program's clients on core 1
    #[arg(long)]
    pub pin: bool,
    /// The development city's data directory
    #[arg(long, default_value = "./changtong-data")]
    pub data: PathBuf,
}

impl Options {
    /// Returns the number of scans that a connection may have in flight.
    fn window(&self) -> u32 {
        self.batch * self.in_flight
    }

    fn class(&self) -> DeviceClass {
        let gate = limits::window_punches_max(DeviceClass::Gate);
        if self.window() <= gate { DeviceClass::Gate } else { DeviceClass::Concentrator }
    }
}

/// The figures of one round of one side.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Scans a second.
    pub per_second: f64,
    /// The server's processor time for each scan.
    pub server_cpu: Option<Duration>,
    /// The clients' processor time for each scan.
    pub client_cpu: Option<Duration>,
    /// Latency at p50, p99 and p999, milliseconds.
    pub latency_ms: [f64; 3],
}

/// One round of each side.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Raw QUIC.
    pub echo: Figures,
    /// The gateway.
    pub gateway: Figures,
    /// The median time of a write of 4 KiB with its data sync, on the city's disk.
    pub sync: Duration,
}

/// Runs all rounds, on this thread and one for the echo. `note` is called after each round.
pub fn run(options: &Options, note: Note<'_>) -> anyhow::Result<Vec<Round>> {
    let fleet = Fleet::load(&options.data)?;
    let tokens = Tokens::load(&fleet)?;
    let gateway = Usage::of_port(fleet.quic[0]).map(|usage| usage.process);
    let echo = Echo::start(&fleet, options.class())?;
    let pinned = if options.pin { pin(gateway, echo.thread)? } else { Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { options, note, fleet: &fleet, tokens: &tokens, gateway, echo: &echo };
    let rounds = runtime.block_on(LocalSet::new().run_until(bench.rounds()));
    drop(runtime);
    pinned.into_iter().for_each(cpu::Pinned::release);
    echo.end()?;
    rounds
}

/// Pins both servers to one core, this thread to another.
fn pin(gateway: Option<u32>, echo: Option<u32>) -> anyhow::Result<Vec<cpu::Pinned>> {
    let gateway = gateway.context("no process of ours has the gateway's port open")?;
    let mut pinned = Vec::new();
    for thread in cpu::threads(gateway).into_iter().chain([echo.context("no /proc")?]) {
        pinned.push(cpu::Pinned::to(thread, 0)?);
    }
    pinned.push(cpu::Pinned::to(cpu::this_thread().context("no /proc")?, 1)?);
    Ok(pinned)
}

/// The echo server, on a thread with a runtime of its own.
pub(crate) struct Echo {
    endpoint: quinn::Endpoint,
    pub(crate) thread: Option<u32>,
    join: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts it, for devices of that class.
    pub(crate) fn start(fleet: &Fleet, class: DeviceClass) -> anyhow::Result<Self> {
        let (send, receive) = sync_channel(1);
        let (fleet, window) = (fleet.clone(), limits::receive_window_bytes(class));
        let join = std::thread::Builder::new().name("echo".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let started = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                let endpoint = runtime.block_on(async { server::endpoint(&fleet, window) })?;
                Ok((runtime, endpoint))
            });
            match started {
                Ok((runtime, endpoint)) => {
                    let _ = send.send(Ok((endpoint.clone(), cpu::this_thread())));
                    runtime.block_on(server::echo(endpoint));
                }
                Err(error) => drop(send.send(Err(error))),
            }
        })?;
        let (endpoint, thread) = receive.recv().context("the echo's thread ended")??;
        Ok(Self { endpoint, thread, join: Some(join) })
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.endpoint.local_addr()?)
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.close().map_err(|_| anyhow::anyhow!("the echo's thread panicked"))
    }

    fn close(&mut self) -> std::thread::Result<()> {
        self.endpoint.close(0u32.into(), b"");
        self.join.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

struct Bench<'a> {
    options: &'a Options,
    note: Note<'a>,
    fleet: &'a Fleet,
    tokens: &'a Tokens,
    gateway: Option<u32>,
    echo: &'a Echo,
}

impl Bench<'_> {
    async fn rounds(&self) -> anyhow::Result<Vec<Round>> {
        let mut gateway = self.connect(true).await.context("connecting to the gateway")?;
        let mut echo = self.connect(false).await.context("connecting to the echo")?;
        let mut probe = Probe::create(&self.fleet.data)?;
        let mut rounds = Vec::new();
        for number in 0..self.options.rounds {
            let (tokens, sync) = (self.make_tokens(), probe.sync()?);
            // Taking turns in going first, so that neither always runs on the warmer machine.
            let round = if number % 2 == 0 {
                let echo = self.round(&mut echo, &tokens, || self.echo_usage()).await?;
                let gateway = self.round(&mut gateway, &tokens, || self.gateway_usage()).await?;
                Round { echo, gateway, sync }
            } else {
                let gateway = self.round(&mut gateway, &tokens, || self.gateway_usage()).await?;
                let echo = self.round(&mut echo, &tokens, || self.echo_usage()).await?;
                Round { echo, gateway, sync }
            };
            let ratio = round.gateway.per_second / round.echo.per_second;
            (self.note)(format_args!("round {}: ratio {ratio:.2}", number + 1));
            rounds.push(round);
        }
        Ok(rounds)
    }

    fn gateway_usage(&self) -> Option<Usage> {
        self.gateway.and_then(Usage::of)
    }

    fn echo_usage(&self) -> Option<Usage> {
        self.echo.thread.and_then(Usage::of_thread)
    }

    /// Makes tokens for a round; they expire.
    fn make_tokens(&self) -> Rc<Vec<Scanned>> {
        let (people, now_s) = (self.tokens.people(), clock::now_s());
        Rc::new(people.iter().take(TOKENS_MAX).map(|person| self.tokens.scan(person, now_s)).collect())
    }

    async fn connect(&self, gateway: bool) -> anyhow::Result<Vec<Client>> {
        let class = self.options.class();
        let chosen: Vec<_> = self.fleet.of_class(class).take(self.options.devices as usize).collect();
        ensure!(
            chosen.len() == self.options.devices as usize,
            "the city has {} devices of class {class} for this shape; start it with more, or ask for fewer",
            chosen.len()
        );
        let echo = if gateway { None } else { Some(self.echo.address()?) };
        connect(self.fleet, &chosen, echo).await
    }

    async fn round(
        &self,
        clients: &mut Vec<Client>,
        tokens: &Rc<Vec<Scanned>>,
        server: impl Fn() -> Option<Usage>,
    ) -> anyhow::Result<Figures> {
        let length = Duration::from_secs(self.options.seconds.into());
        let start = clock::now();
        let end = start + WARM_UP + length;
        let gauge = Rc::new(Gauge::default());
        let mut running = JoinSet::new();
        let shape = Shape { batch: self.options.batch as usize, verify: self.options.verify };
        for (client, pace) in clients.drain(..).zip(self.paces(start, end)) {
            running.spawn_local(client.round(shape, pace, Rc::clone(tokens), end, Rc::clone(&gauge)));
        }
        tokio::time::sleep(WARM_UP).await;
        gauge.turn(true);
        let client = || cpu::this_thread().and_then(Usage::of_thread);
        let (from, before) = (clock::now(), (server(), client()));
        tokio::time::sleep_until(end.into()).await;
        gauge.turn(false);
        let (took, after) = (clock::since(from), (server(), client()));
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
    fn paces(&self, start: Instant, end: Instant) -> Vec<Pace> {
        let count = self.options.devices as usize;
        let Some(rate) = self.options.rate else {
            return (0..count).map(|_| Pace::Closed(self.options.in_flight as usize)).collect();
        };
        let (lanes, keep) = pace::lanes(Schedule { start, rate, end }, count);
        tokio::spawn(keep);
        let most = (limits::window_punches_max(self.options.class()) / self.options.batch) as usize;
        lanes.into_iter().map(|lane| Pace::Open { lane, most }).collect()
    }
}

/// Connects a client for each device, to the echo at that address or else to the gateway, with `Hello`.
pub(crate) async fn connect(
    fleet: &Fleet,
    devices: &[&FleetDevice],
    echo: Option<SocketAddr>,
) -> anyhow::Result<Vec<Client>> {
    let endpoint = wire::endpoint(fleet.quic[0])?;
    let mut clients = Vec::with_capacity(devices.len());
    for some in devices.chunks(DIALLING_MAX) {
        let mut dialling = JoinSet::new();
        for device in some {
            let config = wire::client_config(fleet, device)?;
            let address = echo.unwrap_or_else(|| fleet.address(device.id()));
            let (endpoint, name) = (endpoint.clone(), fleet.server_name.clone());
            let place = place(device)?;
            dialling.spawn(async move {
                let mut wire = Wire::connect(&endpoint, config, address, &name).await?;
                if echo.is_none() {
                    hello(&mut wire).await?;
                }
                anyhow::Ok((wire, place))
            });
        }
        while let Some(dialled) = dialling.join_next().await {
            let (wire, place) = dialled??;
            let peer =
                if echo.is_none() { Peer::Gateway(FrameReader::default()) } else { Peer::Echo { back: 0 } };
            clients.push(Client::new(wire, peer, place, clients.len()));
        }
    }
    Ok(clients)
}

fn place(device: &FleetDevice) -> anyhow::Result<(protocol::PlaceId, protocol::RegionId)> {
    device.places().next().context("a device without places")
}

async fn hello(wire: &mut Wire) -> anyhow::Result<()> {
    let hello = Hello { epoch: Epoch(clock::now_s()), acknowledged: Sequence(0) };
    let (_, answer) = wire.ask(RequestId(0), &Request::Hello(hello)).await?;
    let Answer::Welcome(_) = answer else {
        bail!("the gateway does not welcome a device: {answer:?}");
    };
    Ok(())
}
