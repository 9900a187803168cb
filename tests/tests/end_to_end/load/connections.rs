//! Many connections at once: each device is welcomed, punches once and stays until the last has come; then all leave in good order. The
//! runner of long tests sets the number. Time and memory are printed and not judged.

use std::rc::Rc;
use std::time::Duration;

use bench::cpu;
use device::{Device, DeviceState, Fleet, wire};
use protocol::{DeviceClass, Epoch};
use runtime::clock;
use tests::walk::{endpoint, punch};
use tests::{City, PATIENCE, block_on, wait_for};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::{JoinSet, spawn_blocking};

const FRONTS: usize = 2;
/// Devices that connect or leave at a time: fewer than half of one front's handshakes, so that a handshake is not refused for their number.
const AT_ONCE: usize = 128;
/// The time after which QUIC sends a packet for a device that waits: half of the 30 s after which it counts as gone. A device that is
/// stepped pings every 10 s and expects an answer within 6 s, which 100,000 devices on one thread cannot on a busy machine.
const KEEP: Duration = Duration::from_secs(15);
/// The smallest part of an even share that a front may have: clients draw it, and 500 draws miss this once in 10^13 runs.
const SHARE_MIN: f64 = 2.0 / 3.0;
/// The time that a device may take to come, and to leave, on a busy machine.
const DEVICE_MAX: Duration = Duration::from_millis(20);

/// Returns the number of devices: 500, or the number that the runner of long tests sets.
fn connections() -> u32 {
    option_env!("CHANGTONG_CONNECTIONS").and_then(|number| number.parse().ok()).unwrap_or(500)
}

/// The state that all devices share.
struct Gathering {
    turns: Semaphore,
    arrived: watch::Sender<u32>,
    over: watch::Sender<bool>,
}

impl Gathering {
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("it is not closed")
    }

    /// Waits until all have come and it is this device's turn to leave.
    async fn turn_to_leave(&self) -> SemaphorePermit<'_> {
        let mut over = self.over.subscribe();
        over.wait_for(|over| *over).await.expect("the sender is here");
        self.turn().await
    }
}

/// Connects the gate with that number, punches once, stays until all have come, and leaves.
async fn attend(endpoint: quinn::Endpoint, fleet: Rc<Fleet>, number: usize, gathering: Rc<Gathering>) {
    let turn = gathering.turn().await;
    let gate = &fleet.devices[number];
    let (place, region) = gate.places().next().expect("a gate has a place");
    let mut config = wire::client_config(&fleet, gate).expect("the fleet's certificates are good");
    wire::keep_open(&mut config, KEEP);
    let gateway = (fleet.address(gate.id()), fleet.server_name.clone());
    let mut device = Device::at(&endpoint, (gate.id(), config), gateway, DeviceState::new(Epoch(1)));
    device.connect().await.expect("another attempt heals it");
    device.punch(region, punch(place), 0);
    device.settle().await.expect("another attempt heals it");
    assert_eq!(device.take_acknowledged().len(), 1, "one verdict for one punch");
    drop(turn);
    gathering.arrived.send_modify(|arrived| *arrived += 1);
    let turn = gathering.turn_to_leave().await;
    device.leave().await.expect("it is still connected, and the gateway closes without an error");
    drop(turn);
}

/// Sends all gates to the gateway; calls `look` with all of them connected, and waits until all have left. Returns what it returned.
async fn gather<T: Send + 'static>(
    fleet: Rc<Fleet>,
    number: u32,
    look: impl FnOnce() -> T + Send + 'static,
) -> T {
    let gathering = Rc::new(Gathering {
        turns: Semaphore::new(AT_ONCE),
        arrived: watch::Sender::new(0),
        over: watch::Sender::new(false),
    });
    let (endpoint, mut devices, begun) = (endpoint(&fleet), JoinSet::new(), clock::now());
    for gate in (0..fleet.devices.len()).filter(|at| fleet.devices[*at].class() == DeviceClass::Gate) {
        devices.spawn_local(attend(endpoint.clone(), Rc::clone(&fleet), gate, Rc::clone(&gathering)));
    }
    let mut arrived = gathering.arrived.subscribe();
    tokio::select! {
        all = arrived.wait_for(|arrived| *arrived == number) => drop(all.expect("the sender is here")),
        early = devices.join_next() => panic!("a device ended before all had come: {early:?}"),
    }
    eprintln!("all have come after {:.1} s", clock::since(begun).as_secs_f64());
    // Beside the devices, which go on.
    let looked = spawn_blocking(look).await.expect("the gateway has them all");
    let begun = clock::now();
    gathering.over.send_replace(true);
    while let Some(left) = devices.join_next().await {
        left.expect("each leaves in good order");
    }
    eprintln!("all have left after {:.1} s", clock::since(begun).as_secs_f64());
    looked
}

/// Checks that the gateway counts all devices, and that each front has its share.
fn check_shares(city: &City, number: u32) {
    wait_for("every device is counted", || {
        (city.metric("changtong_connections", "") == f64::from(number)).then_some(())
    });
    let shares: [f64; FRONTS] =
        std::array::from_fn(|front| city.metric("changtong_connections", &format!("front=\"{front}\"")));
    let least = f64::from(number) / FRONTS as f64 * SHARE_MIN;
    assert!(shares.iter().all(|share| *share >= least), "{shares:?}, {least} at least");
    eprintln!("connections of each front: {shares:?}");
}

#[test]
fn every_device_of_a_large_city_is_connected_at_once_on_all_fronts_and_leaves_in_good_order() {
    let (number, begun) = (connections(), clock::now());
    let mut city = City::new(1000, number.into());
    city.fronts(FRONTS);
    city.restart();
    eprintln!("a city of {number} gates: ready after {:.1} s", clock::since(begun).as_secs_f64());
    let (fleet, gateway) = (Rc::new(city.fleet()), city.pid());
    let memory_mib = move || cpu::memory_mib(gateway).expect("/proc tells it");
    let before = memory_mib();
    let look = move || {
        check_shares(&city, number);
        let after = memory_mib();
        let each = (after - before) * 1024.0 / f64::from(number);
        eprintln!("the gateway: {before:.0} MiB before, {after:.0} MiB after, {each:.1} KiB a connection");
        let closed = city.metric("changtong_connections_closed_total", "");
        (city, closed)
    };
    let (mut city, closed) = block_on(async {
        let end_max = PATIENCE + DEVICE_MAX * number;
        tokio::time::timeout(end_max, gather(fleet, number, look)).await.expect("all come and leave in time")
    });
    wait_for("every connection's end", || (city.metric("changtong_connections", "") == 0.0).then_some(()));
    assert_eq!(city.metric("changtong_connections_closed_total", ""), closed, "none was closed by an error");
    assert_eq!(city.metric("changtong_punches_total", ""), f64::from(number), "each punch once");
    assert_eq!(city.terminate().code(), Some(0), "{}", city.log());
}
