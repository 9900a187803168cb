//! The gateway as a process: opens what it stands on, starts its threads, and ends them in order when it is told to.

mod offline;
mod signals;
mod vitals;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::judge::PlaceKinds;
use actors::registrar::RegistrarHandle;
use actors::scanners::Scanners;
use actors::sunset;
use actors::tap::Taps;
use anyhow::{Context, bail};
use keys::Keys;
use ledger::{Ledger, LedgerConfig, LedgerHandle};
use policy::PolicyInEffect;
use protocol::{DeviceId, metric};
use registry::colours::Codes;
use registry::{DirectoryLock, PlaceRow, Registry};
use runtime::clock;
use signals::Signals;

use crate::counter::Counter;
use crate::ending::{self, EXIT_FAILED, EXIT_LEDGER};
use crate::fleet::Fleet;
use crate::http::{self, Readiness, Stage};
use crate::orders::{EnrolsAt, place::Home};
use crate::overview::Overview;
use crate::quic::endpoint;
use crate::reload::{Behind, Reload};
use crate::running::Gateway;
use crate::service::{Inherited, Notify};
use crate::usage::Usage;
use crate::vouching::{self, Vouching};
use crate::wall_clock::{self, WallClock};
use crate::{config, pki, poison, telemetry};

pub(crate) use vitals::Vitals;

/// All of a shutdown: drain, last acknowledgements, last sync.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// The interval at which alarms of what operators do are set; they are set with each order as well.
const ALARMS: Duration = Duration::from_secs(60);
/// The interval at which the process looks at what it uses itself.
const USAGE: Duration = Duration::from_secs(2);

/// The places of things and their names.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    /// True if everybody it serves is made up.
    pub(crate) test: bool,
    pub(crate) keys: PathBuf,
    /// The directory of the device authority.
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
    /// The place where citizens' pages are served; `None` for a gateway without pages.
    pub(crate) pages: Option<config::Pages>,
    pub(crate) segment_bytes_max: u64,
    pub(crate) queue_punches_max: usize,
    pub(crate) retention_days: u32,
    /// The policy's file.
    pub(crate) policy: PathBuf,
    /// The level of the log, unless the command line says it.
    pub(crate) log: String,
    pub(crate) operators: config::Operators,
    /// Whom to ask for trajectories.
    pub(crate) carriers: Vec<config::Carrier>,
    /// The way of codes to phones.
    pub(crate) sms: config::Sms,
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

    /// Says where citizens get their trajectory from their carrier itself: name, Chinese name, address.
    pub(crate) fn travel_pages(&self) -> Vec<[String; 3]> {
        let page = |carrier: &config::Carrier| {
            [carrier.name.clone(), carrier.name_zh.clone(), carrier.travel_page.clone()]
        };
        self.carriers.iter().map(page).collect()
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

/// The place where the process listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
    pub(crate) pages: Option<SocketAddr>,
}

/// The sockets of the process.
pub(crate) struct Sockets {
    quic: UdpSocket,
    http: TcpListener,
    enrol: TcpListener,
    pages: Option<TcpListener>,
}

impl Sockets {
    /// Says what was handed over is used; the rest is bound where the configuration says. To be bound before anything else of the process
    /// listens where the system likes: that could be one of these.
    pub(crate) fn bind(settings: &Settings, handed: Inherited) -> anyhow::Result<Self> {
        let Inherited { quic, http, enrol, pages } = handed;
        let bound = |handed: Option<TcpListener>, address| handed.map_or_else(|| http::bind(address), Ok);
        let pages = match (&settings.pages, pages) {
            (Some(config), Some(listener)) => Some(config.served_on(listener)?),
            (Some(config), None) => Some(http::bind(config.listen)?),
            (None, Some(_)) => bail!("the socket pages was handed over; the configuration has no [pages]"),
            (None, None) => None,
        };
        Ok(Self {
            quic: quic.map_or_else(|| endpoint::bind(settings.quic), Ok)?,
            http: bound(http, settings.http)?,
            enrol: bound(enrol, settings.enrol)?,
            pages,
        })
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            quic: self.quic.local_addr()?,
            http: self.http.local_addr()?,
            enrol: self.enrol.local_addr()?,
            pages: self.pages.as_ref().map(TcpListener::local_addr).transpose()?,
        })
    }
}

/// Runs a gateway until it is told to end. `announce` is called when devices are answered.
pub(crate) fn run(
    settings: &Settings,
    sockets: Sockets,
    notify: Notify,
    behind: Behind,
    announce: impl FnOnce(&Addresses) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    sunset::refuse(&settings.data)?;
    run_here(settings, sockets, notify, behind, announce).map_err(ending::weigh)
}

fn run_here(
    settings: &Settings,
    sockets: Sockets,
    notify: Notify,
    behind: Behind,
    announce: impl FnOnce(&Addresses) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    // From here on a signal is remembered, however early it comes.
    let mut signals = Signals::listen()?;
    let addresses = sockets.addresses()?;
    let _lock = DirectoryLock::take(&settings.data)?;
    let keys = Arc::new(Keys::load(&settings.keys)?);
    let metrics = telemetry::metrics()?;
    metrics::gauge!(metric::TEST_GATEWAY).set(f64::from(u8::from(settings.test)));
    let stores = vouching::before(settings)?;
    let mut registry = Registry::open(&stores.registry, &keys)?;
    if settings.pages.is_some() {
        registry.add_portals()?;
    }
    let wall_clock = WallClock::watch(&Settings::ledger_path(&settings.data), &registry)?;
    let start = clock::now();
    notify.status("recovering the punch log");
    let (ledger, log) = Ledger::open(&settings.ledger(&keys))?;
    metrics::gauge!(metric::RECOVERY_SECONDS).set(clock::since(start).as_secs_f64());
    let failed_before = poison::tell(&settings.data);

    let readiness = Readiness::new(notify);
    readiness.set(Stage::Loading);
    let inbox = settings.sms.inbox();
    let overview = Overview::new(registry.regions()?);
    let watched = (readiness.clone(), metrics.clone());
    let vitals = Some(Vitals::new(settings, watched, overview.clone(), log.clone(), addresses));
    let http = http::start(sockets.http, metrics, readiness.clone(), inbox, overview)?;
    let sockets_of = (sockets.quic, sockets.pages);
    let (started, readiness_of) = ((settings, behind), readiness.clone());
    let gateway =
        Gateway::start(started, &keys, registry, sockets_of, log.clone(), readiness_of, http.pulse())?;
    let vouching = Vouching::start(gateway.shared().registry, stores.ledger, log.clone())?;
    let enrolment = (sockets.enrol, gateway.identities());
    let enrols_at = Some(EnrolsAt {
        url: format!("https://{}/enrol/1", addresses.enrol),
        authority: pki::certificate_of(&std::path::absolute(&settings.authority)?),
    });
    let shared = Admin { vitals, enrols_at, ..gateway.shared() };
    let admin = crate::admin::start(settings, &shared, enrolment)?;
    gateway.watch(admin.pulse());
    announce(&addresses)?;
    let Addresses { quic, http: metrics, enrol, pages } = addresses;
    tracing::info!(%quic, %enrol, http = %metrics, pages = pages.map(tracing::field::display), "it listens");
    // Ready is told after this, so not before operators and enrolling devices are answered, too.
    gateway.load_codes(readiness.clone())?;

    let usage = Usage::new(&settings.data, &Settings::registry_path(&settings.data));
    let why = runtime.block_on(wait(&mut signals, &log, &gateway, (usage, wall_clock), failed_before));
    let code = begin_to_end(&why, &readiness, &settings.data);
    tracing::info!("draining");
    drop(admin);
    gateway.stop();
    if let Err(error) = http.stop() {
        tracing::error!(error, "stopping the HTTP server");
    }
    drop(log);
    ledger.shutdown();
    vouching.end();
    tracing::info!("stopped");
    Ok(code)
}

/// Tells how it ends, and sees to it that it does.
fn begin_to_end(why: &Why, readiness: &Readiness, data: &Path) -> ExitCode {
    let (code, by_force) = match why {
        Why::Told => (0, EXIT_FAILED),
        Why::Ledger => (EXIT_LEDGER, EXIT_LEDGER),
        Why::Front => (EXIT_FAILED, EXIT_FAILED),
    };
    // Before anything is told or written: the disk may be what hangs.
    ending::deadline(SHUTDOWN, by_force);
    match why {
        Why::Told => readiness.set(Stage::Draining),
        Why::Ledger => {
            readiness.set(Stage::Failed);
            poison::leave(data);
        }
        Why::Front => {}
    }
    ExitCode::from(code)
}

enum Why {
    Told,
    Ledger,
    Front,
}

async fn wait(
    signals: &mut Signals,
    ledger: &LedgerHandle,
    gateway: &Gateway,
    (mut usage, mut wall_clock): (Usage, WallClock),
    mut failed_before: bool,
) -> Why {
    let mut told = std::pin::pin!(tokio::time::sleep(poison::TOLD));
    let mut tick = tokio::time::interval(wall_clock::LOOK);
    let mut due = tokio::time::interval(ALARMS);
    let mut look = tokio::time::interval(USAGE);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Why::Told,
            _ = signals.interrupt.recv() => return Why::Told,
            () = ledger.poisoned() => return Why::Ledger,
            _ = signals.hangup.recv() => {
                if signals.terminal_is_gone() {
                    return Why::Told;
                }
                gateway.reload_soon();
            }
            () = &mut told, if failed_before => {
                failed_before = false;
                poison::told();
            }
            _ = due.tick() => {
                if !gateway.tell_alarms() {
                    due.reset_after(wall_clock::LOOK);
                }
            }
            _ = look.tick() => usage.look(),
            _ = tick.tick() => {
                wall_clock.look();
                gateway.count_codes();
                if gateway.front.is_finished() {
                    return Why::Front;
                }
            }
        }
    }
}

/// The context of the admin plane.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) fleet: Fleet,
    pub(crate) keys: Arc<Keys>,
    pub(crate) codes: Codes,
    /// The kinds of the places, for the judge.
    pub(crate) place_kinds: PlaceKinds,
    /// Devices whose scanners are set wrong.
    pub(crate) scanners: Scanners,
    /// The policy in effect; `None` when no gateway runs.
    pub(crate) policy: Option<PolicyInEffect>,
    /// The one who changes colours; `None` when no gateway runs.
    pub(crate) registrar: Option<RegistrarHandle>,
    /// For citizens at an office; `None` when no gateway runs, or without a message service.
    pub(crate) counter: Option<Counter>,
    /// The place where devices take their tokens; `None` when no gateway runs.
    pub(crate) enrols_at: Option<EnrolsAt>,
    /// The beginning of links to the pages; `None` when there are none.
    pub(crate) pages: Option<String>,
    /// The punch log's directory and that of its day keys, for reading.
    pub(crate) log: (PathBuf, PathBuf),
    pub(crate) homes: Vec<Home>,
    /// The one who is shown verdicts while they are given; `None` when no gateway runs.
    pub(crate) taps: Option<Taps>,
    /// Reads the files again; `None` when no gateway runs.
    pub(crate) reload: Option<Arc<Reload>>,
    /// The process's knowledge of itself; `None` when no gateway runs.
    pub(crate) vitals: Option<Vitals>,
}

impl Admin {
    /// Reads the registry.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on the registry where the fleet has nothing to follow.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&mut Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a device or changes it, then has the fleet follow: that device is read again, no other.
    pub(crate) fn change_device(
        &self,
        f: impl FnOnce(&mut Registry) -> anyhow::Result<DeviceId>,
    ) -> anyhow::Result<DeviceId> {
        self.write(|registry| {
            let device = f(registry)?;
            self.fleet.put(registry.device(device)?.with_context(|| format!("there is no device {device}"))?);
            Ok(device)
        })
    }

    /// Adds a place, if one comes of it, then has the fleet and the judge follow: the others are not read again.
    pub(crate) fn change_place(
        &self,
        f: impl FnOnce(&mut Registry) -> anyhow::Result<Option<PlaceRow>>,
    ) -> anyhow::Result<Option<PlaceRow>> {
        self.write(|registry| {
            let place = f(registry)?;
            if let Some(row) = &place {
                self.fleet.add_place(row.id, row.region);
                self.place_kinds.add(row.id, row.kind);
            }
            Ok(place)
        })
    }
}
