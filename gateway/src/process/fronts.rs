//! The fronts of the process: their sockets, their start and their end. Each front has a thread with one endpoint, its sessions and its own
//! actor of each region; the work of one is in `quic`. Nothing passes from one front to another.

use std::net::UdpSocket;
use std::sync::Arc;

use actors::judge::Judge;
use actors::query::Queries;
use actors::region::{Directory, RegionConfig};
use actors::tap::Taps;
use anyhow::Context;
use fleet::Peers;
use ledger::LedgerHandle;
use protocol::{RegionId, metric};
use runtime::arbiter::{self, ArbiterThread, Pulse};
use tokio::sync::{oneshot, watch};

use crate::config::Settings;
use crate::fleet::Fleet;
use crate::quic::front::{Front, Together};
use crate::quic::{endpoint, steering};
use crate::tls::connection_ids::FrontNumber;
use crate::tls::transport;

/// Returns the sockets of the fronts: those that were handed over, or new ones on the configured address. The kernel steers packets to
/// them from here on.
pub(super) fn sockets(settings: &Settings, handed: Vec<UdpSocket>) -> anyhow::Result<Vec<UdpSocket>> {
    if handed.is_empty() {
        return steering::bind(settings.quic, settings.fronts.here());
    }
    steering::steer(&handed)?;
    Ok(handed)
}

/// The parts that every front uses.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) fleet: Fleet,
    pub(super) judge: Arc<Judge>,
    pub(super) ledger: LedgerHandle,
    pub(super) taps: Taps,
    pub(super) queries: Queries,
    pub(super) regions: Vec<RegionId>,
    pub(super) numbers: Numbers,
    /// The other gateways of the fleet; `None` without one.
    pub(super) peers: Option<Peers>,
}

/// The numbers of the settings that concern all fronts together.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// The most connections of devices.
    connections_max: usize,
    /// The fronts that the settings ask for on this machine. The sockets that are handed over may be fewer.
    wanted: usize,
}

impl Numbers {
    /// Takes them from the settings.
    pub(super) fn of(settings: &Settings) -> Self {
        Self { connections_max: settings.connections_max, wanted: settings.fronts.here() }
    }
}

/// The running fronts.
pub(super) struct FrontThreads {
    threads: Vec<ArbiterThread>,
    drain: watch::Sender<bool>,
    /// Dropped once the pages send no more punches: the first front's regions end after that.
    pages_gone: oneshot::Sender<()>,
}

/// The parts of the fronts that others use.
pub(super) struct Reached {
    /// The regions of the first front, for the pages.
    pub(super) directory: Directory,
    /// One endpoint for each front, for a reload.
    pub(super) endpoints: Vec<quinn::Endpoint>,
}

impl FrontThreads {
    /// Starts a front on each socket. `secret` is `quic.key`.
    pub(super) fn start(
        common: &Common,
        sockets: Vec<UdpSocket>,
        (secret, tls): (&[u8; 64], &quinn::ServerConfig),
    ) -> anyhow::Result<(Self, Reached)> {
        metrics::gauge!(metric::FRONTS).set(sockets.len() as f64);
        metrics::gauge!(metric::FRONTS_WANTED).set(common.numbers.wanted as f64);
        let (drain, draining) = watch::channel(false);
        let (pages_gone, gone) = oneshot::channel();
        let shared = (Together::new(common.numbers.connections_max), RegionConfig::new(common.taps.clone()));
        let (mut threads, mut endpoints) = (Vec::new(), Vec::new());
        let (mut pages, mut first) = (Some(gone), None);
        for (number, socket) in FrontNumber::all(sockets.len()).zip(sockets) {
            let config = (transport::endpoint_config(secret, number), tls.clone());
            let starting = Starting {
                number,
                common: common.clone(),
                shared: shared.clone(),
                drain: draining.clone(),
                pages: pages.take(),
            };
            let (thread, directory, endpoint) = starting.start(socket, config)?;
            threads.push(thread);
            endpoints.push(endpoint);
            first.get_or_insert(directory);
        }
        let directory = first.context("a gateway has one front at least, and no socket was given for it")?;
        Ok((Self { threads, drain, pages_gone }, Reached { directory, endpoints }))
    }

    /// Returns the pulse of each front, for the watchdog.
    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.threads.iter().map(ArbiterThread::pulse)
    }

    /// Reports whether a front has ended, which none does before it is told to.
    pub(super) fn has_lost_one(&self) -> bool {
        self.threads.iter().any(ArbiterThread::is_finished)
    }

    /// Tells all fronts at once that the process ends, so that their devices are drained in the time of one.
    pub(super) fn drain(&self) {
        self.drain.send_replace(true);
    }

    /// Ends the regions, after the pages, and waits for each front in order.
    pub(super) fn join(self) {
        drop(self.pages_gone);
        for (front, thread) in self.threads.into_iter().enumerate() {
            if let Err(error) = thread.join() {
                tracing::error!(error, front, "a front ended badly");
            }
        }
    }
}

/// The part that a front takes with it.
struct Starting {
    number: FrontNumber,
    common: Common,
    shared: (Together, RegionConfig),
    drain: watch::Receiver<bool>,
    /// Resolves when the pages are gone, on the front whose regions they use.
    pages: Option<oneshot::Receiver<()>>,
}

impl Starting {
    /// Starts the front with its regions. They end when devices are drained and the pages, which punch there, too, are gone.
    fn start(
        self,
        socket: UdpSocket,
        quic: (quinn::EndpointConfig, quinn::ServerConfig),
    ) -> anyhow::Result<(ArbiterThread, Directory, quinn::Endpoint)> {
        let (sender, started) = std::sync::mpsc::sync_channel(1);
        let Self { number, common, shared: (together, config), drain, pages } = self;
        let thread = arbiter::spawn(&format!("front-{}", number.front), move || async move {
            let Common { fleet, judge, ledger, taps, queries, regions, peers, .. } = common;
            let directory = Directory::start(&regions, &judge, &ledger, &config);
            let opened = endpoint::open(socket, quic);
            let endpoint = opened.as_ref().ok().cloned();
            let told = opened.map(|endpoint| (directory.clone(), endpoint));
            let (Ok(()), Some(endpoint)) = (sender.send(told), endpoint) else { return };
            let front =
                Front { number, together, fleet, directory, judge, ledger, taps, queries, peers, drain };
            endpoint::serve(endpoint, front).await;
            if let Some(pages) = pages {
                let _ = pages.await;
            }
        })?;
        let (directory, endpoint) =
            started.recv().context("starting the regions")?.context("opening the QUIC endpoint")?;
        Ok((thread, directory, endpoint))
    }
}
