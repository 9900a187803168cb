//! Devices on a bad network: packets are lost, doubled, corrupted, late or out of order, NATs forget, and the path is cut for a
//! while. Whatever the network does, every acknowledged punch is recorded exactly once and in order.

use std::time::Duration;

use device::fleet::FleetDevice;
use loadtest::impair::{Conditions, Counts, Proxy};
use protocol::DeviceClass;
use runtime::clock;
use tests::walk::{Crew, Walker, device, endpoint, prove, punch};
use tests::{City, PATIENCE, block_on, deadline};
use tokio::task::spawn_local;

/// Each with a socket of its own, so that the proxy has as many flows.
const DEVICES: usize = 3;
/// Fronts behind the proxy, where there are several.
const FRONTS: usize = 3;
/// Punches of each device that are acknowledged at least, and between two events of the network.
const PUNCHES: u64 = 150;
/// Several windows of a concentrator.
const WINDOWS_PUNCHES: usize = 40_000;

/// Devices that only connect, and how often each does.
const CALLERS: usize = 8;
const CALLS: usize = 8;

/// The events that happen while devices walk.
#[derive(Clone, Copy, Debug)]
enum Course {
    /// Nothing but the conditions.
    Steady,
    /// NATs forget so many times.
    Rebinds(u64),
    /// The path is cut for a moment, and later until every device has given its connection up.
    Cuts,
}

const NONE: Conditions = Conditions {
    loss: 0.0,
    duplicate: 0.0,
    corrupt: 0.0,
    reorder: 0.0,
    delay_ms: 0,
    jitter_ms: 0,
    partition: false,
};

struct Row {
    name: &'static str,
    conditions: Conditions,
    course: Course,
    /// True if the network has done enough of it for the row to mean anything.
    felt: fn(&Counts) -> bool,
}

fn row(name: &'static str, conditions: Conditions, course: Course, felt: fn(&Counts) -> bool) -> Row {
    Row { name, conditions, course, felt }
}

#[test]
fn whatever_the_network_does_every_acknowledged_punch_is_recorded_once_in_order() {
    use Course::{Cuts, Rebinds, Steady};
    let seed = clock::now_ms();
    println!("seed {seed}");
    let mixed = Conditions { loss: 0.1, duplicate: 0.1, corrupt: 0.05, reorder: 0.1, jitter_ms: 10, ..NONE };
    let rows = [
        row("undisturbed", NONE, Steady, |_| true),
        row("loss 1 %", Conditions { loss: 0.01, ..NONE }, Steady, |counts| counts.dropped >= 5),
        row("loss 10 %", Conditions { loss: 0.1, ..NONE }, Steady, |counts| counts.dropped >= 30),
        row("loss 30 %", Conditions { loss: 0.3, ..NONE }, Steady, |counts| counts.dropped >= 100),
        row("reorder", Conditions { reorder: 0.2, ..NONE }, Steady, |counts| counts.reordered >= 50),
        row("duplicate", Conditions { duplicate: 0.5, ..NONE }, Steady, |counts| counts.duplicated >= 100),
        row("delay", Conditions { delay_ms: 60, jitter_ms: 40, ..NONE }, Steady, |_| true),
        row("corruption", Conditions { corrupt: 0.1, ..NONE }, Steady, |counts| counts.corrupted >= 30),
        row("NAT rebind", NONE, Rebinds(8), |_| true),
        row("partition", NONE, Cuts, |_| true),
        row("all at once", mixed, Rebinds(3), |counts| counts.dropped.min(counts.corrupted) >= 20),
    ];
    let city = City::start(1000, (rows.len() * DEVICES) as u64);
    for (number, row) in rows.iter().enumerate() {
        println!("{}", check(&city, row, number * DEVICES, seed.wrapping_add(number as u64)));
    }
    let (status, out, err) = city.command(&["ledger", "verify"]);
    assert!(status.success(), "{out}{err}");
    assert_eq!(city.metric("changtong_punches_lost_total", ""), 0.0);
    assert_eq!(city.metric("changtong_actor_restarts_total", ""), 0.0);
}

/// Each device has a front of its own choice behind the proxy, and stays with it when its address changes.
#[test]
fn before_several_fronts_a_bad_network_loses_doubles_and_reorders_nothing_either() {
    let seed = clock::now_ms();
    println!("seed {seed}");
    let mixed = Conditions { loss: 0.1, duplicate: 0.1, corrupt: 0.05, reorder: 0.1, jitter_ms: 10, ..NONE };
    let rows = [
        row("NAT rebind", NONE, Course::Rebinds(4), |_| true),
        row("all at once", mixed, Course::Rebinds(2), |counts| counts.dropped.min(counts.corrupted) >= 20),
    ];
    let mut city = City::new(300, (rows.len() * DEVICES) as u64);
    city.fronts(FRONTS);
    city.restart();
    for (number, row) in rows.iter().enumerate() {
        println!("{}", check(&city, row, number * DEVICES, seed.wrapping_add(number as u64)));
    }
    assert_eq!(city.metric("changtong_fronts", ""), FRONTS as f64);
    assert_eq!(city.metric("changtong_actor_restarts_total", ""), 0.0);
}

#[test]
fn whole_windows_pass_an_undisturbed_proxy_both_ways_and_none_of_their_packets_is_refused() {
    let city = City::start(100, 1);
    let fleet = city.fleet();
    let of_concentrator = |row: &FleetDevice| row.class() == DeviceClass::Concentrator;
    let index = fleet.devices.iter().position(of_concentrator).expect("a concentrator");
    let (place, region) = fleet.devices[index].places().next().expect("a place");
    let proxy = Proxy::start(fleet.quic[0], 1, NONE).expect("a socket on loopback");
    let losses = block_on(async {
        let mut device = device(&endpoint(&fleet), &fleet, index);
        device.set_address(proxy.address());
        // Enough that both sides hand the kernel many packets at once, which it has to split again for the proxy.
        (0..WINDOWS_PUNCHES).for_each(|_| {
            device.punch(region, punch(place), 0);
        });
        let settled = tokio::time::timeout(PATIENCE, device.settle()).await.expect("in time");
        settled.expect("another attempt heals it");
        assert_eq!(device.take_acknowledged().len(), WINDOWS_PUNCHES);
        device.counts().losses
    });
    let counts = proxy.end();
    println!("{counts:?}");
    assert_eq!(counts, Counts { passed: counts.passed, ..Counts::default() });
    assert_eq!(losses, 0);
}

#[test]
fn handshakes_come_through_a_network_that_spoils_their_packets() {
    let seed = clock::now_ms();
    println!("seed {seed}");
    let city = City::start(100, CALLERS as u64);
    let fleet = city.fleet();
    let spoilt = Conditions { loss: 0.1, duplicate: 0.3, corrupt: 0.2, reorder: 0.2, ..NONE };
    let proxy = Proxy::start(fleet.quic[0], seed, spoilt).expect("a socket on loopback");
    block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|index| {
                let (fleet, address) = (fleet.clone(), proxy.address());
                spawn_local(async move {
                    let endpoint = endpoint(&fleet);
                    for _ in 0..CALLS {
                        let mut device = device(&endpoint, &fleet, index);
                        device.set_address(address);
                        // An error would be one that a device believes no other attempt could heal.
                        let welcome =
                            tokio::time::timeout(PATIENCE, device.connect()).await.expect("in time");
                        welcome.expect("what a network spoils another attempt heals");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("a caller does not fail");
        }
    });
    println!("{:?}", proxy.end());
    assert_eq!(city.metric("changtong_actor_restarts_total", ""), 0.0);
}

/// Lets the devices from `first` on walk through one row and proves what they were told. What happened, in words.
fn check(city: &City, row: &Row, first: usize, seed: u64) -> String {
    let fleet = city.fleet();
    let started = clock::now();
    let proxy = Proxy::start(fleet.quic[0], seed, row.conditions).expect("a socket on loopback");
    let walkers = block_on(async {
        let crew = Crew::of((first..first + DEVICES).map(|index| {
            let mut walker = Walker::new(&endpoint(&fleet), &fleet, index);
            walker.device.set_address(proxy.address());
            walker
        }));
        disturb(row, &proxy, &crew).await;
        crew.end().await
    });
    let losses: Vec<_> = walkers.iter().map(|walker| walker.device.counts().losses).collect();
    let counts = proxy.end();
    let proof = prove(city, walkers);
    let took = clock::now().duration_since(started);
    assert_eq!(counts.refused, 0, "{}: only conditions lose packets", row.name);
    match row.course {
        Course::Steady => {}
        Course::Rebinds(times) => assert_eq!(counts.rebinds, times * DEVICES as u64, "{}", row.name),
        Course::Cuts => assert!(losses.iter().all(|losses| *losses > 0), "{}", row.name),
    }
    if row.conditions == NONE && !matches!(row.course, Course::Cuts) {
        assert_eq!(losses, [0; DEVICES], "{}: connections outlive it", row.name);
    }
    format!("{} in {took:?}: {counts:?}, {losses:?} connections lost, {proof:?}", row.name)
}

/// Disturbs the network until it did enough and devices have come far enough.
async fn disturb(row: &Row, proxy: &Proxy, crew: &Crew) {
    match row.course {
        Course::Steady => {}
        Course::Rebinds(times) => {
            for _ in 0..times {
                crew.advance(PUNCHES).await;
                proxy.rebind();
            }
        }
        Course::Cuts => {
            let cut = Conditions { partition: true, ..row.conditions };
            crew.advance(PUNCHES).await;
            proxy.set(cut);
            until("packets are stopped", || proxy.counts().dropped >= 10).await;
            proxy.set(row.conditions);
            crew.advance(PUNCHES).await;
            proxy.set(cut);
            until("devices give up", || crew.progress().all(|progress| progress.counts.losses > 0)).await;
            proxy.set(row.conditions);
        }
    }
    crew.advance(PUNCHES).await;
    until("the network has done enough", || (row.felt)(&proxy.counts())).await;
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = deadline();
    while !condition() {
        assert!(clock::now() < end, "{what}: it did not come true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
