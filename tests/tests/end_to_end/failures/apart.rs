//! Gateways of a fleet that are apart: their clocks by an hour, or one of them behind the others. Orders, colours and the record go by
//! numbers; what is apart is said.

use std::path::Path;

use device::tokens::{Person, Tokens};
use device::{Device, DeviceState, Fleet};
use protocol::{Basis, Class, CodeId, Colour, Epoch, Reason, Verdict, metric};
use runtime::clock;
use rustix::process::{Signal, kill_process};
use tests::members::Member;
use tests::members::held::Held;
use tests::nats::Nats;
use tests::walk::{Crew, Walker, endpoint, prove_all};
use tests::{City, block_on, clock_of, wait_for};
use tokio::task::spawn_blocking;

use super::members::{green, redden};

const HOUR_S: i64 = 3_600;
const DEVICES: usize = 6;

/// The hours by which the clocks of the three gateways are wrong.
const HOURS: [(&str, i64); 3] = [("north", 1), ("south", 0), ("east", -1)];

/// Starts three gateways, each with its clock.
fn three(city: &mut City, root: &Path, nats: &Nats) -> [Member; 3] {
    assert!(city.terminate().success(), "{}", city.log());
    let mut members: Vec<Member> = Vec::new();
    for (name, hours) in HOURS {
        let mut member = match members.first() {
            None => Member::first(city, root, name, &nats.url()),
            Some(first) => first.another(city, root, name, &nats.url()),
        };
        let wrong = format!("FAKETIME={hours:+}h");
        member.run_under(&clock_of(&wrong));
        member.tell_devices();
        member.start();
        match members.first() {
            None => member.wait_to_lead(),
            Some(first) => member.wait_for_all_of(first),
        }
        members.push(member);
    }
    for member in &members {
        wait_for("the list of gateways", || {
            (member.standing()?["gateways"].as_array()?.len() == HOURS.len()).then_some(())
        });
    }
    members.try_into().unwrap_or_else(|_| panic!("three"))
}

/// Returns the verdict of a gate at this gateway on a code that was made so many seconds from now.
fn verdict(fleet: &Fleet, code: &str, made_s: i64) -> Verdict {
    let tokens = Tokens::load(fleet).expect("the city's token key");
    let (_, region) = fleet.devices[DEVICES].places().next().expect("a place");
    let code = CodeId::from_u64(code.parse().expect("a number")).expect("a code");
    let person = Person { code, colour: Colour::Unknown, basis: Basis::Nothing, class: Class::Person };
    let at_s = clock::now_s().saturating_add_signed(made_s);
    let scan = tokens.scan(&person, u32::try_from(at_s).expect("before 2106"));
    block_on(async {
        let endpoint = endpoint(fleet);
        let state = DeviceState::new(Epoch(1));
        let mut gate =
            Device::new(&endpoint, fleet, &fleet.devices[DEVICES], state).expect("good certificates");
        gate.verify(region, vec![scan]).await.expect("a verdict")[0]
    })
}

/// Returns a member's words on its clock, of `doctor`.
fn doctor(member: &Member) -> String {
    let (_, out, err) = member.at_rest(0, &["doctor"]);
    assert!(out.contains("fleet"), "{out}{err}");
    out.lines().filter(|line| line.contains(" s ahead of the") || line.contains(" s behind the")).collect()
}

#[test]
fn clocks_an_hour_apart_change_no_order_of_anything_and_doctor_says_so() {
    let mut city = City::start(400, DEVICES as u64);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let members = three(&mut city, root.path(), &nats);
    let codes = green(&city);
    redden(&members[0], &codes[0]).expect("the leader takes it");
    for (member, (name, hours)) in members.iter().zip(HOURS) {
        member.wait_for_all_of(&members[0]);
        let fleet = member.fleet();
        wait_for("the colour", || {
            (verdict(&fleet, &codes[0], hours * HOUR_S).colour == Colour::Red).then_some(())
        });
        let said = doctor(member);
        match hours {
            1 => assert!(said.contains("ahead of"), "{name}: {said}"),
            -1 => assert!(said.contains("behind"), "{name}: {said}"),
            _ => assert!(said.is_empty(), "{name}: {said}"),
        }
    }
    // A code of the gateway in the middle is too old for one, and not good yet for the other.
    let reasons = [0, 2].map(|at: usize| verdict(&members[at].fleet(), &codes[1], 0).reason);
    assert!(reasons.iter().all(|reason| *reason != Reason::Clear), "{reasons:?}");

    let (members, walkers) = block_on(async {
        let fleets: Vec<_> = members.iter().map(Member::fleet).collect();
        let endpoint = endpoint(&fleets[0]);
        let crew =
            Crew::of((0..DEVICES).map(|index| Walker::new(&endpoint, &fleets[index % fleets.len()], index)));
        crew.advance(50).await;
        // The leader ends; devices and people find the others, whose clocks are an hour or two behind its own.
        let members = spawn_blocking(move || {
            let [mut north, south, east] = members;
            north.kill();
            wait_for("another leader", || [&south, &east].iter().any(|member| leads(member)).then_some(()));
            [north, south, east]
        });
        let members = members.await.expect("it is done");
        crew.advance(50).await;
        (members, crew.end().await)
    });
    let [mut north, mut south, east] = members;
    let leader = if leads(&south) { &south } else { &east };
    redden(leader, &codes[2]).expect("the new leader takes it");
    north.start();
    north.wait_for_all_of(leader);

    // The gateway whose clock is behind leads, and an order with the right time is an hour ahead of it.
    south.terminate();
    north.terminate();
    east.wait_to_lead();
    let words = ["cause", "add", "--code", &codes[3], "--kind", "close-contact", "--until", "2099-01-01"];
    let (status, out, err) = east.order_from_elsewhere(2, &words);
    assert!(!status.success() && err.contains("check the clock"), "{out}{err}");
    redden(&east, &codes[3]).expect("an order with its own time");
    for member in [&mut north, &mut south] {
        member.start();
        member.wait_for_all_of(&east);
        wait_for("equal registries", || (member.digest() == east.digest()).then_some(()));
    }
    let lost: f64 = [&north, &south, &east].iter().map(|member| member.metric(metric::LOST, "")).sum();
    assert_eq!(lost, 0.0);
    let exports = [north, south, east].map(|mut member| {
        member.terminate();
        member.punches()
    });
    prove_all(&exports, walkers);
}

fn leads(member: &Member) -> bool {
    member.standing().is_some_and(|standing| standing["leads"] == true)
}

#[test]
fn a_follower_that_is_slow_shows_its_lag_and_catches_up() {
    let mut city = City::start(300, 2);
    let root = tempfile::tempdir().expect("a directory");
    let nats = Nats::start();
    let codes = green(&city);
    assert!(city.terminate().success(), "{}", city.log());
    let mut north = Member::first(&city, root.path(), "north", &nats.url());
    north.start();
    north.wait_to_lead();
    let mut south = north.another(&city, root.path(), "south", &nats.url());
    south.start();
    south.wait_for_all_of(&north);
    let mut codes = codes.iter();
    let mut order =
        || redden(&north, codes.next().expect("enough codes")).expect("nobody waits for a follower");
    let wait = |what, is_it: fn(&u64) -> bool| {
        wait_for(what, || lag_of(&south)?.iter().all(is_it).then_some(()));
    };
    wait("no lag", |lag| *lag == 0);

    // Its disk takes nothing for a while.
    let held = Held::write_lock(&south.data().join("registry.db"));
    order();
    wait("a lag", |lag| *lag > 0);
    order();
    drop(held);
    south.wait_for_all_of(&north);
    wait("no lag", |lag| *lag == 0);
    assert_eq!(north.digest(), south.digest());

    // The whole process stands still, and goes on.
    kill_process(south.pid(), Signal::STOP).expect("our own process");
    order();
    order();
    kill_process(south.pid(), Signal::CONT).expect("our own process");
    south.wait_for_all_of(&north);
    assert_eq!(north.digest(), south.digest());
}

/// Returns the lag in messages that the metrics, `fleet status` and the overview show; `None` before the overview has two readings.
fn lag_of(member: &Member) -> Option<[u64; 3]> {
    let standing = member.standing().expect("it runs");
    let number = |name: &str| standing[name].as_u64().expect("a number");
    let overview: serde_json::Value =
        serde_json::from_str(&member.get("/overview.json")).expect("the overview's figures");
    let shown = overview["now"]["fleet"]["lag"].as_u64()?;
    Some([
        member.metric(metric::FLEET_LAG, "") as u64,
        number("end").saturating_sub(number("position")),
        shown,
    ])
}
