//! The citizens' pages and what staff see: actix-web over rustls, templates compiled in, no script needed but for the rotation of a
//! code and the camera. Pages call the same handles as devices; nothing here decides anything.

mod citizen;
mod http;
mod place;
mod punch;
mod staff;
mod travel;

use std::net::{IpAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, web};
use actors::bounds;
use actors::query::Queries;
use actors::registrar::{Registrar, RegistrarHandle};
use actors::session::Sessions;
use actors::sms::Sms;
use arc_swap::ArcSwap;
use keys::Keys;
use policy::PolicyInEffect;
use registry::colours::Codes;
use registry::{Registry, RegistryError};
use runtime::arbiter::{self, ArbiterThread, Pulse};
use runtime::lock::lock;
use tokio::sync::watch;

#[cfg(test)]
pub(crate) use self::http::counts::page_names;
use self::http::counts::{self, PageCounts};
use self::http::guard;
use self::http::shares::VisitorShares;
use self::http::statics;
use self::punch::presses::Presses;
use self::punch::punches::{IdleWriters, Punches};
use self::travel::visits::Travels;
use crate::door::{self, Door};
use crate::leading::Leading;
use crate::tls::identities::Shown;

pub(crate) use http::layout::mark;
pub(crate) use http::statics::tagged;
pub(crate) use place::poster;
pub(crate) use punch::punches::Records;

/// Readers of the registry beside its writer: as many as pages are rendered at once.
const READERS_MAX: usize = 4;
/// The deadline from a request's first byte to its answer: a slow network, then a message service or a sync.
const REQUEST: Duration = Duration::from_secs(20);
/// A phone that keeps its connection to the next rotation of its code.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// The place where citizens get their trajectory from their carrier itself: name, Chinese name, address. Written when carriers change.
pub(crate) type TravelPages = Arc<ArcSwap<Vec<[String; 3]>>>;

/// The context of pages.
pub(crate) struct Portal {
    pub(crate) registrar: RegistrarHandle,
    pub(crate) queries: Queries,
    pub(crate) sms: Sms,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) codes: Codes,
    pub(crate) keys: Arc<Keys>,
    pub(crate) policy: PolicyInEffect,
    pub(crate) travel_pages: TravelPages,
    pub(crate) leading: Leading,
    /// `https://HOST`, as printed on places' codes.
    pub(crate) origin: String,
    /// The queries that visitors have asked carriers for, on which page.
    travels: Travels,
    pub(crate) presses: Arc<Presses>,
    pub(crate) punches: Punches,
    pub(crate) staff: staff::Staff,
    counts: PageCounts,
    shares: VisitorShares,
    readers: Mutex<Vec<Registry>>,
}

/// The service that the process hands over.
pub(crate) struct Services {
    pub(crate) registrar: RegistrarHandle,
    pub(crate) queries: Queries,
    pub(crate) sms: Sms,
    pub(crate) codes: Codes,
    pub(crate) keys: Arc<Keys>,
    pub(crate) policy: PolicyInEffect,
    pub(crate) travel_pages: TravelPages,
    pub(crate) leading: Leading,
    pub(crate) origin: String,
    /// The place where self-scans are recorded.
    pub(crate) records: Records,
}

impl Portal {
    /// Opens the readers beside that registry; also gives the writers of self-scans, which do not run yet. The proxies are those
    /// whose word on where a request comes from is taken.
    pub(crate) fn new(
        (services, proxies): (Services, Vec<IpAddr>),
        registry: &Registry,
    ) -> Result<(Self, IdleWriters), RegistryError> {
        let Services { registrar, queries, sms, codes, keys, policy, travel_pages, .. } = services;
        let Services { leading, origin, records, .. } = services;
        let readers = (0..READERS_MAX).map(|_| registry.reader()).collect::<Result<_, _>>()?;
        let (sessions, staff) =
            (Arc::new(Sessions::new(&keys)), staff::Staff::new(&keys, (&codes, &policy), registry)?);
        sessions.load(registry)?;
        let readers = Mutex::new(readers);
        let travels = Travels::default();
        let presses = Arc::new(Presses::new());
        let (punches, idle) = Punches::new(&records, &presses);
        let portal = Self {
            registrar,
            queries,
            sms,
            sessions,
            codes,
            keys,
            policy,
            travel_pages,
            leading,
            origin,
            travels,
            presses,
            punches,
            staff,
            counts: PageCounts::new(),
            shares: VisitorShares::new(proxies),
            readers,
        };
        Ok((portal, idle))
    }

    /// Reads the registry as the registrar sees it; what would write fails. Short: it runs on the pages' own thread. A panic costs its own
    /// page, and no reader: without one no page could be read any more.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Registrar<'_>) -> T) -> Option<T> {
        let mut registry = self.lock().pop()?;
        let work = || work(&Registrar::new(&mut registry, &self.codes, self.policy.get()));
        let result = catch_unwind(AssertUnwindSafe(work));
        self.lock().push(registry);
        Some(result.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Registry>> {
        lock(&self.readers)
    }
}

/// The running pages.
pub(crate) struct Pages {
    stop: watch::Sender<bool>,
    front: ArbiterThread,
    sessions: Arc<Sessions>,
}

impl Pages {
    /// The handle that the watchdog pings.
    pub(crate) fn pulse(&self) -> Pulse {
        self.front.pulse()
    }

    /// The citizens' sessions, whose sign-outs on other gateways are noted here.
    pub(crate) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// Lets requests under way come to their end, and ends the thread.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.stop.send_replace(true);
        self.front.join()
    }
}

/// Every page's path. What is not here does not exist.
fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(citizen::routes)
        .configure(travel::routes)
        .configure(place::routes)
        .configure(staff::routes)
        .configure(statics::routes);
}

/// Serves the pages on a thread of their own. Without TLS only on loopback, in development.
pub(crate) fn start(
    (portal, idle_writers): (Portal, IdleWriters),
    listener: TcpListener,
    certificate: Option<Arc<Shown>>,
) -> anyhow::Result<Pages> {
    let tls = certificate
        .map(|shown| rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(shown));
    let proxies = portal.shares.proxies().to_vec();
    let sessions = Arc::clone(&portal.sessions);
    let portal = web::Data::new(portal);
    let (stop, stopped) = watch::channel(false);
    let front = arbiter::spawn("pages", move || async move {
        let app = App::new()
            .app_data(portal.clone())
            .app_data(guard::forms())
            .app_data(guard::queries())
            .app_data(web::PayloadConfig::new(guard::BODY_BYTES_MAX))
            .wrap(from_fn(guard::guard))
            .wrap(from_fn(counts::count))
            .configure(routes)
            .default_service(web::to(statics::missing));
        let shares = door::Shares {
            all: bounds::PAGES_CONNECTIONS,
            client: bounds::PAGES_CLIENT,
            network: bounds::PAGES_NETWORK,
        };
        let (request, idle, arrivals) = (REQUEST, KEEP_ALIVE, Some(bounds::PAGES_ARRIVALS));
        let door = Door { listener, tls, shares, arrivals, request, idle, proxies, on_connect: |_, _| {} };
        let writers = idle_writers.run();
        if let Err(error) = door::serve(door, app, stopped).await {
            tracing::error!(error = format!("{error:#}"), "the pages ended");
        }
        writers.end().await;
    })?;
    Ok(Pages { stop, front, sessions })
}
