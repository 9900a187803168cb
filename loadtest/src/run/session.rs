//! The measured part of a run, from connecting the devices until all people have left. All on one thread, but for the
//! simulated network and the watch over the gateway.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use bench::cpu::{self, Usage};
use device::clock;
use device::fleet::Fleet;
use device::tokens::Tokens;
use device::{Device, DeviceError};
use device::{socket, wire};
use protocol::{RegionId, metric};
use tokio::task::{JoinHandle, JoinSet, spawn_local};

use super::city::City;
use super::city::figures::{self, Watch};
use super::drive::{Drive, Driven};
use super::events::EventContext;
use super::gateways::{Gateways, leader_among};
use super::model::{Model, People};
use super::post::{Inbox, Post, Posted};
use super::shared::Shared;
use super::ticker::Ticker;
use super::view::View;
use super::{devices, probe};
use crate::citizens::Citizens;
use crate::impair::{Conditions, Proxy};
use crate::out::note;
use crate::outcome::{EventReport, FleetReport, GeneratorReport, Quantiles, ServerSeries};
use crate::proof::Claims;
use crate::record::Record;
use crate::scenario::{Kind, Scenario, What};

/// Deadline for closing the connections.
const GOODBYE: Duration = Duration::from_secs(2);
/// The number of most frequent people whose codes are searched for in logs and metrics.
const CODES_SEARCHED: u32 = 100;
/// The time between the preparation and the first visit.
const LEAD: Duration = Duration::from_millis(200);

/// The measured part of a run.
pub(super) struct Session<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    /// The fleet file of each gateway.
    pub(super) fleets: Vec<Fleet>,
    /// The gateways' names; none of a gateway alone.
    pub(super) names: Vec<String>,
}

/// The figures.
pub(super) struct Measured {
    pub(super) started_ms: u64,
    pub(super) record: Record,
    pub(super) generator: GeneratorReport,
    pub(super) unfinished: Option<String>,
    pub(super) claims: Claims,
    pub(super) unacknowledged: u64,
    pub(super) wrong: u64,
    pub(super) stale: u64,
    pub(super) lags: Vec<Duration>,
    pub(super) unseen: u64,
    pub(super) stopped: Vec<String>,
    pub(super) events: Vec<EventReport>,
    pub(super) network: Option<BTreeMap<String, u64>>,
    pub(super) server: Vec<ServerSeries>,
    pub(super) gateway: Option<String>,
    pub(super) fronts: Option<u32>,
    /// Personal data of this run, for the search.
    pub(super) needles: Vec<String>,
    /// The part of the report about several gateways, as far as it is known without their punch logs; `None` with one.
    pub(super) several: Option<FleetReport>,
}

impl Measured {
    /// Writes the interval log.
    pub(super) fn hlog(&self) -> Vec<u8> {
        self.record.hlog(self.started_ms)
    }
}

/// The state before the first visit.
struct Ready<'a> {
    /// The gateway that leads.
    leader: usize,
    endpoint: quinn::Endpoint,
    proxy: Option<Proxy>,
    chosen: Vec<devices::Chosen<'a>>,
    devices: Vec<Device>,
    prober: Option<(Device, RegionId)>,
    shared: Rc<Shared>,
}

/// The result after the last person has left.
struct Ended {
    started_ms: u64,
    driven: Driven,
    events: Vec<EventReport>,
    posted: Vec<Posted>,
    stopped: Vec<String>,
    server: Vec<ServerSeries>,
    network: Option<BTreeMap<String, u64>>,
    several: Option<FleetReport>,
    /// The gateway's processor time and this thread's.
    spent: (Option<Duration>, Option<Duration>),
    /// The load of this thread in its busiest stage, 0 to 1.
    busy_share: Option<f64>,
}

impl Session<'_> {
    /// Returns the first gateway's fleet file.
    fn fleet(&self) -> &Fleet {
        &self.fleets[0]
    }

    /// Runs from connecting to leaving.
    pub(super) async fn all(&self, city: &Arc<Mutex<City>>) -> anyhow::Result<Measured> {
        let about = figures::get(self.fleet().http, "/metrics").await.map(|(_, metrics)| metrics);
        let about = about.unwrap_or_default();
        let gateway = figures::label(&about, metric::BUILD_INFO);
        let fronts = figures::value(&about, metric::FRONTS).map(|fronts| fronts as u32);
        let ready = self.prepare().await?;
        let (endpoint, shared) = (ready.endpoint.clone(), Rc::clone(&ready.shared));
        let gone = self.go(ready, city).await?;
        let claims = claims(&gone.posted);
        let unacknowledged = gone.posted.iter().map(|one| one.device.state().unacknowledged() as u64).sum();
        let (mut welcomed, mut lost) = (0, 0);
        for counts in gone.posted.iter().map(|one| one.device.counts()) {
            welcomed += counts.welcomes;
            lost += counts.losses;
        }
        let dropped = endpoint.local_addr().ok().and_then(socket::dropped);
        // Their connections end with them, and the gateway notices it.
        drop(gone.posted);
        let _ = tokio::time::timeout(GOODBYE, endpoint.wait_idle()).await;
        let shared = Rc::into_inner(shared).context("a task still uses the state of the run")?;
        let needles = needles(&shared);
        let record = shared.record.into_inner();
        let nobody = Kind::ALL.iter().all(|kind| record.total(*kind).counts.offered == 0);
        let unfinished = [
            gone.driven.unfinished,
            not_done(&gone.events),
            record.balance(gone.driven.handed).err(),
            nobody.then(|| "nobody came: such a run proves nothing".to_owned()),
        ];
        let unfinished: Vec<_> = unfinished.into_iter().flatten().collect();
        let answered: u64 = Kind::ALL.iter().map(|kind| record.answered_ever(*kind)).sum();
        let each_us = |spent: Option<Duration>| Some(spent?.as_secs_f64() * 1e6 / answered.max(1) as f64);
        let generator = GeneratorReport {
            late: Quantiles::of(record.late_us()),
            busy_share: gone.busy_share,
            dropped_packets: dropped,
            welcomed,
            lost,
            gateway_us_each: each_us(gone.spent.0),
            own_us_each: each_us(gone.spent.1),
        };
        let (lags, unseen) = shared.model.lags();
        Ok(Measured {
            started_ms: gone.started_ms,
            record,
            generator,
            unfinished: (!unfinished.is_empty()).then(|| unfinished.join("; ")),
            claims,
            unacknowledged,
            wrong: shared.model.wrong(),
            stale: shared.model.stale(),
            lags,
            unseen,
            stopped: gone.stopped,
            events: gone.events,
            network: gone.network,
            server: gone.server,
            gateway,
            fronts,
            needles,
            several: gone.several,
        })
    }

    /// Connects devices and signs citizens in.
    async fn prepare(&self) -> anyhow::Result<Ready<'_>> {
        let mut fleets = self.fleets.clone();
        let proxy = self.proxy()?;
        if let Some(proxy) = &proxy {
            fleets[0].quic = vec![proxy.address()];
        }
        let leader = match self.fleets.len() {
            1 => 0,
            all => leader_among(&self.fleets, 0..all).await.context("no gateway leads")?,
        };
        let citizens = self.citizens(leader).await?;
        let endpoint = wire::endpoint(fleets[0].quic[0]).context("opening a UDP socket")?;
        let (chosen, left) = devices::choose(self.fleet(), self.scenario)?;
        let rows: Vec<_> = chosen.iter().map(|(row, _)| *row).collect();
        let devices = devices::connect(&endpoint, &fleets, &rows).await?;
        let prober = match left.filter(|_| self.has(What::Colours)) {
            Some(row) => {
                // In a fleet it looks at another gateway than the one that leads first.
                let other = (leader + 1) % fleets.len();
                let at = &fleets[other..=other];
                let device = devices::connect(&endpoint, at, &[row]).await?.pop();
                let region = row.places().next().map(|(_, region)| region);
                device.zip(region)
            }
            None => None,
        };
        ensure!(
            prober.is_some() || !self.has(What::Colours),
            "no device is left over to look for changed colours: start the city with one gate more"
        );
        let tokens = Tokens::load(self.fleet())?;
        // Printed and imported codes have no tokens; they are fewer than half.
        ensure!(
            tokens.people().len() * 2 >= self.scenario.city.people as usize,
            "the city at {} is smaller than the {} people of the scenario: name another directory",
            self.fleet().data.display(),
            self.scenario.city.people
        );
        let shared = Rc::new(Shared {
            retry: self.scenario.retry.clone(),
            people: People::new(self.fleet(), tokens),
            model: Model::default(),
            record: RefCell::new(Record::new(self.scenario)),
            citizens,
            waiting: Cell::new(0),
        });
        Ok(Ready { leader, endpoint, proxy, chosen, devices, prober, shared })
    }

    /// Runs plan and events until all people have left.
    async fn go(&self, ready: Ready<'_>, city: &Arc<Mutex<City>>) -> anyhow::Result<Ended> {
        let Ready { leader, proxy, chosen, devices, prober, shared, .. } = ready;
        let (started_ms, start) = (clock::now_ms() + LEAD.as_millis() as u64, clock::now() + LEAD);
        let quic = self.fleet().quic[0];
        let watch = Watch::start(self.fleet().http, quic, start)?;
        let inboxes: Vec<Rc<Inbox>> = chosen.iter().map(|_| Rc::default()).collect();
        let mut posts = JoinSet::new();
        for ((device, (row, habits)), inbox) in devices.into_iter().zip(&chosen).zip(&inboxes) {
            posts.spawn_local(Post::new(device, row.places().collect(), habits, &shared, inbox).run());
        }
        let over = Rc::new(Cell::new(false));
        let prober = prober.map(|(device, region)| {
            spawn_local(probe::look(device, region, Rc::clone(&shared), Rc::clone(&over)))
        });
        let view = Rc::new(RefCell::new(View::start(self.scenario)));
        let gateways = Rc::new(Gateways::new(start, (&self.fleets, &self.names), leader));
        let stage = Rc::new(EventContext {
            start,
            city: Arc::clone(city),
            gateways: Rc::clone(&gateways),
            shared: Rc::clone(&shared),
            ordered: Cell::new(0),
            inboxes: inboxes.clone(),
            proxy,
            network: self.scenario.network,
            view: Rc::clone(&view),
        });
        let keeping = spawn_local(keep(Rc::clone(&shared), Rc::clone(&gateways)));
        let before = (Usage::of_port(quic), own_usage());
        let mut ticker = Ticker::new(self.scenario, &shared, &view, start);
        let (of_drive, scenario) = (Rc::clone(&shared), self.scenario);
        let drive = Drive { scenario, seed: self.seed, shared: of_drive, inboxes, start };
        let (driven, events, posted) = ticker
            .during(async {
                let (driven, events) = tokio::join!(drive.all(), happen(&stage, self.scenario));
                anyhow::Ok((driven?, events?, join(posts).await?))
            })
            .await?;
        over.set(true);
        keeping.abort();
        let _ = keeping.await;
        let mut stopped = probed(prober).await;
        stopped.extend(posted.iter().filter_map(why_stopped));
        let spent = (since(before.0, Usage::of_port(quic)), since(before.1, own_usage()));
        let stage = Rc::into_inner(stage).context("an event still goes on")?;
        let network = stage.proxy.map(Proxy::end).map(|counts| counts.by_name());
        let (busy_share, server) = (ticker.busy_share(), watch.end());
        let longest = posted.iter().map(|one| one.longest).max().unwrap_or_default();
        let several = gateways.report(longest, &shared).await;
        Ok(Ended { several, started_ms, driven, events, posted, stopped, server, network, spent, busy_share })
    }

    /// Starts the simulated network, if the scenario needs it.
    fn proxy(&self) -> anyhow::Result<Option<Proxy>> {
        let wanted = self.scenario.network != Conditions::default()
            || self.has(What::Network)
            || self.has(What::Rebind);
        let start = || Proxy::start(self.fleet().quic[0], self.seed, self.scenario.network);
        wanted.then(start).transpose().context("starting the simulated network")
    }

    async fn citizens(&self, leader: usize) -> anyhow::Result<Option<Citizens>> {
        let population = &self.scenario.population;
        let visits = Kind::ALL.iter().any(|kind| !kind.of_devices() && self.scenario.mix.share(*kind) > 0.0);
        if !visits && population.signed_in == 0 && population.receipts == 0 {
            return Ok(None);
        }
        let say = |text: &str| note!("{text}");
        let (people, receipts) = (population.signed_in, population.receipts);
        Citizens::prepare(&self.fleets[leader], people, receipts, self.seed, &say).await.map(Some)
    }

    fn has(&self, what: What) -> bool {
        self.scenario.events.iter().any(|event| event.what == what)
    }
}

/// Returns the personal data of this run: its citizens' texts, and some of the scanned codes.
fn needles(shared: &Shared) -> Vec<String> {
    let mut needles = shared.citizens.as_ref().map(Citizens::canaries).unwrap_or_default();
    needles.extend((0..CODES_SEARCHED).map(|rank| shared.people.person(rank).code.get().to_string()));
    needles
}

async fn join(mut posts: JoinSet<Posted>) -> anyhow::Result<Vec<Posted>> {
    let mut posted = Vec::new();
    while let Some(post) = posts.join_next().await {
        posted.push(post.context("a post's task")?);
    }
    Ok(posted)
}

async fn happen(stage: &Rc<EventContext>, scenario: &Scenario) -> anyhow::Result<Vec<EventReport>> {
    let mut happening = JoinSet::new();
    for event in &scenario.events {
        happening.spawn_local(Rc::clone(stage).happen(event.clone()));
    }
    let mut events = Vec::new();
    while let Some(event) = happening.join_next().await {
        events.push(event.context("an event's task")?);
    }
    events.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
    Ok(events)
}

/// Keeps unused receipts valid while people come, and in a fleet people at the gateway that leads.
async fn keep(shared: Rc<Shared>, gateways: Rc<Gateways>) {
    let receipts = async {
        if let Some(citizens) = &shared.citizens {
            citizens.keep_receipts().await;
        }
    };
    let leader = async {
        if gateways.count() > 1 {
            gateways.watch(&shared).await;
        }
    };
    tokio::join!(receipts, leader);
}

/// Returns the first event that could not be made to happen, in words.
fn not_done(events: &[EventReport]) -> Option<String> {
    let event = events.iter().find(|event| !event.done)?;
    Some(format!("{}: {}", event.what, event.outcome))
}

async fn probed(prober: Option<JoinHandle<Result<Device, DeviceError>>>) -> Vec<String> {
    let Some(prober) = prober else { return Vec::new() };
    match prober.await {
        Ok(Ok(_)) => Vec::new(),
        Ok(Err(error)) => vec![format!("the device that looks for colours: {error}")],
        Err(_) => vec!["the device that looks for colours panicked".to_owned()],
    }
}

/// Returns the devices' acknowledgements.
fn claims(posted: &[Posted]) -> Claims {
    let claim = |one: &Posted| ((one.device.id(), one.device.state().epoch()), one.claim.clone());
    Claims(posted.iter().map(claim).collect())
}

fn why_stopped(posted: &Posted) -> Option<String> {
    posted.error.as_ref().map(|error| format!("device {} stopped: {error}", posted.device.id()))
}

fn own_usage() -> Option<Usage> {
    cpu::this_thread().and_then(Usage::of_thread)
}

/// Returns the processor time between; `None` if the process was started again.
fn since(before: Option<Usage>, after: Option<Usage>) -> Option<Duration> {
    after?.since(&before?)
}
