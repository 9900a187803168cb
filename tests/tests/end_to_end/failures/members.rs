//! A fleet of two gateways over a broker: what is ordered at the leader holds at both, also when the leader dies or the broker is away.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use device::tokens::{Person, Tokens};
use device::{Device, DeviceState, Fleet};
use policy::trajectory::{day_of, days_after};
use protocol::{Basis, Class, CodeId, Colour, Epoch, metric};
use rcgen::{CertificateParams, KeyPair};
use runtime::clock;
use tests::https::Client;
use tests::members::Member;
use tests::nats::Nats;
use tests::walk::{device, endpoint, punch};
use tests::{City, block_on, wait_for};

/// An age of colours, seconds, that no gateway has with its broker.
const OLD_S: u64 = 6;

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
pub(super) fn shown_by(fleet: &Fleet, gate: usize, code: u64) -> Colour {
    shown_to(fleet, gate, &[code])[0]
}

/// Returns the colours that the first gate shows for these codes at this gateway.
pub(super) fn shown_all(fleet: &Fleet, codes: &[u64]) -> Vec<Colour> {
    shown_to(fleet, 0, codes)
}

fn shown_to(fleet: &Fleet, gate: usize, codes: &[u64]) -> Vec<Colour> {
    let tokens = Tokens::load(fleet).expect("the city's token key");
    let (_, region) = fleet.devices[gate].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(fleet);
        let mut gate = device(&endpoint, fleet, gate);
        let mut colours = Vec::new();
        for &code in codes {
            let code = CodeId::from_u64(code).expect("a code");
            let person =
                Person { code, colour: Colour::Unknown, basis: Basis::Nothing, class: Class::Person };
            let now_s = u32::try_from(clock::now_s()).expect("before 2106");
            let scan = tokens.scan(&person, now_s);
            colours.push(gate.verify(region, vec![scan]).await.expect("a verdict")[0].colour);
        }
        colours
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

pub(super) fn green(city: &City) -> Vec<String> {
    let codes = std::fs::read_to_string(city.data().join("codes.csv")).expect("the city's codes");
    let lines = codes.lines().filter(|line| line.ends_with(",green,verified,person"));
    lines.filter_map(|line| line.split(',').next()).map(str::to_owned).collect()
}

/// Makes a code red, and returns what is said otherwise.
pub(super) fn redden(member: &Member, code: &str) -> Result<(), String> {
    set_cause(member, code, "close-contact")
}

/// Sets a cause of that kind, and returns what is said otherwise.
pub(super) fn set_cause(member: &Member, code: &str, kind: &str) -> Result<(), String> {
    let until = days_after(day_of(clock::now_s()), 7).to_string();
    let words = ["cause", "add", "--code", code, "--kind", kind, "--until", &until];
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
    assert_eq!(shown(&with_a_new_device(&south, &at_south), first), Colour::Red);

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
    for member in [&north, &south] {
        // The leader goes on to change what is due.
        wait_for("the digest", || {
            let (_, text, _) = member.at_rest(0, &["fleet", "digest"]);
            let (_, out, err) = member.at_rest(0, &["fleet", "digest", "--json"]);
            let said: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
            let (digest, position) = (member.digest(), member.standing()?["position"].clone());
            (text.trim() == digest && said == serde_json::json!({ "digest": digest, "position": position }))
                .then_some(())
        });
    }
    let last: u64 = codes.last().expect("many").parse().expect("a number");
    assert_eq!(shown(&north.fleet(), last), Colour::Red);
    hand_over(&south, &north);
    remove(&north, south);
}

/// Has one gateway hand the lead over to another one, by order.
fn hand_over(from: &Member, to: &Member) {
    let promote = |name| from.order(1, &["fleet", "promote", name]);
    let (status, _, err) = promote("west");
    assert!(!status.success() && err.contains("no gateway of the fleet has the name west"), "{err}");
    let (status, out, err) = promote("north");
    assert!(status.success() && out.contains("north is to lead"), "{out}{err}");
    to.wait_to_lead();
    wait_for("a change at the new leader", || to.order(1, &["operator", "list"]).0.success().then_some(()));
    from.wait_for_all_of(to);
    let (status, _, err) = promote("north");
    assert!(!status.success() && err.contains("north is the gateway that leads"), "{err}");
}

/// Has a gateway leave for good.
fn remove(leader: &Member, mut leaves: Member) {
    let leave = || leader.order(1, &["fleet", "leave", "south"]);
    let (status, _, err) = leave();
    assert!(!status.success() && err.contains("south runs"), "{err}");
    leaves.kill();
    let (status, out, err) = leave();
    assert!(status.success() && out.contains("no gateway of the fleet any more"), "{out}{err}");
    wait_for("the list", || (leader.standing()?["gateways"] == serde_json::json!(["north"])).then_some(()));
}

/// Enrols a device at a gateway that follows, and has it renew its certificate there; returns the devices as they speak to that gateway,
/// that one first.
fn with_a_new_device(other: &Member, at_other: &Fleet) -> Fleet {
    let region = at_other.devices[0].places().next().expect("a place").1.0.to_string();
    let words =
        ["device", "--json", "enrol", "--name", "a gate of both", "--class", "gate", "--region", &region];
    let (status, out, err) = other.order(1, &words);
    assert!(status.success(), "{out}{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let token = answer["token"]["token"].as_str().expect("a token");
    let authority = std::fs::read_to_string(&at_other.ca).expect("the authority");
    let key = KeyPair::generate().expect("a key");
    let csr = CertificateParams::default().serialize_request(&key).expect("a request").pem().expect("PEM");
    let asked = |identity: Option<(&str, &str)>, path: &str, body: serde_json::Value| -> serde_json::Value {
        let client = Client { authority: &authority, identity };
        let (status, answer) = client.post(at_other.enrol, path, &body.to_string()).expect("an answer");
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("JSON")
    };
    let first = asked(None, "/enrol/1", serde_json::json!({"token": token, "csr": csr}));
    let first = first["certificate"].as_str().expect("a certificate");
    let pem = key.serialize_pem();
    let answer = asked(Some((first, &pem)), "/renew/1", serde_json::json!({"csr": csr}));
    let certificate = answer["certificate"].as_str().expect("a certificate");
    assert_ne!(certificate, first);
    other.fleet_with(answer["device"].as_u64().expect("a device"), certificate, &pem)
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
    for member in [&north, &south] {
        wait_for("colours that get older", || {
            ages(member)?.iter().all(|age_s| *age_s >= OLD_S).then_some(())
        });
        let (status, out, _) = member.command(&["fleet", "status"]);
        assert!(status.code() == Some(1) && out.contains("colours   as they were"), "{out}");
        let (_, out, _) = member.at_rest(0, &["doctor"]);
        assert!(out.contains("shows the colours of its fleet from"), "{out}");
    }
    nats.restart();
    let leader = wait_for("a leader", || {
        [&north, &south].into_iter().find(|member| member.standing().is_some_and(|at| at["leads"] == true))
    });
    redden(leader, &codes[0]).expect("the broker is back");
    for (epoch, fleet) in [(3, &at_north), (4, &at_south)] {
        wait_for("the colour", || (shown_by(fleet, 1, code) == Colour::Red).then_some(()));
        punch_at(fleet, epoch);
    }
    for member in [&north, &south] {
        wait_for("new colours", || ages(member)?.iter().all(|age_s| *age_s <= 1).then_some(()));
    }
}

/// Returns the age of the colours that the metrics, `fleet status` and the overview show; the overview shows none, 0, while they count as new.
/// `None` before the overview has two readings.
fn ages(member: &Member) -> Option<[u64; 3]> {
    let overview: serde_json::Value =
        serde_json::from_str(&member.get("/overview.json")).expect("the overview's figures");
    let shown = overview["now"]["fleet"].as_object()?["colours_s"].as_u64().unwrap_or_default();
    let told = member.standing()?["colours_age_s"].as_u64().expect("seconds");
    Some([member.metric(metric::FLEET_COLOURS_AGE_SECONDS, "") as u64, told, shown])
}

#[test]
fn a_member_that_has_lost_its_punch_log_or_takes_over_the_leaders_registry_starts_after_its_acceptance() {
    let mut city = City::start(200, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let (north, mut south) = two(&mut city, root.path(), &nats);
    punch_at(&south.fleet(), 1);
    south.kill();
    std::fs::remove_dir_all(south.data().join("ledger")).expect("its punch log");
    accept(&south);
    south.start();
    south.wait_for_all_of(&north);
    punch_at(&south.fleet(), 2);

    // The way out of a registry that can follow the stream no more.
    let backups = tempfile::tempdir().expect("a directory");
    let backup = backups.path().join("backup");
    let path = backup.to_str().expect("plain");
    let (status, out, err) = north.order(2, &["backup", "--out", path, "--case", "7"]);
    assert!(status.success(), "{out}{err}");
    south.kill();
    for name in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = std::fs::remove_file(south.data().join(name));
    }
    std::fs::copy(backup.join("registry.db"), south.data().join("registry.db")).expect("copied");
    accept(&south);
    south.start();
    redden(&north, &green(&city)[0]).expect("the leader takes it");
    south.wait_for_all_of(&north);
    punch_at(&south.fleet(), 3);
    assert_eq!(north.digest(), south.digest());
}

/// Has operators accept a member's stores, which do not belong together.
fn accept(member: &Member) {
    let (status, out, err) = member.at_rest(0, &["stores", "check"]);
    assert!(!status.success() && (out + &err).contains("changtong stores accept"));
    let (status, out, err) = member.at_rest(1, &["stores", "accept", "--case", "7"]);
    assert!(!status.success() && (out + &err).contains("2 operator(s)"));
    let (status, out, err) = member.at_rest(2, &["stores", "accept", "--case", "7"]);
    assert!(status.success() && out.contains("Accepted"), "{out}{err}");
}
