//! Devices that punch without end and keep account: what each was acknowledged is what the ledger has to hold.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use device::Counts;
use device::{Device, DeviceState, Fleet, wire};
use loadtest::proof::{self, Claim, Claims, Fact, Proof};
use protocol::message::Welcome;
use protocol::{Direction, Epoch, PlaceId, Punch, RegionId, Scanned, Sequence};
use runtime::clock;

use crate::City;

/// Punches that a walking device keeps under way.
const UNDER_WAY: usize = 24;
/// Between two people at one device.
const PACE: Duration = Duration::from_millis(2);

/// A QUIC endpoint for devices.
pub fn endpoint(fleet: &Fleet) -> quinn::Endpoint {
    wire::endpoint(fleet.quic[0]).expect("a socket on loopback")
}

/// The fleet's device at `index`, with nothing sent so far.
pub fn device(endpoint: &quinn::Endpoint, fleet: &Fleet, index: usize) -> Device {
    let state = DeviceState::new(Epoch(1));
    Device::new(endpoint, fleet, &fleet.devices[index], state).expect("the fleet's certificates are good")
}

/// The storage of a device that has sent this punch under its epoch's first number, and heard nothing: an image of it that is put back
/// sends it again, whatever the gateway holds under that number.
pub fn image(epoch: Epoch, region: RegionId, punch: Punch) -> DeviceState {
    let mut image = DeviceState::new(epoch);
    image.push(region, punch, 0);
    let recorded = Sequence(0);
    let welcome =
        Welcome { gateway_time_ms: 0, recorded, window_punches: 1, batch_punches_max: 1, idle_ms: 1 };
    image.connected(&welcome).expect("it has sent nothing");
    image.next_batch(0).expect("it sends");
    image
}

/// A person without phone or paper at that place, now.
pub fn punch(place: PlaceId) -> Punch {
    Punch {
        scanned: Scanned::Nothing,
        direction: Direction::In,
        place,
        device_time_ms: clock::now_ms(),
        offline: None,
    }
}

/// Turns all walkers off.
#[derive(Clone, Default)]
pub struct Stop(Rc<Cell<bool>>);

impl Stop {
    /// No more people; what is under way is still waited for.
    pub fn stop(&self) {
        self.0.set(true);
    }
}

/// The progress of a walker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Punches acknowledged.
    pub acknowledged: u64,
    /// The history of its device.
    pub counts: Counts,
}

/// One device and what it was told.
pub struct Walker {
    /// The device.
    pub device: Device,
    progress: Rc<Cell<Progress>>,
    places: Vec<(PlaceId, RegionId)>,
    pending: VecDeque<Fact>,
    claim: Claim,
}

impl Walker {
    /// The fleet's device at `index`.
    pub fn new(endpoint: &quinn::Endpoint, fleet: &Fleet, index: usize) -> Self {
        let places = fleet.devices[index].places().collect();
        let device = device(endpoint, fleet, index);
        let progress = Rc::default();
        Self { device, progress, places, pending: VecDeque::new(), claim: Claim::default() }
    }

    /// Says how far it has come, kept up to date while it walks.
    pub fn progress(&self) -> Rc<Cell<Progress>> {
        Rc::clone(&self.progress)
    }

    /// Lets people pass until stopped, then waits for the last acknowledgement.
    pub async fn walk(mut self, stop: Stop) -> Self {
        let mut next = 0;
        loop {
            if !stop.0.get() && self.pending.len() < UNDER_WAY {
                let (place, region) = self.places[next % self.places.len()];
                next += 1;
                let punch = punch(place);
                self.pending.push_back(Fact::sent(region, &punch, None));
                self.device.punch(region, punch, 0);
            } else if stop.0.get() && self.pending.is_empty() {
                return self;
            }
            let until = clock::now() + PACE;
            self.device.step_until(until).await.expect("another attempt heals it");
            for acknowledged in self.device.take_acknowledged() {
                let fact = self.pending.pop_front().expect("what is acknowledged was sent");
                self.claim.acknowledged.push(fact.told(&acknowledged));
            }
            let acknowledged = self.claim.acknowledged.len() as u64;
            self.progress.set(Progress { acknowledged, counts: self.device.counts() });
        }
    }
}

/// Checks the walkers' claims against the city's ledger; every promise has to hold.
pub fn prove(city: &City, walkers: Vec<Walker>) -> Proof {
    let claims = walkers.into_iter().map(|mut walker| {
        walker.claim.sent = walker.device.state().sent().0;
        ((walker.device.id(), walker.device.state().epoch()), walker.claim)
    });
    let claims = Claims(claims.collect());
    let proof = proof::prove(&city.fleet(), &claims).expect("the ledger exports");
    assert!(proof.holds(), "{proof:?}");
    assert!(proof.acknowledged > 0, "{proof:?}");
    proof
}
