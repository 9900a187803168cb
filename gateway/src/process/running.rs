//! The parts of a running gateway: what is started, in which order, and how it ends. Each thread's work is elsewhere.

use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use actors::carrier::{CarrierConfig, Carriers};
use actors::judge::{Judge, PlaceKinds};
use actors::query::Queries;
use actors::registrar::{RegistrarConfig, RegistrarHandle};
use actors::sms::Sms;
use actors::tap::Taps;
use anyhow::Context;
use arc_swap::ArcSwap;
use keys::Keys;
use ledger::LedgerHandle;
use policy::PolicyInEffect;
use protocol::{RegionId, metric};
use registry::Registry;
use registry::colours::Codes;
use runtime::arbiter::Pulse;
use runtime::host::HostedThread;
use runtime::{clock, watchdog};

use super::fronts::{Common, FrontThreads, Numbers, Reached};
use super::load_codes;
use crate::config::Settings;
use crate::fleet::Fleet;
use crate::host::readiness::Readiness;
use crate::host::wall_clock;
use crate::leading::Leading;
use crate::operator::alarms;
use crate::operator::counter::Counter;
use crate::operator::{EnrolsAt, OperatorContext, Running, Vitals, homes};
use crate::portal::{self, Pages, Portal, Records, TravelPages};
use crate::reload::{self, AtSignal, Behind, Ended, InEffect, Parts, Reload};
use crate::tls::identities::{InForce, Opened, Shown};
use crate::{config, member, policies};

/// The gateway that runs.
pub(crate) struct Gateway {
    pub(super) fronts: FrontThreads,
    codes: Codes,
    admin: OperatorContext,
    registrar: HostedThread,
    /// The connection by which the alarms are set.
    alarms_reader: Registry,
    queries: HostedThread,
    reload: Arc<Reload>,
    at_signal: AtSignal,
    pages: Option<Pages>,
    /// `None` without a fleet.
    members: Option<fleet::Running>,
}

/// The parts that a gateway starts with, each opened or bound already.
pub(crate) struct Start<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) behind: Behind,
    pub(crate) keys: &'a Arc<Keys>,
    pub(crate) registry: Registry,
    /// The sockets of the devices' port, one for each front.
    pub(crate) sockets: Vec<UdpSocket>,
    /// `None` for a gateway without pages.
    pub(crate) pages: Option<TcpListener>,
    pub(crate) ledger: LedgerHandle,
    pub(crate) readiness: Readiness,
    pub(crate) leading: Leading,
    /// The pulse of the thread that serves metrics.
    pub(crate) http: Pulse,
    pub(crate) enrols_at: EnrolsAt,
    pub(crate) vitals: Vitals,
}

impl Gateway {
    pub(crate) fn start(start: Start<'_>) -> anyhow::Result<Self> {
        let Start { settings, behind, keys, mut registry, sockets, pages, ledger, .. } = start;
        let Start { readiness, leading, http, enrols_at, vitals, .. } = start;
        let (policy, (part, peers), ledger) = join(settings, keys, &mut registry, (ledger, &sockets))?;
        let (fleet, regions, codes, judge) = in_memory(&registry, keys, &policy)?;
        let (reader, alarms_reader) = (registry.reader()?, registry.reader()?);
        let (handle, registrar) = start_registrar(keys, registry, &codes, &policy)?;
        let (configs, carriers) = start_carriers(settings)?;
        let (asked, queries) = Queries::start(handle.clone(), carriers.clone())?;
        let travel_pages = TravelPages::new(ArcSwap::from_pointee(settings.travel_pages()));
        let (records, sms, taps) = (ledger.clone(), settings.sms.open(keys)?, Taps::default());
        let (opened, identities) = open_identities(settings, keys, &fleet)?;
        let counter = sms.clone().map(|sms| Counter::new(handle.clone(), asked.clone(), sms));
        let origin = origin(settings, pages.as_ref())?;
        let admin = operators(settings, keys, handle.clone(), reader, &fleet, &codes, &judge);
        let (asks, shows, others) = (asked.clone(), taps.clone(), peers.clone());
        let (listening, numbers) = ((pages, identities.pages.clone()), Numbers::of(settings));
        let common = Common { fleet, judge, ledger, taps, queries: asks, regions, numbers, peers: others };
        let (fronts, Reached { directory, endpoints }) =
            FrontThreads::start(&common, sockets, (keys.quic(), &opened.quic))?;
        let parts = Parts {
            keys: Arc::clone(keys),
            identities,
            endpoints,
            queries: asked.clone(),
            travel_pages: Arc::clone(&travel_pages),
            sms: sms.clone(),
            readiness: readiness.clone(),
        };
        let pages =
            start_pages(settings, listening, sms, &admin.reader()?, |sms, origin| portal::Services {
                registrar: handle,
                queries: asked.clone(),
                sms,
                codes: codes.clone(),
                keys: Arc::clone(keys),
                policy: policy.clone(),
                travel_pages,
                leading: leading.clone(),
                origin,
                records: Records { directory, ledger: records.clone() },
            })?;
        let pulses = fronts.pulses().chain([queries.pulse(), http]).collect();
        let watchdog = watch((pulses, pages.as_ref(), &carriers), readiness.beat(), records.clone())?;
        let in_effect = InEffect::new(settings, opened.files, (configs, carriers), watchdog)?;
        let (reload, at_signal) = Reload::start(behind, parts, in_effect)?;
        let running = Running {
            queries: asked,
            policy,
            counter,
            enrols_at,
            pages: origin,
            taps: shows,
            reload: Arc::clone(&reload),
            vitals,
            peers,
        };
        let admin = OperatorContext { running: Some(running), ..admin };
        Ok(Self {
            members: member::start(part, (&admin, records), pages.as_ref(), &reload, &leading)?,
            fronts,
            codes,
            admin,
            registrar,
            alarms_reader,
            queries,
            reload,
            at_signal,
            pages,
        })
    }

    /// Returns the certificates that handshakes over TCP use.
    pub(crate) fn identities(&self) -> Arc<InForce> {
        self.reload.identities()
    }

    /// Watches a thread that was started after the others.
    pub(crate) fn watch(&self, pulse: Option<Pulse>) {
        self.reload.watch(pulse);
    }

    /// Starts to load the codes, and returns at once. When the load has ended, colours are known and the process is ready.
    pub(crate) fn load_codes(&self, readiness: Readiness) -> std::io::Result<()> {
        load_codes::load_codes(self.admin.registrar.clone(), readiness)
    }

    /// Starts a reload of the files, and returns at once.
    pub(crate) fn reload_soon(&self) {
        self.at_signal.soon();
    }

    pub(crate) fn shared(&self) -> OperatorContext {
        self.admin.clone()
    }

    /// Sets the alarms about what operators do.
    pub(crate) fn tell_alarms(&self) {
        if let Err(error) = alarms::tell(&self.alarms_reader, clock::now_s()) {
            tracing::error!(%error, "what operators do cannot be counted");
        }
    }

    pub(crate) fn count_codes(&self) {
        for (colour, count) in protocol::Colour::ALL.iter().zip(self.codes.by_colour()) {
            metrics::gauge!(metric::CODES, "colour" => colour.name()).set(count as f64);
        }
    }

    /// Ends all but the registrar, which the caller ends last.
    pub(crate) fn stop(self) -> RunningRegistrar {
        self.at_signal.end();
        let Ended { carriers, retiring, _watchdog } =
            self.reload.end().expect("a gateway is stopped once, by value");
        self.fronts.drain();
        if let Some(Err(error)) = self.pages.map(Pages::stop) {
            tracing::error!(error, "the pages ended badly");
        }
        self.fronts.join();
        // Queries under way come to their end; the registrar keeps their outcomes.
        for (what, ended) in [("the queries", self.queries.stop()), ("a carrier", carriers.stop())] {
            if let Err(error) = ended {
                tracing::error!(error, what, "a thread ended badly");
            }
        }
        retiring.into_iter().for_each(reload::join);
        RunningRegistrar { handle: self.admin.registrar, thread: self.registrar, members: self.members }
    }
}

/// The registrar of a gateway whose other parts have ended.
pub(crate) struct RunningRegistrar {
    handle: RegistrarHandle,
    thread: HostedThread,
    members: Option<fleet::Running>,
}

impl RunningRegistrar {
    /// Notes the time for the next start and ends the registrar.
    pub(crate) fn stop(self) {
        wall_clock::note(&self.handle);
        if let Err(error) = self.thread.stop() {
            tracing::error!(error, "the registrar ended badly");
        }
        // After the registrar's last changes; another gateway leads from now on.
        if let Some(Err(error)) = self.members.map(fleet::Running::stop) {
            tracing::error!(error, "the fleet's thread ended badly");
        }
    }
}

/// The context of operators' orders, without the running parts.
fn operators(
    settings: &Settings,
    keys: &Arc<Keys>,
    registrar: RegistrarHandle,
    reader: Registry,
    fleet: &Fleet,
    codes: &Codes,
    judge: &Judge,
) -> OperatorContext {
    OperatorContext {
        registrar,
        reader: Arc::new(Mutex::new(reader)),
        fleet: fleet.clone(),
        keys: Arc::clone(keys),
        codes: codes.clone(),
        place_kinds: judge.places().clone(),
        scanners: judge.scanners().clone(),
        log: (Settings::ledger_path(&settings.data), Keys::days(&settings.keys)),
        homes: homes::homes(&settings.data, &[&settings.keys, &settings.authority]),
        running: None,
    }
}

/// The beginning of links to the pages.
fn origin(settings: &Settings, pages: Option<&TcpListener>) -> anyhow::Result<Option<String>> {
    settings.pages.as_ref().zip(pages).map(|(config, at)| config.origin(at)).transpose()
}

/// The part in a fleet, and the way to its other gateways; nothing without a fleet.
type Membership = (Option<fleet::Fleet>, Option<fleet::Peers>);

/// The policy in effect, and the gateway's part in its fleet: from then on the registry changes only with it, and punches are appended by the
/// returned handle.
fn join(
    settings: &Settings,
    keys: &Keys,
    registry: &mut Registry,
    (ledger, sockets): (LedgerHandle, &[UdpSocket]),
) -> anyhow::Result<(PolicyInEffect, Membership, LedgerHandle)> {
    let quic_port = sockets.first().context("a gateway has a socket for devices")?.local_addr()?.port();
    let policy = PolicyInEffect::new(policies::at_start(registry, &settings.policy)?);
    let (part, ledger) = member::join(settings, keys, registry, (ledger, quic_port))?;
    let peers = part.as_ref().map(fleet::Fleet::peers);
    Ok((policy, (part, peers), ledger))
}

/// Devices and places, regions, an empty map of the codes and the judge over it, as the registry has them.
fn in_memory(
    registry: &Registry,
    keys: &Keys,
    policy: &PolicyInEffect,
) -> anyhow::Result<(Fleet, Vec<RegionId>, Codes, Arc<Judge>)> {
    let fleet =
        Fleet::new(registry.places()?.into_iter().map(|(place, region, _)| (place, region)).collect());
    let place_kinds = registry.place_kinds()?.into_iter().collect();
    fleet.reload(registry.devices()?);
    let regions = registry.regions()?.into_iter().map(|row| row.id).collect();
    let codes = Codes::new(usize::try_from(registry.estimate_codes()?).unwrap_or(0));
    let judge = judge(keys, &codes, registry.gateway()?, policy, &place_kinds);
    Ok((fleet, regions, codes, judge))
}

fn start_registrar(
    keys: &Keys,
    registry: Registry,
    codes: &Codes,
    policy: &PolicyInEffect,
) -> anyhow::Result<(RegistrarHandle, HostedThread)> {
    let signing_pkcs8 = keys.signing_pkcs8().to_vec().into();
    let config = RegistrarConfig { signing_pkcs8, ..RegistrarConfig::default() };
    Ok(RegistrarHandle::start(registry, codes.clone(), policy.clone(), config)?)
}

fn open_identities(
    settings: &Settings,
    keys: &Keys,
    fleet: &Fleet,
) -> anyhow::Result<(Opened, Arc<InForce>)> {
    let opened = Opened::read(settings, keys)?;
    opened.tell();
    let in_force = Arc::new(InForce::new(&opened, fleet.clone()));
    Ok((opened, in_force))
}

/// A thread that waits for a disk or for the registry may wait for longer than a blocked one, and a restart would not help it at once:
/// the punch log's only silences the beat, and the registrar, which fills the codes in one piece, is not asked at all.
fn watch(
    (pulses, pages, carriers): (Vec<Pulse>, Option<&Pages>, &Carriers),
    beat: Option<watchdog::KeepAlive>,
    ledger: LedgerHandle,
) -> std::io::Result<watchdog::Watchdog> {
    let beat =
        beat.map(|beat| watchdog::KeepAlive { is_healthy: Box::new(move || ledger.is_responsive()), ..beat });
    let pulses = pulses.into_iter().chain(pages.map(Pages::pulse)).chain(carriers.pulses()).collect();
    watchdog::start(pulses, watchdog::BLOCKED_AFTER, beat, |name| {
        tracing::error!(name, "a thread is blocked; the process ends");
        std::process::exit(watchdog::EXIT_BLOCKED);
    })
}

fn start_carriers(settings: &Settings) -> anyhow::Result<(Vec<CarrierConfig>, Carriers)> {
    let configs = settings.carriers.iter().map(config::Carrier::open).collect::<anyhow::Result<Vec<_>>>()?;
    let carriers = Carriers::start(&configs)?;
    Ok((configs, carriers))
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

/// The pages, if there are to be any.
fn start_pages(
    settings: &Settings,
    (listener, certificate): (Option<TcpListener>, Option<Arc<Shown>>),
    sms: Option<Sms>,
    registry: &Registry,
    services: impl FnOnce(Sms, String) -> portal::Services,
) -> anyhow::Result<Option<Pages>> {
    let (Some(config), Some(listener)) = (&settings.pages, listener) else { return Ok(None) };
    let sms = sms.context("pages need a message service: nobody could sign in")?;
    let services = services(sms, config.origin(&listener)?);
    let portal = Portal::new((services, config.proxies.clone()), registry)?;
    Ok(Some(portal::start(portal, listener, certificate)?))
}
