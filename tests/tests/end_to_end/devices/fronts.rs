//! Several fronts on one port: devices spread over all of them, and each stays with its front, whatever its network and the gateway do.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use device::wire;
use quinn::ConnectionError;
use runtime::watchdog::EXIT_BLOCKED;
use tests::stalled::Stalling;
use tests::traced::Traced;
use tests::walk::{Crew, Walker, device, endpoint, prove};
use tests::{City, PATIENCE, block_on, wait_for};
use tokio::task::spawn_blocking;

const FRONTS: usize = 3;
/// So many that a front without a device is one run in many millions: clients draw the number.
const DEVICES: usize = 48;
/// Punches of each device between two events.
const PUNCHES: u64 = 30;
/// Half of a front's handshakes; above it addresses are proven.
const HALF: f64 = 256.0;

fn city() -> City {
    let mut city = City::new(300, DEVICES as u64);
    city.fronts(FRONTS);
    city.restart();
    city
}

/// Returns a metric's value of each front.
fn of_each(city: &City, name: &str) -> [f64; FRONTS] {
    std::array::from_fn(|front| city.metric(name, &format!("front=\"{front}\"")))
}

/// Waits until every device is connected, and checks that each front has some of them.
fn spread(city: &City) {
    wait_for("every device is connected", || {
        (city.metric("changtong_connections", "") >= DEVICES as f64).then_some(())
    });
    let connections = of_each(city, "changtong_connections");
    assert!(connections.iter().all(|connections| *connections > 0.0), "{connections:?}");
}

/// Does something to the city beside the devices.
async fn apart(mut city: City, work: impl FnOnce(&mut City) + Send + 'static) -> City {
    let done = spawn_blocking(move || {
        work(&mut city);
        city
    });
    done.await.expect("the work is done")
}

#[test]
fn devices_on_all_fronts_go_on_through_new_addresses_a_drain_and_a_kill() {
    let city = city();
    let fleet = city.fleet();
    block_on(async {
        let endpoints: Vec<_> = (0..DEVICES).map(|_| endpoint(&fleet)).collect();
        let walkers =
            endpoints.iter().enumerate().map(|(index, endpoint)| Walker::new(endpoint, &fleet, index));
        let crew = Crew::of(walkers);
        crew.advance(PUNCHES).await;
        let city = apart(city, |city| spread(city)).await;

        for endpoint in &endpoints {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket on loopback");
            endpoint.rebind(socket).expect("another socket");
        }
        crew.advance(PUNCHES).await;
        assert_eq!(crew.progress().map(|progress| progress.counts.losses).sum::<u64>(), 0, "paths moved");

        let city = apart(city, |city| {
            // A device that a busy machine has thrown out is on its way back, and would hear of no drain.
            spread(city);
            assert_eq!(city.terminate().code(), Some(0), "{}", city.log());
            city.restart();
        })
        .await;
        crew.advance(PUNCHES).await;
        assert!(crew.progress().all(|progress| progress.counts.drains > 0), "every front told its devices");

        let city = apart(city, |city| {
            city.kill();
            city.restart();
        })
        .await;
        crew.advance(PUNCHES).await;
        let city = apart(city, |city| spread(city)).await;
        let done = crew.end().await;
        prove(&city, done);
    });
}

/// One socket for all: the connection id says the front, not the address.
#[test]
fn after_a_kill_each_front_tells_its_devices_at_once_that_their_connections_are_gone() {
    let city = city();
    let fleet = city.fleet();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut held = Vec::new();
        for row in &fleet.devices[..DEVICES] {
            let config = wire::client_config(&fleet, row).expect("a good certificate");
            let connecting =
                endpoint.connect_with(config, fleet.quic[0], &fleet.server_name).expect("an address");
            let connection = connecting.await.expect("connects");
            let (send, _) = connection.open_bi().await.expect("one stream");
            held.push((connection, send));
        }
        let _city = apart(city, |city| {
            spread(city);
            city.kill();
            city.restart();
        })
        .await;
        for (_, send) in &mut held {
            // A packet that was sent again by itself may have been answered already.
            let _ = send.write_all(&[1]).await;
        }
        for (connection, _) in held {
            let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("an end");
            assert!(matches!(closed, ConnectionError::Reset), "{closed}");
        }
    });
}

#[test]
fn each_front_asks_devices_to_prove_their_addresses_while_half_of_its_handshakes_are_taken() {
    let city = city();
    let fleet = city.fleet();
    let mut hostile = Stalling::new(&fleet, Ipv4Addr::new(127, 9, 9, 9), Duration::from_millis(100));
    let enough = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&enough);
    let stalling = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            hostile.begin();
        }
    });
    wait_for("half of the handshakes of each front", || {
        let under_way = of_each(&city, "changtong_handshakes_under_way");
        under_way.iter().all(|under_way| *under_way >= HALF).then_some(())
    });
    let connected = block_on(async {
        let mut connected = Vec::new();
        for index in 0..DEVICES {
            let mut device = device(&endpoint(&fleet), &fleet, index);
            device.connect().await.expect("a device proves its address and connects");
            device.ping().await.expect("and is answered");
            connected.push(device);
        }
        apart(city, |city| {
            let retried = city.metric("changtong_handshakes_total", "retried");
            assert!(retried >= DEVICES as f64, "{retried}");
            spread(city);
        })
        .await;
        connected
    });
    enough.store(true, Ordering::Relaxed);
    stalling.join().expect("it ends");
    assert!(connected.iter().all(|device| device.counts().losses == 0));
}

#[test]
fn one_front_that_is_blocked_ends_the_process() {
    let mut city = city();
    let traced = Traced::thread(city.pid(), "front-1", "epoll_wait:delay_enter=3600000000");
    let told = "a thread is blocked; the process ends name=\"front-1\"";
    wait_for("the watchdog", || city.log().contains(told).then_some(()));
    // A thread that is held by its tracer cannot end.
    drop(traced);
    assert_eq!(city.wait_exit().code(), Some(EXIT_BLOCKED), "{}", city.log());
}
