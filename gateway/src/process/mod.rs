//! The gateway as a process: opens what it stands on, starts its threads, and ends them in order when it is told to.

mod fronts;
mod load_codes;
mod running;
mod signals;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actors::sunset;
use anyhow::bail;
use keys::Keys;
use ledger::{Ledger, LedgerHandle};
use protocol::metric;
use registry::{DirectoryLock, Registry};
use running::{Gateway, Start};
use runtime::clock;
use signals::Signals;

use crate::config::Settings;
use crate::ending::{self, EXIT_FAILED, EXIT_LEDGER};
use crate::host::poison;
use crate::host::readiness::{Readiness, Stage};
use crate::host::service::{Inherited, Notify};
use crate::host::usage::Usage;
use crate::host::vouching::{self, Vouching};
use crate::host::wall_clock::{self, WallClock};
use crate::leading::Leading;
use crate::operator::EnrolsAt;
use crate::operator::Vitals;
use crate::overview::Overview;
use crate::reload::Behind;
use crate::status::Listens;
use crate::tls::pki;
use crate::{door, enrol, http, operator, telemetry};

/// All of a shutdown: drain, last acknowledgements, last sync.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// The interval at which alarms of what operators do are set; they are set with each order as well.
const ALARMS: Duration = Duration::from_secs(60);
/// The interval at which the process looks at what it uses itself.
const USAGE: Duration = Duration::from_secs(2);

/// The place where the process listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) quic: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) enrol: SocketAddr,
    pub(crate) pages: Option<SocketAddr>,
}

impl Addresses {
    fn listens(&self, fronts: usize) -> Listens {
        Listens {
            quic: self.quic.to_string(),
            fronts,
            enrol: self.enrol.to_string(),
            http: self.http.to_string(),
            pages: self.pages.map(|pages| pages.to_string()),
        }
    }
}

/// The sockets of the process.
pub(crate) struct Sockets {
    /// One for each front.
    quic: Vec<UdpSocket>,
    http: TcpListener,
    enrol: TcpListener,
    pages: Option<TcpListener>,
}

impl Sockets {
    /// Uses the sockets that were handed over, and binds the others to the configured addresses. Must be called before the process binds
    /// any socket to a port that the system chooses: the system could choose one of these.
    pub(crate) fn bind(settings: &Settings, handed: Inherited) -> anyhow::Result<Self> {
        let Inherited { quic, http, enrol, pages } = handed;
        let bound = |handed: Option<TcpListener>, address| handed.map_or_else(|| door::bind(address), Ok);
        let pages = match (&settings.pages, pages) {
            (Some(config), Some(listener)) => Some(config.served_on(listener)?),
            (Some(config), None) => Some(door::bind(config.listen)?),
            (None, Some(_)) => bail!("the socket pages was handed over; the configuration has no [pages]"),
            (None, None) => None,
        };
        Ok(Self {
            quic: fronts::sockets(settings, quic)?,
            http: bound(http, settings.http)?,
            enrol: bound(enrol, settings.enrol)?,
            pages,
        })
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            quic: self.quic[0].local_addr()?,
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
    // A member's come with the fleet's changes.
    let founds = settings.fleet.is_some() && registry.position()? == 0;
    if founds || settings.pages.is_some() && settings.fleet.is_none() {
        registry.add_portals()?;
    }
    let wall_clock = WallClock::watch(&Settings::ledger_path(&settings.data), &registry)?;
    let start = clock::now();
    notify.status("recovering the punch log");
    let (ledger, log) = Ledger::open(&settings.ledger(&keys))?;
    metrics::gauge!(metric::RECOVERY_SECONDS).set(clock::since(start).as_secs_f64());
    let failed_before = poison::tell(&settings.data);

    let (readiness, leading) = (Readiness::new(notify), Leading::new(settings.fleet.as_ref()));
    readiness.set(Stage::Loading);
    let inbox = settings.sms.inbox();
    let overview = Overview::new(registry.regions()?, leading.clone());
    let watched = (readiness.clone(), metrics.clone());
    let listens = addresses.listens(sockets.quic.len());
    let vitals = Vitals::new(settings, watched, overview.clone(), log.clone(), listens);
    let http = http::start(sockets.http, metrics, (readiness.clone(), leading.clone()), inbox, overview)?;
    let enrols_at = EnrolsAt {
        url: format!("https://{}/enrol/1", addresses.enrol),
        authority: pki::certificate_of(&std::path::absolute(&settings.authority)?),
    };
    let gateway = Gateway::start(Start {
        settings,
        behind,
        keys: &keys,
        registry,
        sockets: sockets.quic,
        pages: sockets.pages,
        ledger: log.clone(),
        readiness: readiness.clone(),
        leading,
        http: http.pulse(),
        enrols_at,
        vitals,
    })?;
    let shared = gateway.shared();
    let vouching = Vouching::start(shared.registrar.clone(), stores.ledger, log.clone())?;
    let admin = operator::socket::start(settings, &shared)?;
    let enrolment = enrol::start(gateway.identities(), shared, sockets.enrol)?;
    gateway.watch(enrolment.pulse());
    announce(&addresses)?;
    let Addresses { quic, http: metrics, enrol, pages } = addresses;
    tracing::info!(%quic, %enrol, http = %metrics, pages = pages.map(tracing::field::display), "it listens");
    // Ready is told after this, so not before operators and enrolling devices are answered, too.
    gateway.load_codes(readiness.clone())?;

    let usage = Usage::new(&settings.data, &Settings::registry_path(&settings.data));
    let why = runtime.block_on(wait(&mut signals, &log, &gateway, (usage, wall_clock), failed_before));
    let code = begin_to_end(&why, &readiness, &settings.data);
    tracing::info!("draining");
    drop((admin, enrolment));
    let registrar = gateway.stop();
    if let Err(error) = http.stop() {
        tracing::error!(error, "stopping the HTTP server");
    }
    drop(log);
    ledger.shutdown();
    vouching.end();
    registrar.stop();
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
            _ = due.tick() => gateway.tell_alarms(),
            _ = look.tick() => usage.look(),
            _ = tick.tick() => {
                wall_clock.look();
                gateway.count_codes();
                if gateway.fronts.has_lost_one() {
                    return Why::Front;
                }
            }
        }
    }
}
