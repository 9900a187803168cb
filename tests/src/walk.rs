//! Devices that punch continuously and keep their acknowledgements, for comparison with the punch log.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use device::Counts;
use device::tokens::Tokens;
use device::{Device, DeviceState, Fleet, wire};
use loadtest::proof::{self, Claim, Claims, Fact, Proof, ProofError};
use protocol::message::Welcome;
use protocol::{CodeId, Direction, Epoch, PlaceId, Punch, RegionId, Scanned, Sequence};
use runtime::clock;
use tokio::task::{JoinHandle, spawn_local};

use crate::{City, block_on, deadline, wait_for};

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
    pace: Duration,
    /// The people who pass; without them, people without phone or paper.
    people: Option<Rc<Tokens>>,
}

impl Walker {
    /// Makes a walker with the fleet's device at `index`.
    pub fn new(endpoint: &quinn::Endpoint, fleet: &Fleet, index: usize) -> Self {
        let places = fleet.devices[index].places().collect();
        let device = device(endpoint, fleet, index);
        let progress = Rc::default();
        let (pending, claim) = (VecDeque::new(), Claim::default());
        Self { device, progress, places, pending, claim, pace: PACE, people: None }
    }

    /// Lets these people pass, one after the other.
    pub fn with_people(mut self, people: &Rc<Tokens>) -> Self {
        self.people = Some(Rc::clone(people));
        self
    }

    /// Returns the next punch at that place, and the code that it shows.
    fn next_punch(&self, next: usize, place: PlaceId) -> (Punch, Option<CodeId>) {
        let punch = punch(place);
        let Some(tokens) = &self.people else { return (punch, None) };
        let people = tokens.people();
        // Each device begins with somebody else.
        let person = people[(self.device.id().0 as usize * 97 + next) % people.len()];
        let issued_s = u32::try_from(punch.device_time_ms / 1000).expect("before 2106");
        (Punch { scanned: tokens.scan(&person, issued_s), ..punch }, Some(person.code))
    }

    /// Sets the interval between two people, from 2 ms.
    pub fn at_pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
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
                let (punch, code) = self.next_punch(next, place);
                self.pending.push_back(Fact::sent(region, &punch, code));
                self.device.punch(region, punch, 0);
            } else if stop.get() && self.pending.is_empty() {
                return self;
            }
            let until = clock::now() + self.pace;
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

/// Walkers on a thread of their own, beside what a test does.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<[AtomicU64]>,
    exports: mpsc::SyncSender<Vec<Vec<u8>>>,
    thread: thread::JoinHandle<Proof>,
}

impl Traffic {
    /// Starts so many walkers, which the function makes on their thread.
    pub fn start(count: usize, make: impl FnOnce() -> Vec<Walker> + Send + 'static) -> Self {
        let (stop, acknowledged) =
            (Arc::<AtomicBool>::default(), (0..count).map(|_| AtomicU64::new(0)).collect::<Arc<[_]>>());
        let (exports, exported) = mpsc::sync_channel::<Vec<Vec<u8>>>(1);
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = thread::spawn(move || {
            let walkers = block_on(async {
                let crew = Crew::of(make().into_iter());
                while !stopped.load(Ordering::Relaxed) {
                    for (note, progress) in noted.iter().zip(crew.progress()) {
                        note.store(progress.acknowledged, Ordering::Relaxed);
                    }
                    tokio::time::sleep(PACE).await;
                }
                crew.end().await
            });
            stopped.store(false, Ordering::Relaxed);
            prove_all(&exported.recv().expect("the exports"), walkers)
        });
        Self { stop, acknowledged, exports, thread }
    }

    /// Waits until each walker has so many more punches acknowledged.
    pub fn advance(&self, punches: u64) {
        let now = || self.acknowledged.iter().map(|one| one.load(Ordering::Relaxed));
        let goals: Vec<_> = now().map(|acknowledged| acknowledged + punches).collect();
        wait_for("punches", || now().zip(&goals).all(|(now, goal)| now >= *goal).then_some(()));
    }

    /// Stops new people, waits for the last acknowledgements, and compares all of them with the gateways' punch logs, which are exported
    /// then.
    pub fn prove(self, export: impl FnOnce() -> Vec<Vec<u8>>) -> Proof {
        self.stop.store(true, Ordering::Relaxed);
        let has_ended = || self.thread.is_finished() || !self.stop.load(Ordering::Relaxed);
        wait_for("the last acknowledgements", || has_ended().then_some(()));
        self.exports.send(export()).expect("the walkers' thread");
        self.thread.join().expect("the proof")
    }
}

/// Compares the walkers' acknowledgements with the city's punch log, and asserts that nothing is lost, doubled or wrong.
pub fn prove(city: &City, walkers: Vec<Walker>) -> Proof {
    sound(proof::prove(&city.fleet(), &claims(walkers)))
}

/// Does the same with the punch logs of a fleet's gateways, each as its export in CSV.
pub fn prove_all(exports: &[Vec<u8>], walkers: Vec<Walker>) -> Proof {
    sound(proof::check_all(&claims(walkers), exports.iter().map(Vec::as_slice)))
}

fn claims(walkers: Vec<Walker>) -> Claims {
    let claims = walkers.into_iter().map(|mut walker| {
        walker.claim.sent = walker.device.state().sent().0;
        ((walker.device.id(), walker.device.state().epoch()), walker.claim)
    });
    Claims(claims.collect())
}

fn sound(proof: Result<Proof, ProofError>) -> Proof {
    let proof = proof.expect("the ledger exports");
    assert!(proof.holds(), "{proof:?}");
    assert!(proof.acknowledged > 0, "{proof:?}");
    proof
}
