//! Devices of a fleet of three gateways: they change over when theirs dies or shuts down, come home, and nothing that was acknowledged is
//! lost or doubled in the record of all three.

use std::path::Path;
use std::time::Duration;

use device::{Device, DeviceState};
use protocol::{Epoch, ErrorCode};
use runtime::clock;
use tests::members::Member;
use tests::nats::Nats;
use tests::walk::{Crew, Walker, device, endpoint, prove_all, punch};
use tests::{City, block_on, wait_for};
use tokio::task::spawn_blocking;

const DEVICES: usize = 12;
const LOST: &str = "changtong_punches_lost_total";
const UNCONFIRMED: &str = "changtong_fleet_punches_unconfirmed";
const HELD: &str = "changtong_fleet_punches_held_elsewhere_total";

/// Starts three gateways that tell devices their addresses; the first one leads.
pub(super) fn three(city: &mut City, root: &Path, nats: &Nats) -> [Member; 3] {
    assert!(city.terminate().success(), "{}", city.log());
    three_with(city, root, nats, "")
}

/// Starts three gateways with these lines in their configurations, on the data of a city that has ended.
pub(super) fn three_with(city: &City, root: &Path, nats: &Nats, lines: &str) -> [Member; 3] {
    let mut north = Member::first(city, root, "north", &nats.url());
    north.tell_devices();
    north.configure(lines);
    north.start();
    north.wait_to_lead();
    let [south, west] = ["south", "west"].map(|name| {
        let mut member = north.another(city, root, name, &nats.url());
        member.tell_devices();
        member.configure(lines);
        member.start();
        member.wait_for_all_of(&north);
        member
    });
    for member in [&north, &south, &west] {
        wait_for("the list of gateways", || {
            let gateways = member.standing()?["gateways"].as_array()?.len();
            (gateways == 3).then_some(())
        });
    }
    [north, south, west]
}

/// Starts walkers, four at each gateway, that come home soon.
fn crew(members: &[Member; 3]) -> Crew {
    let fleets: Vec<_> = members.iter().map(Member::fleet).collect();
    let endpoint = endpoint(&fleets[0]);
    Crew::of((0..DEVICES).map(|index| {
        let mut walker = Walker::new(&endpoint, &fleets[index % fleets.len()], index);
        walker.device.come_home_after(Duration::from_millis(500));
        walker
    }))
}

/// Does something to a gateway beside the walkers.
async fn beside(mut member: Member, work: fn(&mut Member)) -> Member {
    let done = spawn_blocking(move || {
        work(&mut member);
        member
    });
    done.await.expect("it is done")
}

#[test]
fn devices_of_a_gateway_that_dies_or_ends_punch_elsewhere_and_nothing_acknowledged_is_lost_or_doubled() {
    let mut city = City::start(400, DEVICES as u64);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let members = three(&mut city, root.path(), &nats);
    let (members, walkers) = block_on(async {
        let crew = crew(&members);
        let [north, south, west] = members;
        crew.advance(100).await;

        let south = beside(south, Member::kill).await;
        let killed = clock::now();
        crew.advance(1).await;
        eprintln!("all devices punch again {:?} after a gateway was killed", clock::since(killed));
        crew.advance(100).await;
        let south = beside(south, Member::start).await;
        crew.advance(100).await;

        // One that ends tells its devices, which do not wait for its return.
        let west = beside(west, Member::terminate).await;
        crew.advance(100).await;
        let west = beside(west, Member::start).await;
        crew.advance(100).await;
        ([north, south, west], crew.end().await)
    });
    for name in [UNCONFIRMED, LOST] {
        let sum = || members.iter().map(|member| member.metric(name, "")).sum::<f64>();
        wait_for(name, || (sum() == 0.0).then_some(()));
    }
    assert!(members.iter().map(|member| member.metric(HELD, "")).sum::<f64>() > 0.0, "devices have moved");
    let drains: u64 = walkers.iter().map(|walker| walker.device.counts().drains).sum();
    assert!(drains > 0, "the gateway that ended had devices");
    let exports = members.map(|mut member| {
        member.terminate();
        member.punches()
    });
    prove_all(&exports, walkers);
}

#[test]
fn numbers_that_only_a_gateway_that_is_away_can_have_wait_for_it() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let mut nats = Nats::start();
    let [north, mut south, west] = three(&mut city, root.path(), &nats);
    let at_south = south.fleet();
    let (place, region) = at_south.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&at_south);
        let mut gate = device(&endpoint, &at_south, 0);
        gate.come_home_after(Duration::from_secs(3_600));
        // Without the broker nobody else learns of them.
        nats.kill();
        for _ in 0..20 {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
        let state = gate.into_state();
        south.kill();
        nats.restart();
        wait_for("the broker", || (north.standing()?["connected"] == true).then_some(()));
        let at_north = north.fleet();
        let mut gate = Device::new(&endpoint, &at_north, &at_north.devices[0], state).expect("certificates");
        gate.come_home_after(Duration::from_secs(3_600));
        gate.punch(region, punch(place), 0);
        gate.settle().await.expect("acknowledged");
        assert_eq!(gate.state().acknowledged().0, 21);
    });
    wait_for("what waits", || (north.metric(UNCONFIRMED, "") == 20.0).then_some(()));
    assert_eq!(north.metric(LOST, ""), 0.0);
    south.start();
    wait_for("the gateway's answer", || (north.metric(UNCONFIRMED, "") == 0.0).then_some(()));
    assert_eq!((north.metric(LOST, ""), north.metric(HELD, "")), (0.0, 20.0));
    drop(west);
}

#[test]
fn a_device_comes_home_when_its_gateway_is_back() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let members = three(&mut city, root.path(), &nats);
    // At one of the gateways at least the device is away from home.
    for member in &members {
        let fleet = member.fleet();
        block_on(async {
            let endpoint = endpoint(&fleet);
            let mut gate = device(&endpoint, &fleet, 0);
            gate.come_home_after(Duration::from_millis(50));
            gate.ping().await.expect("it is connected");
            while !gate.is_home() {
                gate.step().await.expect("it is served");
            }
            gate.ping().await.expect("it is served");
            assert_eq!(gate.counts().losses, 0, "it went by itself");
        });
    }
}

#[test]
fn a_device_that_is_revoked_at_the_leader_loses_its_connection_at_another_gateway() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let [north, south, west] = three(&mut city, root.path(), &nats);
    let fleet = south.fleet();
    let id = fleet.devices[0].id().0.to_string();
    block_on(async {
        let endpoint = endpoint(&fleet);
        let state = DeviceState::new(Epoch(1));
        let mut gate = Device::new(&endpoint, &fleet, &fleet.devices[0], state).expect("certificates");
        gate.come_home_after(Duration::from_secs(3_600));
        gate.ping().await.expect("it is connected");
        let ordered = spawn_blocking(move || {
            let (status, out, err) = north.order(1, &["device", "revoke", &id]);
            assert!(status.success(), "{out}{err}");
            (north, clock::now())
        });
        let refused = loop {
            if let Err(error) = gate.step().await {
                break error;
            }
        };
        let closed = clock::now();
        assert!(refused.is(ErrorCode::DeviceRevoked), "{refused}");
        let (_north, revoked) = ordered.await.expect("the order is done");
        eprintln!("closed {:?} after the order was acknowledged", closed.saturating_duration_since(revoked));
    });
    drop((south, west));
}
