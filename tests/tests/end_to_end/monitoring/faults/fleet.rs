//! Faults of a fleet: a follower whose disk takes nothing, a gateway that is away while its device punches elsewhere, and a broker that is
//! away. The gateway that is watched follows at first.

use std::net::SocketAddr;
use std::time::Duration;

use device::{Device, DeviceState};
use protocol::Epoch;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tests::https::Client;
use tests::members::Member;
use tests::members::held::Held;
use tests::nats::Nats;
use tests::walk::{endpoint, punch};
use tests::{City, block_on, wait_for};

use super::scene::{Group, Row, Scene, Watch, Watched};

/// Changes of the registry, more than a gateway may be behind.
const CHANGES: usize = 1_010;
/// Punches of the device that moves.
const PUNCHES: usize = 20;
/// The device that moves, and the one that punches without the broker; the first one renews its certificate.
const MOVES: usize = 1;
const STAYS: usize = 2;
/// The time after which a device would go home: none of these faults lasts so long.
const HOME: Duration = Duration::from_secs(3_600);

/// Two gateways of a fleet and their broker.
pub(crate) struct Two {
    /// The one that leads at first.
    north: Member,
    /// The one that is watched.
    south: Member,
    nats: Nats,
    /// The files of the devices.
    _city: City,
    _root: tempfile::TempDir,
}

impl Watched for Two {
    fn scraped(&self) -> SocketAddr {
        self.south.http()
    }
}

pub(crate) const GROUPS: &[Group<Two>] = &[Group {
    name: "a fleet",
    city: two,
    rows: &[
        Row {
            fault: "a follower whose disk takes no change",
            alerts: &[("FleetLag/ticket", "")],
            always: true,
            make: lag,
        },
        Row {
            fault: "a device that punches elsewhere while its gateway is away",
            alerts: &[("PunchesUnconfirmed/ticket", "")],
            always: true,
            make: moved,
        },
        Row {
            fault: "a broker that is away while gates punch",
            alerts: &[("FleetAdrift/page", ""), ("FleetCopy/ticket", "")],
            always: false,
            make: no_broker,
        },
    ],
}];

fn two() -> Two {
    let mut city = City::start(300, 4);
    assert!(city.terminate().success(), "{}", city.log());
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.tell_devices();
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, root.path(), "south", &nats.url());
    south.tell_devices();
    south.start();
    south.wait_for_all_of(&north);
    for member in [&north, &south] {
        wait_for("the list of gateways", || {
            (member.standing()?["gateways"].as_array()?.len() == 2).then_some(())
        });
    }
    Two { north, south, nats, _city: city, _root: root }
}

/// Changes the registry again and again while a follower's disk takes nothing. The leader waits for nobody.
fn lag(scene: &mut Scene<Two>, watch: &Watch) {
    let Two { north, south, .. } = &scene.city;
    let held = Held::write_lock(&south.data().join("registry.db"));
    renew(north);
    watch.come_true();
    drop(held);
    south.wait_for_all_of(north);
}

/// Has a device renew its certificate often, each time with the one before: each renewal is a change of its own.
fn renew(leader: &Member) {
    let fleet = leader.fleet();
    let row = &fleet.devices[0];
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("the city's file");
    let (authority, mut certificate, key) = (read(&fleet.ca), read(&row.certificate), read(&row.key));
    let pair = KeyPair::from_pem(&key).expect("a key");
    let csr = CertificateParams::default().serialize_request(&pair).expect("a request").pem().expect("PEM");
    let body = json!({ "csr": csr }).to_string();
    for _ in 0..CHANGES {
        let client = Client { authority: &authority, identity: Some((&certificate, &key)) };
        let (status, answer) = client.post(fleet.enrol, "/renew/1", &body).expect("an answer");
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        certificate = answer["certificate"].as_str().expect("a certificate").to_owned();
    }
}

/// Has a device punch at a gateway until that dies, and then at the one that is watched.
fn moved(scene: &mut Scene<Two>, watch: &Watch) {
    let Two { north, south, nats, .. } = &mut scene.city;
    // Without the broker nobody else learns of them.
    nats.kill();
    let state = punch_at(north, MOVES, DeviceState::new(Epoch(1)), PUNCHES);
    north.kill();
    nats.restart();
    wait_for("the broker", || (south.standing()?["connected"] == true).then_some(()));
    let state = punch_at(south, MOVES, state, 1);
    assert_eq!(state.acknowledged().0, PUNCHES as u64 + 1);
    watch.come_true();
    north.start();
}

/// Has a gate punch at this gateway until all is acknowledged; returns what it knows then.
fn punch_at(member: &Member, gate: usize, state: DeviceState, punches: usize) -> DeviceState {
    let fleet = member.fleet();
    let row = &fleet.devices[gate];
    let (place, region) = row.places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = Device::new(&endpoint, &fleet, row, state).expect("good certificates");
        gate.come_home_after(HOME);
        for _ in 0..punches {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
        gate.into_state()
    })
}

fn no_broker(scene: &mut Scene<Two>, watch: &Watch) {
    let Two { south, nats, .. } = &mut scene.city;
    nats.kill();
    punch_at(south, STAYS, DeviceState::new(Epoch(1)), 1);
    watch.come_true();
    nats.restart();
}
