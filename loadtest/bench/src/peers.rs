//! `loadtest peers`: the gateway beside alternatives, and beside raw QUIC. All do the same work in the same shape
//! in one run, in turns: look up a person's colour, append the punch, answer with the colour. A peer that does less is marked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use device::fleet::Fleet;
use device::tokens::Tokens;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::LocalSet;

use crate::Note;
use crate::cpu::{self, Usage};
use crate::machine::{self, Machine};
use crate::program::Program;
use crate::spread::Spread;

mod bench;
mod brokers;
mod dial;
mod gateway;
mod lane;
mod member;
mod nats;
mod peer;
mod postgres;
mod punch;
mod redis;
mod scratch;
mod shape;
mod text;
mod tls;

use bench::Bench;
pub use peer::Peer;
use scratch::Scratch;
pub use shape::{Shape, thousands};
pub use text::{json, markdown, table};
use tls::Tls;

/// The limit of open files of this program and each server: 1,000 connections and some files.
const FILES_MAX: u64 = 16 * 1024;
/// The cores of the servers and of the clients, as in `floor`.
const CORES: [usize; 2] = [0, 1];

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// DEVICESxBATCH or DEVICESxBATCHxIN_FLIGHT: connections, punches in a frame, frames under way on a connection
    #[arg(long = "shape", default_values = ["1000x1", "16x256"], value_delimiter = ',')]
    pub shapes: Vec<Shape>,
    /// Rounds of each side
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Length of a turn, after its warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub seconds: u32,
    /// Put the servers on core 0, and this program's clients and the brokers of gateways in a fleet on core 1
    #[arg(long)]
    pub pin: bool,
    /// Compare only with these; those of a fleet, with three brokers each, take part only if they are named
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Peer>,
    /// The development city's data directory
    #[arg(long, default_value = "./changtong-data")]
    pub data: PathBuf,
    /// Directory for the servers' files during the run [default: near the city's, on the same file system]
    #[arg(long)]
    pub scratch: Option<PathBuf>,
    /// nats-server 2.10 or newer, which can sync before it acknowledges [default: that of the tests' Python packages, if they are there]
    #[arg(long, value_name = "PROGRAM")]
    pub nats: Option<PathBuf>,
    /// The commit that is measured [default: from git in the working directory]
    #[arg(long)]
    pub commit: Option<String>,
    /// Print the comparison as a table of Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Returns the peers that take part, in the order of the report, always with the gateway.
    fn peers(&self) -> impl Iterator<Item = Peer> {
        let all = self.only.is_empty();
        let is_asked = move |peer: &Peer| self.only.contains(peer) || all && !peer.has_three_brokers();
        Peer::ALL.into_iter().filter(move |peer| *peer == Peer::Gateway || is_asked(peer))
    }
}

/// The figures of one turn of one peer.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// The number of counted punches.
    pub punches: u64,
    /// Punches a second.
    pub per_second: f64,
    /// Latency of a frame at p50 and p99, milliseconds.
    pub latency_ms: [f64; 2],
    /// The server's processor time for each punch.
    pub server_cpu: Option<Duration>,
    /// This program's processor time for each punch.
    pub client_cpu: Option<Duration>,
    /// The processor time of a gateway's three brokers for each punch.
    pub brokers_cpu: Option<Duration>,
    /// The time after the turn until a gateway's second copy had everything.
    pub copied_after: Option<Duration>,
    /// The number of connections.
    pub connections: usize,
}

/// One turn of each peer.
pub type Round = BTreeMap<Peer, Figures>;

/// All rounds of one shape.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The shape.
    pub shape: Shape,
    /// Its rounds.
    pub rounds: Vec<Round>,
}

impl Measured {
    /// Returns a figure of that peer over the rounds; `None` if it has none.
    pub fn spread(&self, peer: Peer, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| figure(round.get(&peer)?)))
    }

    /// Returns the gateway's punches a second divided by that peer's, over the rounds.
    pub fn ratio(&self, peer: Peer) -> Option<Spread> {
        let per_second = |round: &Round, peer| Some(round.get(&peer)?.per_second);
        Spread::of(
            self.rounds
                .iter()
                .filter_map(|round| Some(per_second(round, Peer::Gateway)? / per_second(round, peer)?)),
        )
    }
}

/// The punches that a peer answered, and those that it holds at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number of answered punches, in warm-ups too.
    pub answered: u64,
    /// The number of punches that it holds.
    pub held: u64,
}

/// The report of a run.
#[derive(Clone, Debug)]
pub struct PeersReport {
    /// The machine.
    pub machine: Machine,
    /// The commit that is measured.
    pub commit: Option<String>,
    /// The number of codes that every peer with a look-up had.
    pub codes: usize,
    /// The peers' versions, asked of their programs.
    pub versions: BTreeMap<Peer, String>,
    /// The peers that were not measured because their program is not here, with the way to get it.
    pub absent: BTreeMap<Peer, String>,
    /// The shapes, as asked for.
    pub shapes: Vec<Measured>,
    /// The punches of the peers at the end; `quick` proves the gateway's record.
    pub kept: BTreeMap<Peer, Kept>,
}

/// Runs all rounds of all shapes, on this thread and one for the echo; starts the peers and ends them, also after an error. `note` is called
/// after each start and each round.
///
/// # Errors
/// No development city runs there on loopback, it has too few devices, a program is not installed, or a peer fails, answers a
/// wrong colour, or holds less than it answered.
pub fn run(options: &Options, note: Note<'_>) -> anyhow::Result<PeersReport> {
    let fleet = Fleet::load(&options.data)?;
    let is_here = fleet.quic.iter().chain([&fleet.http]).all(|address| address.ip().is_loopback());
    ensure!(is_here, "only a development city on loopback is put under load, not one at {}", fleet.quic[0]);
    let tokens = Tokens::load(&fleet)?;
    for shape in &options.shapes {
        gateway::devices(&fleet, shape)?;
    }
    let (programs, absent) = programs(options, &fleet)?;
    allow_files()?;
    let scratch = Scratch::create(&fleet.data, options.scratch.as_deref())?;
    let tls = Tls::of(&fleet)?;
    let nats = match options.peers().any(Peer::has_three_brokers) {
        true => nats::synced(options.nats.as_deref())?,
        false => None,
    };
    let tokens = Rc::new(tokens);
    let setup = Setup { fleet: &fleet, tokens, scratch: &scratch, tls: &tls, nats: nats.as_ref() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (shapes, kept) = runtime.block_on(LocalSet::new().run_until(async {
        tokio::select! {
            measured = measure(options, &setup, &programs, note) => measured,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    }))?;
    Ok(PeersReport {
        machine: machine::here(),
        commit: options.commit.clone().or_else(machine::commit),
        codes: setup.tokens.people().len(),
        versions: programs.into_iter().map(|(peer, program)| (peer, program.version)).collect(),
        absent,
        shapes,
        kept,
    })
}

/// The setup of every peer.
#[derive(Clone)]
struct Setup<'a> {
    fleet: &'a Fleet,
    tokens: Rc<Tokens>,
    scratch: &'a Scratch,
    tls: &'a Tls,
    /// The brokers' program, for those that need three.
    nats: Option<&'a Program>,
}

async fn measure(
    options: &Options,
    setup: &Setup<'_>,
    programs: &BTreeMap<Peer, Program>,
    note: Note<'_>,
) -> anyhow::Result<(Vec<Measured>, BTreeMap<Peer, Kept>)> {
    let gateway = Usage::of_port(setup.fleet.quic[0]).map(|usage| usage.process);
    let this_thread = cpu::this_thread().context("no /proc")?;
    // What is started by a thread on one core stays there, with all its threads and processes.
    let mut pins = Pins::default();
    if options.pin {
        pins.put(&[this_thread], CORES[0])?;
    }
    let mut bench = Bench::start((options, note), setup, programs, gateway).await?;
    if options.pin {
        let gateway = gateway.context("no process of ours has the gateway's port open")?;
        pins.put(&cpu::threads(gateway), CORES[0])?;
        pins.put(&[this_thread], CORES[1])?;
        // They stand for other machines.
        for broker in bench.brokers() {
            pins.put(&cpu::threads(broker), CORES[1])?;
        }
    }
    let measured = bench.shapes().await?;
    let kept = bench.kept().await?;
    for (peer, Kept { answered, held }) in &kept {
        ensure!(held >= answered, "{} answered {answered} punches and holds {held}", peer.name());
    }
    Ok((measured, kept))
}

/// Threads that are pinned as long as this lives.
#[derive(Default)]
struct Pins(Vec<cpu::Pinned>);

impl Pins {
    fn put(&mut self, threads: &[u32], core: usize) -> anyhow::Result<()> {
        for thread in threads {
            let pinned = cpu::Pinned::to(*thread, core).with_context(|| format!("pinning to core {core}"))?;
            self.0.push(pinned);
        }
        Ok(())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // The last first: a thread that was moved twice ends where it was before.
        self.0.drain(..).rev().for_each(cpu::Pinned::release);
    }
}

/// The programs of the peers, and the peers without one, with the way to get it.
type Programs = (BTreeMap<Peer, Program>, BTreeMap<Peer, String>);

/// Finds the programs. One that Debian does not have may be absent, unless its peer is asked for by name.
fn programs(options: &Options, fleet: &Fleet) -> anyhow::Result<Programs> {
    let (mut programs, mut absent) = (BTreeMap::new(), BTreeMap::new());
    for peer in options.peers() {
        match program(peer, options, fleet)? {
            Some(program) => drop(programs.insert(peer, program)),
            None if options.only.is_empty() => drop(absent.insert(peer, nats::HOW.to_owned())),
            None => anyhow::bail!("{}: {}", peer.name(), nats::HOW),
        }
    }
    Ok((programs, absent))
}

fn program(peer: Peer, options: &Options, fleet: &Fleet) -> anyhow::Result<Option<Program>> {
    Ok(Some(match peer {
        Peer::Gateway | Peer::FleetDisk | Peer::FleetReplicated => Program::serving(fleet)?,
        Peer::Echo => Program::own(),
        Peer::Redis => redis::program()?,
        Peer::Nats => nats::program()?,
        Peer::NatsSynced | Peer::NatsThree => return nats::synced(options.nats.as_deref()),
        Peer::Postgres => postgres::program()?,
    }))
}

/// Raises the soft limit of open files, which the servers inherit, as far as it may go.
fn allow_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(FILES_MAX, |most| most.min(FILES_MAX));
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit { current: Some(most), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).context("raising the limit of open files")?;
    }
    Ok(())
}
