//! The gateway as a process: opens what it stands on, starts its threads, and ends them in order when it is told to.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::carrier::Carriers;
use actors::clock;
use actors::codes::Codes;
use actors::directory::Directory;
use actors::front::{self, FrontHandle};
use actors::judge::{Judge, PlaceKinds};
use actors::keys::Keys;
use actors::ledger::{Ledger, LedgerConfig, LedgerHandle};
use actors::policy::PolicyInEffect;
use actors::query::{Queries, QueriesFront};
use actors::region::RegionConfig;
use actors::registrar::{RegistrarConfig, RegistrarFront, RegistrarHandle};
use actors::registry::{DirectoryLock, Registry};
use actors::watchdog;
use anyhow::Context;
use protocol::{RegionId, metric};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::config;
use crate::fleet::{Fleet, Places};
use crate::http::{self, Readiness, Stage};
use crate::quic::endpoint::{self, Front};
use crate::quic::transport::{self, TlsFiles};
use crate::{alarms, policies};
use crate::{telemetry, trajectory};

/// The punch log failed: start again, which recovers.
pub(crate) const EXIT_LEDGER: u8 = 75;
/// All of a shutdown: drain, last acknowledgements, last sync.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// How often alarms of what operators do are set; they are set with each order as well.
const ALARMS: Duration = Duration::from_secs(60);

/// Where things lie and what they are called.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) keys: PathBuf,
    /// The directory of the device authority.
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
    pub(crate) segment_bytes_max: u64,
    pub(crate) queue_punches_max: usize,
    pub(crate) retention_days: u32,
    /// The policy's file.
    pub(crate) policy: PathBuf,
    /// Whom to ask for trajectories.
    pub(crate) carriers: Vec<config::Carrier>,
}

impl Settings {
    /// The registry's file.
    pub(crate) fn registry_path(data: &Path) -> PathBuf {
        data.join("registry.db")
    }

    /// The punch log's directory.
    pub(crate) fn ledger_path(data: &Path) -> PathBuf {
        data.join("ledger")
    }

    fn ledger(&self, keys: &Keys) -> LedgerConfig {
        LedgerConfig {
            directory: Self::ledger_path(&self.data),
            day_keys: self.keys.join("days"),
            signing_pkcs8: keys.signing_pkcs8().to_vec(),
            segment_bytes_max: self.segment_bytes_max,
            retention_days: self.retention_days,
            queue_punches_max: self.queue_punches_max,
        }
    }
}

/// Where the process listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
}

struct Sockets {
    quic: UdpSocket,
    http: TcpListener,
    enrol: TcpListener,
}

impl Sockets {
    fn bind(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            quic: endpoint::bind(settings.quic)?,
            http: http::bind(settings.http)?,
            enrol: http::bind(settings.enrol)?,
        })
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            quic: self.quic.local_addr()?,
            http: self.http.local_addr()?,
            enrol: self.enrol.local_addr()?,
        })
    }
}

/// Runs a gateway until it is told to end. `announce` is called when devices are answered.
pub(crate) fn run(
    settings: &Settings,
    announce: impl FnOnce(&Addresses) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    // From here on a signal is remembered, however early it comes.
    let mut signals = Signals::listen()?;
    let sockets = Sockets::bind(settings)?;
    let addresses = sockets.addresses()?;
    let _lock = DirectoryLock::take(&settings.data)?;
    let keys = Arc::new(Keys::load(&settings.keys)?);
    let metrics = telemetry::metrics()?;
    let registry = Registry::open(&Settings::registry_path(&settings.data), &keys)?;
    let start = clock::now();
    let (ledger, log) = Ledger::open(&settings.ledger(&keys))?;
    metrics::gauge!(metric::RECOVERY_SECONDS).set(clock::since(start).as_secs_f64());

    let readiness = Readiness::default();
    let http = runtime.block_on(http::start(sockets.http, metrics, readiness.clone()))?;
    let gateway = Gateway::start(settings, &keys, registry, sockets.quic, log.clone(), readiness.clone())?;
    let admin = crate::admin::start(settings, &gateway.shared(), sockets.enrol)?;
    announce(&addresses)?;

    let why = runtime.block_on(wait(&mut signals, &log, &gateway));
    let code = match why {
        Why::Told => {
            readiness.set(Stage::Draining);
            ExitCode::SUCCESS
        }
        Why::Ledger => {
            readiness.set(Stage::Failed);
            ExitCode::from(EXIT_LEDGER)
        }
        Why::Front => ExitCode::FAILURE,
    };
    tracing::info!("draining");
    deadline(SHUTDOWN)?;
    drop(admin);
    gateway.stop();
    if let Err(error) = runtime.block_on(http.stop()) {
        tracing::error!(error, "stopping the HTTP server");
    }
    drop(log);
    ledger.shutdown();
    tracing::info!("stopped");
    Ok(code)
}

/// Ends the process if it has not ended by then: whatever hangs, nothing unsynced was acknowledged.
fn deadline(limit: Duration) -> std::io::Result<()> {
    let (_stay, never) = std::sync::mpsc::sync_channel::<()>(0);
    std::thread::Builder::new().name("deadline".to_owned()).spawn(move || {
        let _stay = _stay;
        let _ = never.recv_timeout(limit);
        tracing::error!("the shutdown took too long");
        std::process::exit(1);
    })?;
    Ok(())
}

enum Why {
    Told,
    Ledger,
    Front,
}

/// What tells the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

async fn wait(signals: &mut Signals, ledger: &LedgerHandle, gateway: &Gateway) -> Why {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let mut due = tokio::time::interval(ALARMS);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Why::Told,
            _ = signals.interrupt.recv() => return Why::Told,
            () = ledger.poisoned() => return Why::Ledger,
            _ = due.tick() => gateway.tell_alarms(),
            _ = tick.tick() => {
                gateway.count_codes();
                if gateway.front.is_finished() {
                    return Why::Front;
                }
            }
        }
    }
}

/// What the admin plane works with.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) fleet: Fleet,
    pub(crate) keys: Arc<Keys>,
    pub(crate) codes: Codes,
    /// What kinds the places are, for the judge.
    pub(crate) place_kinds: PlaceKinds,
    /// What is in effect; `None` when no gateway runs.
    pub(crate) policy: Option<PolicyInEffect>,
    /// Who changes colours; `None` when no gateway runs.
    pub(crate) registrar: Option<RegistrarHandle>,
    /// The punch log's directory and that of its day keys, for reading.
    pub(crate) log: (PathBuf, PathBuf),
}

impl Admin {
    /// For a registry on which no gateway runs.
    pub(crate) fn offline(data: &Path, keys_directory: &Path, registry: Registry, keys: Keys) -> Self {
        let (registry, keys) = (Arc::new(Mutex::new(registry)), Arc::new(keys));
        let (fleet, place_kinds) = (Fleet::default(), PlaceKinds::default());
        let log = (Settings::ledger_path(data), Keys::days(keys_directory));
        Self { registry, fleet, keys, codes: Codes::new(0), place_kinds, policy: None, registrar: None, log }
    }

    /// Reads the registry.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on the registry where the fleet has nothing to follow.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&mut Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on the registry, then has the fleet follow it.
    pub(crate) fn change<T>(&self, f: impl FnOnce(&mut Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut registry)?;
        reload(&registry, &self.fleet, &self.place_kinds)?;
        Ok(result)
    }
}

fn reload(registry: &Registry, fleet: &Fleet, place_kinds: &PlaceKinds) -> anyhow::Result<()> {
    place_kinds.reload(registry.place_kinds()?);
    let places: Places = registry.places()?.into_iter().map(|(place, region, _)| (place, region)).collect();
    fleet.reload_places(places);
    fleet.reload(registry.devices()?);
    Ok(())
}

struct Gateway {
    front: FrontHandle,
    drain: watch::Sender<bool>,
    codes: Codes,
    admin: Admin,
    registrar: RegistrarFront,
    queries: QueriesFront,
    carriers: Carriers,
    _watchdog: watchdog::Watchdog,
}

impl Gateway {
    fn start(
        settings: &Settings,
        keys: &Arc<Keys>,
        registry: Registry,
        socket: UdpSocket,
        ledger: LedgerHandle,
        readiness: Readiness,
    ) -> anyhow::Result<Self> {
        let policy = PolicyInEffect::new(policies::at_start(&registry, &settings.policy)?);
        let (fleet, place_kinds) = (Fleet::default(), PlaceKinds::default());
        reload(&registry, &fleet, &place_kinds)?;
        let regions: Vec<RegionId> = registry.regions()?.into_iter().map(|row| row.id).collect();
        let codes = Codes::new(usize::try_from(registry.estimate_codes()?).unwrap_or(0));
        let gateway = registry.gateway()?;
        let registry = Arc::new(Mutex::new(registry));
        let config = RegistrarConfig {
            signing_pkcs8: keys.signing_pkcs8().to_vec().into(),
            ..RegistrarConfig::default()
        };
        let (handle, registrar) =
            RegistrarHandle::start(Arc::clone(&registry), codes.clone(), policy.clone(), config)?;
        let (tokens, legacy) = (keys.token_keys(), keys.legacy());
        let judge = Judge::new(codes.clone(), tokens, legacy, gateway, policy.clone(), place_kinds.clone());
        let judge = Arc::new(judge);
        let carriers: Vec<_> =
            settings.carriers.iter().map(config::Carrier::open).collect::<anyhow::Result<_>>()?;
        let carriers = Carriers::start(&carriers)?;
        let (queries, asking) = Queries::start(handle.clone(), carriers.clone())?;
        let ask = trajectory::asking(queries, policy.clone());
        let (drain, draining) = watch::channel(false);
        let (endpoint_config, server_config) = quic_config(settings, keys)?;
        let admin = Admin {
            registry: Arc::clone(&registry),
            fleet: fleet.clone(),
            keys: Arc::clone(keys),
            codes: codes.clone(),
            place_kinds,
            policy: Some(policy),
            registrar: Some(handle),
            log: (Settings::ledger_path(&settings.data), Keys::days(&settings.keys)),
        };
        let front = front::spawn("front", move || async move {
            let directory = Directory::start(&regions, &judge, &ledger, &RegionConfig::default());
            let front = Front { fleet, directory, judge, ledger, ask, drain: draining };
            if let Err(error) = endpoint::serve(socket, endpoint_config, server_config, front).await {
                tracing::error!(%error, "the QUIC endpoint ended");
            }
        })?;
        let pulses = std::iter::once(front.pulse()).chain(carriers.pulses()).collect();
        let watchdog = watchdog::start(pulses, watchdog::BLOCKED_AFTER, |name| {
            tracing::error!(name, "a thread is blocked; the process ends");
            std::process::exit(watchdog::EXIT_BLOCKED);
        })?;
        load_codes(admin.clone(), readiness)?;
        Ok(Self { front, drain, codes, admin, registrar, queries: asking, carriers, _watchdog: watchdog })
    }

    fn shared(&self) -> Admin {
        self.admin.clone()
    }

    /// What operators do that somebody should look at.
    fn tell_alarms(&self) {
        // An import may hold it for minutes; there is another turn.
        let Ok(registry) = self.admin.registry.try_lock() else { return };
        if let Err(error) = alarms::tell(&registry, clock::now_ms() / 1000) {
            tracing::error!(%error, "what operators do cannot be counted");
        }
    }

    fn count_codes(&self) {
        for (colour, count) in protocol::Colour::ALL.iter().zip(self.codes.by_colour()) {
            metrics::gauge!(metric::CODES, "colour" => colour.name()).set(count as f64);
        }
    }

    fn stop(self) {
        self.drain.send_replace(true);
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
    let tls = transport::tls(&TlsFiles {
        authority: &read(&settings.authority.join("ca.pem"))?,
        certificate: &read(&settings.certificate)?,
        key: key.as_bytes(),
    })?;
    Ok((transport::endpoint_config(keys.quic()), transport::server_config(tls, keys.quic())?))
}
