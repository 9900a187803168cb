//! `loadtest pages`: a citizen's code page and a place's page beside a static file, round by round over the same kept connections, so that
//! every figure is a ratio from one run. The file shows the cost of HTTP, the server's loop and the kernel; TLS is not measured here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::cpu::{self, Usage};
use bench::pace::{self, Lane, Schedule};
use device::clock;
use device::fleet::Fleet;
use tokio::task::{JoinSet, LocalSet};

use crate::citizens::browser::{Browser, CODE_MARK, Form, PLACE_MARK};
use crate::citizens::inbox::Inbox;
use crate::citizens::{pages_of, places};
use crate::http::{Bytes, Connection, Full, Request};
use crate::out::note;

mod load;

use load::{Count, load};

/// The proxy whose `X-Forwarded-For` a development city trusts.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The length of the first part of a turn, which is not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// The time after its end for which a turn waits for the last answers.
const TURN_EXTRA_MAX: Duration = Duration::from_secs(15);

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections that are kept
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub connections: u32,
    /// Pages a second over all connections, each requested at its scheduled time instead of one after another
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Rounds of each target
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Length of a turn, after its warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub seconds: u32,
    /// Link in a place's printed code; without one, a place is added
    #[arg(long, value_parser = link)]
    pub link: Option<String>,
    /// Phone number that signs in
    #[arg(long, default_value = "16399990001")]
    pub phone: String,
    /// Identity document of the phone's person, if the phone has no code yet
    #[arg(long, default_value = "39990219900101901X")]
    pub document: String,
    /// The development city's data directory
    #[arg(long, default_value = "./changtong-data")]
    pub data: PathBuf,
}

/// A target of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A static file: the floor.
    Style,
    /// The citizen's own code page.
    Code,
    /// The page of a place's printed code.
    Place,
}

impl Target {
    /// All of them, the floor first.
    pub const ALL: [Self; 3] = [Self::Style, Self::Code, Self::Place];

    /// Returns the name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Style => "/s/style.css",
            Self::Code => "/code",
            Self::Place => "/p/LINK",
        }
    }

    fn path(self, link: &str) -> String {
        match self {
            Self::Style | Self::Code => self.name().to_owned(),
            Self::Place => format!("/p/{link}"),
        }
    }

    /// Returns a text that is in this page and in no other.
    fn mark(self) -> &'static str {
        match self {
            Self::Style => "{",
            Self::Code => CODE_MARK,
            Self::Place => PLACE_MARK,
        }
    }
}

/// The figures of one turn of one target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// The number of answers with status 200 that were counted.
    pub pages: u64,
    /// Pages a second.
    pub per_second: f64,
    /// The number of other answers, the warm-up's too.
    pub wrong: u64,
    /// Latency at p50 and p99, milliseconds, from the intended time if there is a rate.
    pub latency_ms: [f64; 2],
    /// The server's processor time for each page; everything else that the city does counts too.
    pub server_cpu: Option<Duration>,
    /// This program's processor time for each page.
    pub client_cpu: Option<Duration>,
    /// The size of a body, bytes.
    pub bytes: usize,
}

/// One turn of each target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round([Figures; Target::ALL.len()]);

impl Round {
    /// Returns the figures of that target.
    pub fn of(&self, target: Target) -> &Figures {
        &self.0[target as usize]
    }

    /// Returns true if every answer was a page.
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|figures| figures.wrong == 0)
    }
}

/// Runs all rounds, on this thread.
///
/// # Errors
/// No development city runs there on loopback, the visitor cannot sign in, or a connection is lost.
pub fn run(options: &Options) -> anyhow::Result<Vec<Round>> {
    let fleet = Fleet::load(&options.data)?;
    let pages = pages_of(&fleet)?;
    let link = options.link.clone().map_or_else(|| places::add(&fleet), Ok)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(async {
        let mut visitor = signed_in(&fleet, pages, options).await?;
        let mut asked = Vec::new();
        for target in Target::ALL {
            let path = target.path(&link);
            let bytes = visitor.check(&path, target.mark()).await?;
            asked.push((target, visitor.request(&path), bytes));
        }
        let gateway = Usage::of_port(fleet.quic[0]).map(|usage| usage.process);
        Bench { options, pages, gateway, asked }.rounds().await
    }))
}

fn link(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { Ok(text.to_owned()) } else { Err("must be the part after /p/ in a printed link".to_owned()) }
}

/// Opens a browser, signs its visitor in and applies if there is no code yet.
async fn signed_in(fleet: &Fleet, pages: SocketAddr, options: &Options) -> anyhow::Result<Browser> {
    let mut browser = Browser::open(pages, None).await.context("connecting to the pages")?;
    browser.sign_in(&Inbox::new(fleet.http), &options.phone, "/code").await.context(
        "signing in; a phone gets one code a minute and some a day, so wait, or give another with --phone and --document",
    )?;
    if !browser.says("/code", CODE_MARK).await? {
        let form = Form { name: "做试验", document: &options.document, district: "360102" };
        browser.apply(&form, "/code").await.context("applying; is --document that of --phone?")?;
    }
    Ok(browser)
}

struct Bench<'a> {
    options: &'a Options,
    pages: SocketAddr,
    gateway: Option<u32>,
    /// Each target with its request and the bytes of its body.
    asked: Vec<(Target, Request<Full<Bytes>>, usize)>,
}

impl Bench<'_> {
    async fn rounds(&self) -> anyhow::Result<Vec<Round>> {
        let mut connections = Vec::new();
        for _ in 0..self.options.connections {
            let opened = Connection::open(self.pages, Some(PROXY)).await;
            connections.push(opened.context("connecting to the pages")?);
        }
        let mut rounds = Vec::new();
        for number in 0..self.options.rounds as usize {
            let mut round = Round::default();
            // Taking turns in going first, so that none always runs on the warmer machine.
            for turn in 0..self.asked.len() {
                let (target, request, bytes) = &self.asked[(number + turn) % self.asked.len()];
                let figures = self.turn(&mut connections, request).await.with_context(|| target.name())?;
                round.0[*target as usize] = Figures { bytes: *bytes, ..figures };
            }
            let of_file = |target| round.of(target).per_second / round.of(Target::Style).per_second;
            let (code, place) = (of_file(Target::Code), of_file(Target::Place));
            note!("round {}: ratio {code:.2} for one's own code, {place:.2} for a place", number + 1);
            rounds.push(round);
        }
        Ok(rounds)
    }

    async fn turn(
        &self,
        connections: &mut Vec<Connection>,
        request: &Request<Full<Bytes>>,
    ) -> anyhow::Result<Figures> {
        let start = clock::now();
        let end = start + WARM_UP + Duration::from_secs(self.options.seconds.into());
        let count = Rc::new(Count::default());
        let mut running = JoinSet::new();
        for (connection, lane) in connections.drain(..).zip(self.lanes(start, end)) {
            running.spawn_local(load(connection, lane, request.clone(), end, Rc::clone(&count)));
        }
        let server = || self.gateway.and_then(Usage::of);
        let client = || cpu::this_thread().and_then(Usage::of_thread);
        tokio::time::sleep(WARM_UP).await;
        count.gauge.turn(true);
        let (from, before) = (clock::now(), (server(), client()));
        tokio::time::sleep_until(end.into()).await;
        count.gauge.turn(false);
        let (took, after) = (clock::since(from), (server(), client()));
        let joined = async {
            while let Some(connection) = running.join_next().await {
                connections.push(connection??);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(TURN_EXTRA_MAX, joined).await.context("waiting for the last answers")??;
        let pages = count.gauge.scans();
        ensure!(pages + count.wrong.get() > 0, "nothing was answered within a turn");
        Ok(Figures {
            pages,
            per_second: pages as f64 / took.as_secs_f64(),
            wrong: count.wrong.get(),
            latency_ms: [0.5, 0.99].map(|quantile| count.gauge.latency_ms(quantile)),
            server_cpu: cpu::each(before.0, after.0, pages),
            client_cpu: cpu::each(before.1, after.1, pages),
            bytes: 0,
        })
    }

    /// Returns the schedule of each connection in a turn; `None` for one request after another.
    fn lanes(&self, start: Instant, end: Instant) -> Vec<Option<Lane>> {
        let count = self.options.connections as usize;
        let Some(rate) = self.options.rate else { return (0..count).map(|_| None).collect() };
        let (lanes, keep) = pace::lanes(Schedule { start, rate, end }, count);
        tokio::spawn(keep);
        lanes.into_iter().map(Some).collect()
    }
}
