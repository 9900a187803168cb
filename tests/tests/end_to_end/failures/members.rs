//! A fleet of two gateways over a broker: what is ordered at the leader holds at both, also when the leader dies or the broker is away.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use device::tokens::{Person, Tokens};
use device::{Device, DeviceState, Fleet};
use policy::trajectory::{day_of, days_after};
use protocol::{Basis, Class, CodeId, Colour, Epoch};
use rcgen::{CertificateParams, KeyPair};
use runtime::clock;
use tests::https::Client;
use tests::members::Member;
use tests::nats::Nats;
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on, wait_for};

/// Starts a city's gateway as the leader of a fleet, and one more.
fn two(city: &mut City, root: &Path, nats: &Nats) -> (Member, Member) {
    assert!(city.terminate().success(), "{}", city.log());
    let mut north = Member::first(city, root, "north", &nats.url());
    north.start();
    north.wait_to_lead();
    let mut south = north.another(city, root, "south", &nats.url());
    south.start();
    south.wait_for_all_of(&north);
    (north, south)
}

/// Returns the colour that the first gate shows for that code at this gateway.
fn shown(fleet: &Fleet, code: u64) -> Colour {
    shown_by(fleet, 0, code)
}

/// Returns the colour that a gate shows for that code at this gateway.
fn shown_by(fleet: &Fleet, gate: usize, code: u64) -> Colour {
    let tokens = Tokens::load(fleet).expect("the city's token key");
    let code = CodeId::from_u64(code).expect("a code");
    let person = Person { code, colour: Colour::Unknown, basis: Basis::Nothing, class: Class::Person };
    let (_, region) = fleet.devices[gate].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(fleet);
        let mut gate = device(&endpoint, fleet, gate);
        let now_s = u32::try_from(clock::now_s()).expect("before 2106");
        gate.verify(region, vec![tokens.scan(&person, now_s)]).await.expect("a verdict")[0].colour
    })
}

/// Has the first gate punch at this gateway, until it is acknowledged.
fn punch_at(fleet: &Fleet, epoch: u32) {
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(fleet);
        let state = DeviceState::new(Epoch(epoch));
        let mut gate = Device::new(&endpoint, fleet, &fleet.devices[0], state).expect("good certificates");
        gate.punch(region, punch(place), 0);
        gate.connect().await.expect("a connection");
        gate.settle().await.expect("acknowledged");
    });
}

fn green(city: &City) -> Vec<String> {
    let codes = std::fs::read_to_string(city.data().join("codes.csv")).expect("the city's codes");
    let lines = codes.lines().filter(|line| line.ends_with(",green,verified,person"));
    lines.filter_map(|line| line.split(',').next()).map(str::to_owned).collect()
}

/// Makes a code red; true if that is acknowledged.
fn redden(member: &Member, code: &str) -> Result<(), String> {
    let until = days_after(day_of(clock::now_s()), 7).to_string();
    let words = ["cause", "add", "--code", code, "--kind", "close-contact", "--until", &until];
    let (status, out, err) = member.order(2, &words);
    if status.success() { Ok(()) } else { Err(out + &err) }
}

#[test]
fn orders_at_the_leader_hold_at_every_gateway_and_outlive_its_death() {
    let mut city = City::start(400, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let (mut north, south) = two(&mut city, root.path(), &nats);
    let codes = green(&city);
    let at_south = south.fleet();
    let first: u64 = codes[0].parse().expect("a number");
    assert_eq!(shown(&at_south, first), Colour::Green);
    redden(&north, &codes[0]).expect("the leader takes it");
    wait_for("the colour at the other gateway", || (shown(&at_south, first) == Colour::Red).then_some(()));
    let refused = redden(&south, &codes[1]).expect_err("it follows");
    assert!(refused.contains("north") && refused.contains("https://north.example"), "{refused}");
    assert_eq!(shown(&with_a_new_device(&north, &south, &at_south), first), Colour::Red);

    // Orders one after the other, until the leader is killed between two of them or within one.
    let acknowledged = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        let orders = scope.spawn(|| {
            for code in &codes[1..] {
                if redden(&north, code).is_err() {
                    return;
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        wait_for("some orders", || (acknowledged.load(Ordering::SeqCst) > 5).then_some(()));
        rustix::process::kill_process(north.pid(), rustix::process::Signal::KILL).expect("our own process");
        orders.join().expect("the orders end");
    });
    let killed = clock::now();
    north.kill();
    south.wait_to_lead();
    eprintln!("another gateway leads after {:?}", clock::since(killed));
    for code in &codes[..acknowledged.load(Ordering::SeqCst)] {
        assert_eq!(shown(&at_south, code.parse().expect("a number")), Colour::Red, "acknowledged: {code}");
    }
    redden(&south, codes.last().expect("many")).expect("the new leader takes orders");
    north.start();
    north.wait_for_all_of(&south);
    assert_eq!(north.digest(), south.digest());
    let last: u64 = codes.last().expect("many").parse().expect("a number");
    assert_eq!(shown(&north.fleet(), last), Colour::Red);
}

/// Enrols a device at the leader; returns the devices as they speak to the other gateway, that one first.
fn with_a_new_device(leader: &Member, other: &Member, at_other: &Fleet) -> Fleet {
    let region = at_other.devices[0].places().next().expect("a place").1.0.to_string();
    let words =
        ["device", "--json", "enrol", "--name", "a gate of both", "--class", "gate", "--region", &region];
    let (status, out, err) = leader.order(1, &words);
    assert!(status.success(), "{out}{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let token = answer["token"]["token"].as_str().expect("a token");
    let at_leader = leader.fleet();
    let authority = std::fs::read_to_string(&at_leader.ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    let key = KeyPair::generate().expect("a key");
    let csr = CertificateParams::default().serialize_request(&key).expect("a request").pem().expect("PEM");
    let body = serde_json::json!({"token": token, "csr": csr}).to_string();
    let (status, answer) = client.post(at_leader.enrol, "/enrol/1", &body).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    other.wait_for_all_of(leader);
    let certificate = answer["certificate"].as_str().expect("a certificate");
    other.fleet_with(answer["device"].as_u64().expect("a device"), certificate, &key.serialize_pem())
}

#[test]
fn punches_and_verifies_go_on_without_the_broker_and_orders_say_not_now() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let mut nats = Nats::start();
    let (north, south) = two(&mut city, root.path(), &nats);
    let codes = green(&city);
    nats.kill();
    let (at_north, at_south) = (north.fleet(), south.fleet());
    let code: u64 = codes[0].parse().expect("a number");
    for (epoch, fleet) in [(1, &at_north), (2, &at_south)] {
        assert_eq!(shown_by(fleet, 1, code), Colour::Green);
        punch_at(fleet, epoch);
    }
    for _ in 0..2 {
        let refused = redden(&north, &codes[0]).expect_err("the broker is away");
        assert!(refused.contains("not now"), "{refused}");
    }
    let (status, out, _) = south.command(&["fleet", "status"]);
    assert_eq!(status.code(), Some(1), "{out}");
    nats.restart();
    let leader = wait_for("a leader", || {
        [&north, &south].into_iter().find(|member| member.standing().is_some_and(|at| at["leads"] == true))
    });
    redden(leader, &codes[0]).expect("the broker is back");
    for (epoch, fleet) in [(3, &at_north), (4, &at_south)] {
        wait_for("the colour", || (shown_by(fleet, 1, code) == Colour::Red).then_some(()));
        punch_at(fleet, epoch);
    }
}
