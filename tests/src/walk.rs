//! Devices that punch continuously and keep their acknowledgements, for comparison with the punch log.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use device::Counts;
use device::{Device, DeviceState, Fleet, wire};
use loadtest::proof::{self, Claim, Claims, Fact, Proof};
use protocol::message::Welcome;
use protocol::{Direction, Epoch, PlaceId, Punch, RegionId, Scanned, Sequence};
use runtime::clock;
use tokio::task::{JoinHandle, spawn_local};

use crate::{City, deadline};

/// The number of punches that a walker keeps in flight.
const UNDER_WAY: usize = 24;
/// The interval between two people at one device.
const PACE: Duration = Duration::from_millis(2);

/// Opens a QUIC endpoint for devices.
pub fn endpoint(fleet: &Fleet) -> quinn::Endpoint {
    wire::endpoint(fleet.quic[0]).expect("a socket on loopback")
}

/// Makes the fleet's device at `index`, with nothing sent so far.
pub fn device(endpoint: &quinn::Endpoint, fleet: &Fleet, index: usize) -> Device {
    let state = DeviceState::new(Epoch(1));
    Device::new(endpoint, fleet, &fleet.devices[index], state).expect("the fleet's certificates are good")
}

/// Makes the state of a device that has sent this punch under its epoch's first number, without an answer: a restored image of it
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

/// Makes a punch of a person without phone or paper at that place, now.
pub fn punch(place: PlaceId) -> Punch {
    Punch {
        scanned: Scanned::Nothing,
        direction: Direction::In,
        place,
        device_time_ms: clock::now_ms(),
        offline: None,
    }
}

/// The progress of a walker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Punches acknowledged.
    pub acknowledged: u64,
    /// The counts of its device.
    pub counts: Counts,
}

/// A device with its acknowledgements.
pub struct Walker {
    /// The device.
    pub device: Device,
    progress: Rc<Cell<Progress>>,
    places: Vec<(PlaceId, RegionId)>,
    pending: VecDeque<Fact>,
    claim: Claim,
}

impl Walker {
    /// Makes a walker with the fleet's device at `index`.
    pub fn new(endpoint: &quinn::Endpoint, fleet: &Fleet, index: usize) -> Self {
        let places = fleet.devices[index].places().collect();
        let device = device(endpoint, fleet, index);
        let progress = Rc::default();
        Self { device, progress, places, pending: VecDeque::new(), claim: Claim::default() }
    }

    /// Returns its progress.
    pub fn progress(&self) -> Progress {
        self.progress.get()
    }

    /// Lets people pass until stopped, then waits for the last acknowledgement.
    async fn walk(mut self, stop: Rc<Cell<bool>>) -> Self {
        let mut next = 0;
        loop {
            if !stop.get() && self.pending.len() < UNDER_WAY {
                let (place, region) = self.places[next % self.places.len()];
                next += 1;
                let punch = punch(place);
                self.pending.push_back(Fact::sent(region, &punch, None));
                self.device.punch(region, punch, 0);
            } else if stop.get() && self.pending.is_empty() {
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

/// Walkers at work, each in a task of its own.
pub struct Crew {
    stop: Rc<Cell<bool>>,
    progress: Vec<Rc<Cell<Progress>>>,
    walks: Vec<JoinHandle<Walker>>,
}

impl Crew {
    /// Starts the fleet's devices at these indexes. Needs a `LocalSet`.
    pub fn start(fleet: &Fleet, indexes: Range<usize>) -> Self {
        let endpoint = endpoint(fleet);
        Self::of(indexes.map(|index| Walker::new(&endpoint, fleet, index)))
    }

    /// Starts these walkers. Needs a `LocalSet`.
    pub fn of(walkers: impl Iterator<Item = Walker>) -> Self {
        let stop = Rc::<Cell<bool>>::default();
        let start =
            |walker: Walker| (Rc::clone(&walker.progress), spawn_local(walker.walk(Rc::clone(&stop))));
        let (progress, walks) = walkers.map(start).unzip();
        Self { stop, progress, walks }
    }

    /// Returns each walker's progress.
    pub fn progress(&self) -> impl Iterator<Item = Progress> {
        self.progress.iter().map(|one| one.get())
    }

    /// Returns the number of punches acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.progress().map(|one| one.acknowledged).sum()
    }

    /// Waits until each walker has so many more punches acknowledged.
    ///
    /// # Panics
    /// They have not in time.
    pub async fn advance(&self, punches: u64) {
        let goals: Vec<_> = self.progress().map(|progress| progress.acknowledged + punches).collect();
        let end = deadline();
        while self.progress().zip(&goals).any(|(progress, goal)| progress.acknowledged < *goal) {
            assert!(clock::now() < end, "punches: they were not acknowledged");
            tokio::time::sleep(PACE).await;
        }
    }

    /// Stops new people, and waits for the last acknowledgements.
    pub async fn end(self) -> Vec<Walker> {
        self.stop.set(true);
        let mut done = Vec::new();
        for walk in self.walks {
            done.push(walk.await.expect("a walker does not fail"));
        }
        done
    }
}

/// Compares the walkers' acknowledgements with the city's punch log, and asserts that nothing is lost, doubled or wrong.
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
