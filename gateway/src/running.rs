//! The parts of a running gateway: what is started, in which order, and how it ends. Each thread's work is elsewhere.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actors::carrier::Carriers;
use actors::clock;
use actors::codes::Codes;
use actors::directory::Directory;
use actors::front::{self, FrontHandle};
use actors::judge::{Judge, PlaceKinds};
use actors::keys::Keys;
use actors::ledger::LedgerHandle;
use actors::policy::PolicyInEffect;
use actors::query::{Queries, QueriesFront};
use actors::region::RegionConfig;
use actors::registrar::{RegistrarConfig, RegistrarFront, RegistrarHandle};
use actors::registry::Registry;
use actors::sms::Sms;
use actors::watchdog;
use anyhow::Context;
use protocol::{RegionId, metric};
use tokio::sync::{oneshot, watch};

use crate::certificates::{self, InUse};
use crate::counter::Counter;
use crate::fleet::Fleet;
use crate::http::Readiness;
use crate::portal::{self, Pages, Portal, Records};
use crate::process::{Admin, Settings, reload};
use crate::quic::endpoint::{self, Front};
use crate::quic::queries::Ask;
use crate::quic::transport::{self, TlsFiles};
use crate::{alarms, config, policies, trajectory};

/// What runs.
pub(crate) struct Gateway {
    pub(crate) front: FrontHandle,
    drain: watch::Sender<bool>,
    codes: Codes,
    admin: Admin,
    registrar: RegistrarFront,
    queries: QueriesFront,
    carriers: Carriers,
    pages: Option<Pages>,
    /// Dropped when nobody punches on the pages any more: the regions end after that.
    pages_gone: oneshot::Sender<()>,
    _watchdog: watchdog::Watchdog,
}

impl Gateway {
    pub(crate) fn start(
        settings: &Settings,
        keys: &Arc<Keys>,
        registry: Registry,
        (socket, pages): (UdpSocket, Option<TcpListener>),
        ledger: LedgerHandle,
        readiness: Readiness,
    ) -> anyhow::Result<Self> {
        let policy = PolicyInEffect::new(policies::at_start(&registry, &settings.policy)?);
        let (fleet, place_kinds) = (Fleet::default(), PlaceKinds::default());
        reload(&registry, &fleet, &place_kinds)?;
        let regions: Vec<RegionId> = registry.regions()?.into_iter().map(|row| row.id).collect();
        let codes = Codes::new(usize::try_from(registry.estimate_codes()?).unwrap_or(0));
        let judge = judge(keys, &codes, registry.gateway()?, &policy, &place_kinds);
        let registry = Arc::new(Mutex::new(registry));
        let config = RegistrarConfig {
            signing_pkcs8: keys.signing_pkcs8().to_vec().into(),
            ..RegistrarConfig::default()
        };
        let (handle, registrar) =
            RegistrarHandle::start(Arc::clone(&registry), codes.clone(), policy.clone(), config)?;
        let carriers = settings.carriers.iter().map(config::Carrier::open);
        let carriers = Carriers::start(&carriers.collect::<anyhow::Result<Vec<_>>>()?)?;
        let (queries, asking) = Queries::start(handle.clone(), carriers.clone())?;
        let ask = trajectory::asking(queries.clone(), policy.clone());
        let sms = settings.sms.open(keys)?;
        let counter = sms.clone().map(|sms| Counter::new(handle.clone(), queries.clone(), sms));
        let (drain, draining) = watch::channel(false);
        let (endpoint_config, server_config) = quic_config(settings, keys)?;
        let origin = settings.pages.as_ref().zip(pages.as_ref()).map(|(config, at)| config.origin(at));
        let admin = Admin {
            registry: Arc::clone(&registry),
            fleet: fleet.clone(),
            keys: Arc::clone(keys),
            codes: codes.clone(),
            place_kinds,
            policy: Some(policy.clone()),
            registrar: Some(handle.clone()),
            counter,
            pages: origin.transpose()?,
            log: (Settings::ledger_path(&settings.data), Keys::days(&settings.keys)),
            vitals: None,
        };
        let records = ledger.clone();
        let front = Fronted { fleet, judge, ledger, ask, drain: draining };
        let (front, directory, pages_gone) =
            front.serve(socket, (endpoint_config, server_config), regions)?;
        let pages = start_pages(settings, pages, sms, &registry, |sms, origin| portal::Services {
            registrar: handle,
            queries,
            sms,
            codes: codes.clone(),
            keys: Arc::clone(keys),
            policy,
            travel_pages: settings.travel_pages(),
            origin,
            records: Records { directory, ledger: records },
        })?;
        let pulses = std::iter::once(front.pulse()).chain(carriers.pulses()).collect();
        let watchdog = watchdog::start(pulses, watchdog::BLOCKED_AFTER, readiness.beat(), |name| {
            tracing::error!(name, "a thread is blocked; the process ends");
            std::process::exit(watchdog::EXIT_BLOCKED);
        })?;
        load_codes(admin.clone(), readiness)?;
        Ok(Self {
            front,
            drain,
            codes,
            admin,
            registrar,
            queries: asking,
            carriers,
            pages,
            pages_gone,
            _watchdog: watchdog,
        })
    }

    pub(crate) fn shared(&self) -> Admin {
        self.admin.clone()
    }

    /// What operators do that somebody should look at.
    pub(crate) fn tell_alarms(&self) {
        // An import may hold it for minutes; there is another turn.
        let Ok(registry) = self.admin.registry.try_lock() else { return };
        if let Err(error) = alarms::tell(&registry, clock::now_ms() / 1000) {
            tracing::error!(%error, "what operators do cannot be counted");
        }
    }

    pub(crate) fn count_codes(&self) {
        for (colour, count) in protocol::Colour::ALL.iter().zip(self.codes.by_colour()) {
            metrics::gauge!(metric::CODES, "colour" => colour.name()).set(count as f64);
        }
    }

    pub(crate) fn stop(self) {
        self.drain.send_replace(true);
        if let Some(Err(error)) = self.pages.map(Pages::stop) {
            tracing::error!(error, "the pages ended badly");
        }
        drop(self.pages_gone);
        if let Err(error) = self.front.join() {
            tracing::error!(error, "the front ended");
        }
        // Queries under way come to their end, then the registrar, which keeps their outcomes.
        for (what, ended) in [
            ("the queries", self.queries.stop()),
            ("a carrier", self.carriers.stop()),
            ("the registrar", self.registrar.stop()),
        ] {
            if let Err(error) = ended {
                tracing::error!(error, what, "a thread ended badly");
            }
        }
    }
}

fn judge(
    keys: &Keys,
    codes: &Codes,
    gateway: u16,
    policy: &PolicyInEffect,
    places: &PlaceKinds,
) -> Arc<Judge> {
    let (tokens, legacy) = (keys.token_keys(), keys.legacy());
    Arc::new(Judge::new(codes.clone(), tokens, legacy, gateway, policy.clone(), places.clone()))
}

/// What the front takes with it.
struct Fronted {
    fleet: Fleet,
    judge: Arc<Judge>,
    ledger: LedgerHandle,
    ask: Ask,
    drain: watch::Receiver<bool>,
}

impl Fronted {
    /// Starts the front with its regions. They end when devices are drained and the sender is dropped: the pages punch there, too.
    fn serve(
        self,
        socket: UdpSocket,
        (endpoint_config, server_config): (quinn::EndpointConfig, quinn::ServerConfig),
        regions: Vec<RegionId>,
    ) -> anyhow::Result<(FrontHandle, Directory, oneshot::Sender<()>)> {
        let (sender, started) = std::sync::mpsc::sync_channel(1);
        let (pages, pages_gone) = oneshot::channel::<()>();
        let Self { fleet, judge, ledger, ask, drain } = self;
        let front = front::spawn("front", move || async move {
            let directory = Directory::start(&regions, &judge, &ledger, &RegionConfig::default());
            if sender.send(directory.clone()).is_err() {
                return;
            }
            let front = Front { fleet, directory, judge, ledger, ask, drain };
            match endpoint::serve(socket, endpoint_config, server_config, front).await {
                Ok(()) => drop(pages_gone.await),
                Err(error) => tracing::error!(%error, "the QUIC endpoint ended"),
            }
        })?;
        let directory = started.recv().context("starting the regions")?;
        Ok((front, directory, pages))
    }
}

/// The pages, if there are to be any.
fn start_pages(
    settings: &Settings,
    listener: Option<TcpListener>,
    sms: Option<Sms>,
    registry: &Mutex<Registry>,
    services: impl FnOnce(Sms, String) -> portal::Services,
) -> anyhow::Result<Option<Pages>> {
    let (Some(config), Some(listener)) = (&settings.pages, listener) else { return Ok(None) };
    let sms = sms.context("pages need a message service: nobody could sign in")?;
    let services = services(sms, config.origin(&listener)?);
    let portal = Portal::new(services, &registry.lock().unwrap_or_else(PoisonError::into_inner))?;
    Ok(Some(portal::start(portal, listener, config.tls()?)?))
}

/// Colours are unknown until all of them are there; devices are answered meanwhile.
fn load_codes(admin: Admin, readiness: Readiness) -> std::io::Result<()> {
    std::thread::Builder::new().name("load-codes".to_owned()).spawn(move || {
        let start = clock::now();
        match admin.read(|registry| Ok(registry.load_codes(&admin.codes)?)) {
            Ok(loaded) => {
                let seconds = clock::since(start).as_secs_f64();
                metrics::gauge!(metric::CODES_LOAD_SECONDS).set(seconds);
                tracing::info!(loaded, seconds, "codes are loaded");
                readiness.loaded();
            }
            Err(error) => tracing::error!(%error, "codes cannot be loaded; colours stay unknown"),
        }
    })?;
    Ok(())
}

fn quic_config(
    settings: &Settings,
    keys: &Keys,
) -> anyhow::Result<(quinn::EndpointConfig, quinn::ServerConfig)> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    let key = actors::keys::read_secret(&settings.key)?;
    let authority = read(&settings.authority.join("ca.pem"))?;
    let certificate = read(&settings.certificate)?;
    certificates::tell(InUse::Authority, &authority);
    certificates::tell(InUse::Server, &certificate);
    let tls =
        transport::tls(&TlsFiles { authority: &authority, certificate: &certificate, key: key.as_bytes() })?;
    Ok((transport::endpoint_config(keys.quic()), transport::server_config(tls, keys.quic())?))
}
