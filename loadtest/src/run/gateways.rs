//! The gateways of a run: who leads, and since when; what was promised, and what went wrong. One thread's.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use device::clock;
use device::fleet::Fleet;

use super::shared::Shared;
use crate::http;
use crate::outcome::{FleetReport, LeaderReport, PromiseReport};

/// The interval between two looks at who leads.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Deadline for a gateway's word on whether it leads: one that stands still is passed over.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// The time within which a device's punch is acknowledged, whatever happens to a gateway.
const DEVICE_MAX: Duration = Duration::from_secs(8);

/// The gateways, of which one may be alone.
pub(super) struct Gateways {
    start: Instant,
    fleets: Vec<Fleet>,
    names: Vec<String>,
    leader: Cell<usize>,
    leaders: RefCell<Vec<LeaderReport>>,
    promises: RefCell<Vec<PromiseReport>>,
    wrong: RefCell<Vec<String>>,
    pub(super) orders: Cell<u64>,
    pub(super) orders_again: Cell<u64>,
}

impl Gateways {
    /// Makes the state of a run that starts at that moment, while that gateway leads.
    pub(super) fn new(start: Instant, (fleets, names): (&[Fleet], &[String]), leader: usize) -> Self {
        let gateways = Self {
            start,
            fleets: fleets.to_vec(),
            names: names.to_vec(),
            leader: Cell::new(leader),
            leaders: RefCell::default(),
            promises: RefCell::default(),
            wrong: RefCell::default(),
            orders: Cell::default(),
            orders_again: Cell::default(),
        };
        gateways.now_leads(leader);
        gateways
    }

    /// Returns the number of gateways.
    pub(super) fn count(&self) -> usize {
        self.fleets.len()
    }

    /// Returns the fleet file of that gateway.
    pub(super) fn fleet(&self, gateway: usize) -> &Fleet {
        &self.fleets[gateway]
    }

    /// Returns the name of that gateway.
    pub(super) fn name(&self, gateway: usize) -> &str {
        self.names.get(gateway).map_or("the gateway", String::as_str)
    }

    /// Returns the gateway that led last.
    pub(super) fn leader(&self) -> usize {
        self.leader.get()
    }

    /// Returns a gateway that leads now, other than `without`.
    pub(super) async fn find_leader(&self, without: Option<usize>) -> Option<usize> {
        let known = self.leader();
        let others = (0..self.count()).filter(|gateway| *gateway != known);
        let asked = [known].into_iter().chain(others).filter(|gateway| Some(*gateway) != without);
        leader_among(&self.fleets, asked).await
    }

    /// Notices who leads, and sends citizens there, until the future is dropped.
    pub(super) async fn watch(&self, shared: &Shared) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(leader) = self.find_leader(None).await.filter(|leader| *leader != self.leader()) else {
                continue;
            };
            self.now_leads(leader);
            if let Some(citizens) = &shared.citizens {
                citizens.lead(self.fleet(leader));
            }
        }
    }

    fn now_leads(&self, gateway: usize) {
        self.leader.set(gateway);
        let (at_s, gateway) = (clock::since(self.start).as_secs_f64(), self.name(gateway).to_owned());
        self.leaders.borrow_mut().push(LeaderReport { at_s, gateway });
    }

    /// Records the time that something promised has taken.
    pub(super) fn promised(&self, what: &str, limit: Duration, measured: Duration) {
        let promise = PromiseReport::new(what, limit.as_secs_f64(), measured.as_secs_f64());
        self.promises.borrow_mut().push(promise);
    }

    /// Records something that a gateway must not have done.
    pub(super) fn wrong(&self, what: String) {
        self.wrong.borrow_mut().push(what);
    }

    /// Makes the report of a fleet after all people have left: what its punch logs and registries say is not in it yet. `None` of a gateway
    /// alone.
    pub(super) async fn report(&self, longest: Duration, shared: &Shared) -> Option<FleetReport> {
        if self.count() == 1 {
            return None;
        }
        self.promised("a device's punch is acknowledged, elsewhere if need be", DEVICE_MAX, longest);
        let (forms, forms_lost) = match &shared.citizens {
            Some(citizens) => citizens.look_for_accepted().await,
            None => (0, 0),
        };
        Some(FleetReport {
            gateways: self.names.clone(),
            leaders: self.leaders.take(),
            promises: self.promises.take(),
            longest_wait_ms: longest.as_secs_f64() * 1000.0,
            orders: self.orders.get(),
            orders_again: self.orders_again.get(),
            forms,
            forms_lost,
            wrong: self.wrong.take(),
            ..FleetReport::default()
        })
    }
}

/// Returns the first of these gateways that leads.
pub(super) async fn leader_among(fleets: &[Fleet], asked: impl Iterator<Item = usize>) -> Option<usize> {
    for gateway in asked {
        let answer = http::fetch(fleets[gateway].http, "/leader", ANSWER_MAX).await;
        if answer.is_ok_and(|(status, _)| status == 200) {
            return Some(gateway);
        }
    }
    None
}
