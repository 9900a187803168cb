//! `loadtest floor`: raw QUIC under the same shape of load, round by round beside the gateway, so that every figure is a ratio from one
//! run. The floor reads no frames: it shows the cost of QUIC, TLS and the kernel on this machine. Two gateway programs can take turns, too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use device::tokens::Tokens;
use protocol::{DeviceClass, limits};
use tokio::task::LocalSet;

use crate::Note;
use crate::cpu;
use crate::machine::{self, Machine};

pub(crate) mod client;
mod connect;
mod echo;
mod gateways;
mod growth;
mod json;
mod rounds;
pub mod server;
mod sync;
mod text;
pub mod verdict;

pub(crate) use connect::connect;
pub(crate) use echo::Echo;
use gateways::Gateway;
pub use growth::{Growth, growth};
pub use json::json;
use rounds::Bench;
pub use text::table;
use verdict::Verdict;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections; several numbers with commas are measured one after another, with the growth of the cost between them
    #[arg(long, visible_alias = "connections", default_value = "100", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub devices: Vec<u32>,
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
    /// Rounds of each side; a verdict takes seven
    #[arg(long, default_value_t = verdict::ROUNDS_MIN as u32, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Length of a round, after its warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub seconds: u32,
    /// Share of raw QUIC's scans a second that the gateway is to reach: exit code 99 if it does not, 98 if the machine was too noisy to tell
    #[arg(long)]
    pub goal: Option<f64>,
    /// Compare with this program of a gateway: both run on copies of the city, which is at rest, and take turns in each round
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// The program that is compared with the other one [default: the one that ran the city last]
    #[arg(long, requires = "against")]
    pub program: Option<PathBuf>,
    /// Put the servers on core 0 and this program's clients on core 1
    #[arg(long)]
    pub pin: bool,
    /// The development city's data directory
    #[arg(long, default_value = "./changtong-data")]
    pub data: PathBuf,
    /// The commit of this program [default: from git in the working directory]
    #[arg(long)]
    pub commit: Option<String>,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
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

impl Figures {
    fn cpu_us(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| cpu.as_secs_f64() * 1e6)
    }
}

/// One round of each side.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Raw QUIC.
    pub echo: Figures,
    /// The gateway.
    pub gateway: Figures,
    /// The gateway's other program, if two are compared.
    pub other: Option<Figures>,
    /// The median time of a write of 4 KiB with its data sync, on the city's disk.
    pub sync: Duration,
}

/// All rounds with that many connections.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The number of connections.
    pub devices: u32,
    /// Its rounds.
    pub rounds: Vec<Round>,
    /// The growth of the gateway's memory for each connection, KiB, if there are enough to tell.
    pub connection_kib: Option<f64>,
}

impl Measured {
    /// Returns a figure of the gateway divided by the echo's, in each round.
    pub fn of_echo(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        let ratio = |round: &Round| Some(figure(&round.gateway)? / figure(&round.echo)?);
        self.rounds.iter().filter_map(ratio).collect()
    }

    /// Returns a figure of the gateway divided by the other program's, in each round.
    pub fn of_other(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        let ratio = |round: &Round| Some(figure(&round.gateway)? / figure(round.other.as_ref()?)?);
        self.rounds.iter().filter_map(ratio).collect()
    }

    /// Returns a figure of the echo in each round.
    pub fn echo(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| figure(&round.echo)).collect()
    }

    /// Judges the gateway's share of the echo's scans a second by a goal.
    pub fn judged(&self, goal: f64) -> Option<Verdict> {
        Verdict::of(&self.of_echo(scans), goal, &self.echo(scans))
    }

    /// Judges a figure of the gateway by the other program's.
    pub fn compared(&self, figure: impl Fn(&Figures) -> Option<f64> + Copy) -> Option<Verdict> {
        Verdict::of(&self.of_other(figure), 1.0, &self.echo(figure))
    }
}

fn scans(one: &Figures) -> Option<f64> {
    Some(one.per_second)
}

/// The report of a run: the conditions, and all rounds.
#[derive(Clone, Debug)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The commit of this program, which has the clients and the echo.
    pub commit: Option<String>,
    /// Its profile.
    pub profile: &'static str,
    /// The gateway's version, profile and commit, and the other program's.
    pub gateways: Vec<String>,
    /// The measurements, in the order of the options.
    pub measured: Vec<Measured>,
}

/// The outcome of a run with a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every measurement reached it, or there was none.
    Reached,
    /// One missed it.
    Missed,
    /// None missed it, and one could not be judged.
    Unknown,
}

impl Report {
    /// Judges all measurements by the goal.
    pub fn outcome(&self, options: &Options) -> Outcome {
        let Some(goal) = options.goal else { return Outcome::Reached };
        self.measured.iter().map(|measured| measured.judged(goal)).fold(
            Outcome::Reached,
            |so_far, verdict| match (so_far, verdict) {
                (Outcome::Missed, _) | (_, Some(Verdict::Below { .. })) => Outcome::Missed,
                (so_far, Some(Verdict::Above { .. })) => so_far,
                (_, Some(Verdict::TooNoisy { .. } | Verdict::TooFew { .. }) | None) => Outcome::Unknown,
            },
        )
    }
}

/// Runs all rounds, on this thread and one for the echo. `note` is called after each round.
///
/// # Errors
/// No development city runs there, or one does where two programs are to run on copies of it; it has too few devices; a program does not
/// start; a side fails.
pub fn run(options: &Options, note: Note<'_>) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let gateways = runtime.block_on(Gateway::all(options, note))?;
    let tokens = Tokens::load(&gateways[0].fleet)?;
    let echo = Echo::start(&gateways[0].fleet, options.class())?;
    let pinned = if options.pin { pin(&gateways, echo.thread)? } else { Vec::new() };
    let bench = Bench { options, note, tokens: &tokens, gateways: &gateways, echo: &echo };
    let measured = runtime.block_on(LocalSet::new().run_until(async {
        tokio::select! {
            measured = bench.all() => measured,
            // What was started and copied for the run ends with it.
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    }));
    drop(runtime);
    pinned.into_iter().for_each(cpu::Pinned::release);
    echo.end()?;
    Ok(Report {
        machine: machine::here(),
        commit: options.commit.clone().or_else(machine::commit),
        profile: machine::profile(),
        gateways: gateways.iter().map(|gateway| gateway.version.clone()).collect(),
        measured: measured?,
    })
}

/// Pins all servers to one core, this thread to another.
fn pin(gateways: &[Gateway], echo: Option<u32>) -> anyhow::Result<Vec<cpu::Pinned>> {
    let mut servers = vec![echo.context("no /proc")?];
    for gateway in gateways {
        let process = gateway.process.context("no process of ours has the gateway's port open")?;
        servers.extend(cpu::threads(process));
    }
    let mut pinned = Vec::new();
    for thread in servers {
        pinned.push(cpu::Pinned::to(thread, 0)?);
    }
    pinned.push(cpu::Pinned::to(cpu::this_thread().context("no /proc")?, 1)?);
    Ok(pinned)
}
