//! A fleet of three gateways over three servers of the broker, under a random schedule of faults, while devices punch: afterwards all
//! registries are equal, every order that was acknowledged is in them, and every acknowledged punch is once in the logs together, or in the
//! copy of one that is lost.
//!
//! - `faults`: the faults, and what a round does. `ends`: the ends of those that take several steps.

mod ends;
mod faults;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::Colour;
use tests::brokers::{Brokers, Links};
use tests::members::Member;
use tests::walk::{Traffic, Walker, endpoint};
use tests::{City, nats, wait_for};

use self::faults::{FAULTS, Fault};
use super::copies::recovery_key;
use super::members::{green, redden, shown_all};

/// The faults of one run; `CHANGTONG_FLEET_ROUNDS` names another number.
const ROUNDS: usize = 20;
/// The orders under way at the leader while a fault begins.
const BURST: usize = 6;
const NAMES: [&str; 3] = ["north", "south", "east"];
/// The interval between two people at a device, and the punches that each device has to add after a fault.
const PACE: Duration = Duration::from_millis(20);
const PUNCHES: u64 = 30;

struct World<'a> {
    city: &'a City,
    root: &'a Path,
    members: Vec<Member>,
    /// The members' names; one that takes the place of a lost one has another.
    names: Vec<String>,
    links: Vec<Links>,
    brokers: Brokers,
    /// The private half of the recovery key, and the line with the other half.
    recovery: (PathBuf, String),
    /// The hours by which each member's clock is wrong when it is.
    hours: [i64; NAMES.len()],
    /// Codes that no order has named yet.
    green: Vec<String>,
    acknowledged: HashSet<u64>,
    /// A device at each gateway.
    traffic: Traffic,
    /// Punches that are in no member's log: the copies of lost ones, and the logs of namesakes.
    exports: Vec<Vec<u8>>,
    random: fastrand::Rng,
}

impl<'a> World<'a> {
    fn start(city: &'a mut City, root: &'a Path, seed: u64) -> Self {
        let green = green(city);
        assert!(city.terminate().success(), "{}", city.log());
        let key = root.join("recovery.key");
        let recovery = (key.clone(), recovery_key(&key));
        let brokers = Brokers::current(env!("CARGO_TARGET_TMPDIR"));
        let links: Vec<Links> = NAMES.iter().map(|_| brokers.links()).collect();
        let mut members: Vec<Member> = Vec::new();
        for (name, links) in NAMES.iter().zip(&links) {
            let mut member = match members.first() {
                None => Member::first(city, root, name, links),
                Some(first) => first.another(city, root, name, links),
            };
            member.tell_devices();
            member.configure(&recovery.1);
            member.start();
            if members.is_empty() {
                member.wait_to_lead();
            }
            members.push(member);
        }
        let names = NAMES.map(str::to_owned).to_vec();
        let traffic = traffic(&members);
        let mut random = fastrand::Rng::with_seed(seed);
        // Each in one direction only: a clock that goes back by two hours is not believed.
        let hours = NAMES.map(|_| if random.bool() { 1 } else { -1 });
        let (acknowledged, exports) = (HashSet::new(), Vec::new());
        Self {
            city,
            root,
            members,
            names,
            links,
            brokers,
            recovery,
            hours,
            green,
            acknowledged,
            traffic,
            exports,
            random,
        }
    }

    /// Waits for a leader other than `without`.
    fn leader(&self, without: Option<usize>) -> usize {
        wait_for("a leader", || {
            (0..self.members.len()).filter(|&n| Some(n) != without).find(|&n| leads(&self.members[n]))
        })
    }

    /// Gives an order at the leader, who may change meanwhile, until it is acknowledged.
    fn order(&mut self, without: Option<usize>) {
        let code = self.green.pop().expect("enough codes");
        let taken = wait_for("an acknowledged order", || {
            let leader = self.leader(without);
            redden(&self.members[leader], &code).is_ok().then(|| code.parse().expect("a number"))
        });
        self.acknowledged.insert(taken);
    }

    /// Waits until all have the same, and compares their registries.
    fn settle(&mut self, fault: Fault) {
        nats::wait_for_replicas(&self.links[0].urls()[0]);
        self.order(None);
        let mut last = String::new();
        wait_for("equal registries", || {
            let digests: Vec<String> = self.members.iter().map(Member::digest).collect();
            let is_equal = digests.iter().all(|digest| *digest == digests[0]);
            if !is_equal {
                let standings = self.members.iter().map(|member| format!("{:?}", member.standing()));
                let now = digests.join("\n");
                if now != last {
                    eprintln!("after {fault:?}:\n{now}\n{}", standings.collect::<Vec<_>>().join("\n"));
                    last = now;
                }
            }
            is_equal.then_some(())
        });
        self.traffic.advance(PUNCHES);
    }
}

fn leads(member: &Member) -> bool {
    member.standing().is_some_and(|standing| standing["leads"] == true)
}

/// Starts a device at each gateway.
fn traffic(members: &[Member]) -> Traffic {
    let fleets: Vec<_> = members.iter().map(Member::fleet).collect();
    Traffic::start(fleets.len(), move || {
        let endpoint = endpoint(&fleets[0]);
        let walker = |(index, fleet)| {
            let mut walker = Walker::new(&endpoint, fleet, index).at_pace(PACE);
            walker.device.come_home_after(Duration::from_millis(500));
            walker
        };
        // The first gate is asked for colours.
        (1..).zip(&fleets).map(walker).collect()
    })
}

#[test]
fn under_random_faults_registries_stay_equal_and_no_acknowledged_order_or_punch_is_lost() {
    let seed = option_env!("CHANGTONG_FLEET_SEED").and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let rounds =
        option_env!("CHANGTONG_FLEET_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    eprintln!("seed {seed}, {rounds} rounds");
    let people = u32::try_from(400 + rounds * 2 * (BURST + 6)).expect("a small city");
    let mut city = City::start(people, 6);
    let root = tempfile::tempdir().expect("a directory");
    let mut world = World::start(&mut city, root.path(), seed);
    world.settle(Fault::FollowerDies);
    // Every fault comes up in each run that is long enough; beyond that, they are drawn.
    let mut schedule: Vec<Fault> = FAULTS.to_vec();
    schedule.extend((FAULTS.len()..rounds).map(|_| FAULTS[world.random.usize(..FAULTS.len())]));
    world.random.shuffle(&mut schedule);
    for (round, fault) in schedule.into_iter().take(rounds).enumerate() {
        eprintln!("round {round}: {fault:?}");
        world.round(fault);
    }
    let acknowledged: Vec<u64> = world.acknowledged.iter().copied().collect();
    eprintln!("{} orders acknowledged", acknowledged.len());
    for member in &world.members {
        let colours = shown_all(&member.fleet(), &acknowledged);
        assert!(colours.iter().all(|colour| *colour == Colour::Red), "seed {seed}: {colours:?}");
    }
    let World { mut members, traffic, exports, .. } = world;
    let proof = traffic.prove(|| {
        members.iter_mut().for_each(Member::terminate);
        let logs = members.iter().map(Member::punches).chain(exports);
        // A log without a batch has no columns either.
        logs.filter(|log| !log.is_empty()).collect()
    });
    eprintln!("{} punches acknowledged", proof.acknowledged);
}
