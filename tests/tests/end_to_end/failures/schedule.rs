//! A fleet of three gateways over three servers of the broker, under a random schedule of faults, while devices punch: afterwards all
//! registries are equal, every order that was acknowledged is in them, and every acknowledged punch is once in the logs together.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::Colour;
use rustix::process::{Signal, kill_process};
use tests::brokers::{Brokers, Links, SERVERS};
use tests::members::Member;
use tests::walk::{Traffic, Walker, endpoint};
use tests::{City, wait_for};

use super::members::{green, redden, shown_all};

/// The faults of one run; `CHANGTONG_FLEET_ROUNDS` names another number.
const ROUNDS: usize = 20;
/// The orders under way at the leader while a fault begins.
const BURST: usize = 6;
const NAMES: [&str; 3] = ["north", "south", "east"];
/// The interval between two people at a device, and the punches that each device has to add after a fault.
const PACE: Duration = Duration::from_millis(20);
const PUNCHES: u64 = 30;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The leader dies, and is started again when another one leads.
    LeaderDies,
    /// A gateway that follows dies, and is started again.
    FollowerDies,
    /// The leader stands still, goes on when another one leads, and believes in its lease for a moment.
    LeaderStops,
    /// The leader does not reach the broker, people reach it; it is back when another one leads.
    LeaderIsCutOff,
    /// A gateway that follows does not reach the broker, and is behind when it does.
    FollowerIsCutOff,
    /// A server of the broker dies, and is started again.
    BrokerDies,
    /// A server of the broker loses all that it had stored.
    BrokerIsWiped,
    /// Two of three servers die at once, and are started again.
    MajorityDies,
    /// All servers lose all that they had stored, and operators have the stream filled again.
    AllAreWiped,
}

const FAULTS: [Fault; 9] = [
    Fault::LeaderDies,
    Fault::FollowerDies,
    Fault::LeaderStops,
    Fault::LeaderIsCutOff,
    Fault::FollowerIsCutOff,
    Fault::BrokerDies,
    Fault::BrokerIsWiped,
    Fault::MajorityDies,
    Fault::AllAreWiped,
];

struct World {
    members: Vec<Member>,
    links: Vec<Links>,
    brokers: Brokers,
    /// Codes that no order has named yet.
    green: Vec<String>,
    acknowledged: HashSet<u64>,
    /// A device at each gateway.
    traffic: Traffic,
    random: fastrand::Rng,
}

impl World {
    fn start(city: &mut City, root: &Path, seed: u64) -> Self {
        let green = green(city);
        assert!(city.terminate().success(), "{}", city.log());
        let brokers = Brokers::current(env!("CARGO_TARGET_TMPDIR"));
        let links: Vec<Links> = NAMES.iter().map(|_| brokers.links()).collect();
        let mut first = Member::first(city, root, NAMES[0], &links[0]);
        first.tell_devices();
        first.start();
        first.wait_to_lead();
        let mut members = vec![first];
        for n in 1..NAMES.len() {
            let mut member = members[0].another(city, root, NAMES[n], &links[n]);
            member.tell_devices();
            member.start();
            members.push(member);
        }
        let fleets: Vec<_> = members.iter().map(Member::fleet).collect();
        let traffic = Traffic::start(fleets.len(), move || {
            let endpoint = endpoint(&fleets[0]);
            let walker = |(index, fleet)| {
                let mut walker = Walker::new(&endpoint, fleet, index).at_pace(PACE);
                walker.device.come_home_after(Duration::from_millis(500));
                walker
            };
            // The first gate is asked for colours.
            (1..).zip(&fleets).map(walker).collect()
        });
        let random = fastrand::Rng::with_seed(seed);
        Self { members, links, brokers, green, acknowledged: HashSet::new(), traffic, random }
    }

    /// Waits for a leader other than `without`.
    fn leader(&self, without: Option<usize>) -> usize {
        wait_for("a leader", || {
            (0..self.members.len())
                .filter(|&n| Some(n) != without)
                .find(|&n| self.members[n].standing().is_some_and(|standing| standing["leads"] == true))
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

    /// Lets one fault happen while orders are under way at the leader.
    fn round(&mut self, fault: Fault) {
        let leader = self.leader(None);
        let follower = (leader + 1 + self.random.usize(..2)) % self.members.len();
        let server = self.random.usize(..SERVERS);
        let burst: Vec<String> =
            self.green.split_off(self.green.len().checked_sub(BURST).expect("enough codes"));
        let count = AtomicUsize::new(0);
        let victim = match fault {
            Fault::LeaderDies | Fault::LeaderStops | Fault::LeaderIsCutOff => Some(leader),
            Fault::FollowerDies | Fault::FollowerIsCutOff => Some(follower),
            Fault::BrokerDies | Fault::BrokerIsWiped | Fault::MajorityDies | Fault::AllAreWiped => None,
        };
        let pid = self.members[victim.unwrap_or(leader)].pid();
        let Self { members, links, brokers, .. } = self;
        let taken = std::thread::scope(|scope| {
            let at = &members[leader];
            let orders = scope.spawn(|| {
                let taken =
                    |code: &&String| redden(at, code).is_ok() && count.fetch_add(1, Ordering::SeqCst) < BURST;
                burst.iter().take_while(taken).count()
            });
            wait_for("an order", || (count.load(Ordering::SeqCst) > 0 || orders.is_finished()).then_some(()));
            match fault {
                Fault::LeaderDies | Fault::FollowerDies => {
                    kill_process(pid, Signal::KILL).expect("our own process")
                }
                Fault::LeaderStops => kill_process(pid, Signal::STOP).expect("our own process"),
                Fault::LeaderIsCutOff | Fault::FollowerIsCutOff => links[victim.expect("a gateway")].cut(),
                Fault::BrokerDies | Fault::BrokerIsWiped => brokers.kill(server),
                Fault::MajorityDies => {
                    brokers.kill(server);
                    brokers.kill((server + 1) % SERVERS);
                }
                Fault::AllAreWiped => (0..SERVERS).for_each(|server| brokers.kill(server)),
            }
            if matches!(fault, Fault::LeaderStops) {
                // Its own order is not answered before it goes on.
                let others = members.iter().enumerate().filter(|(n, _)| *n != leader);
                let others: Vec<&Member> = others.map(|(_, member)| member).collect();
                wait_for("another leader", || {
                    others
                        .iter()
                        .any(|member| member.standing().is_some_and(|at| at["leads"] == true))
                        .then_some(())
                });
                kill_process(pid, Signal::CONT).expect("our own process");
            }
            orders.join().expect("the orders end")
        });
        self.acknowledged.extend(burst[..taken].iter().map(|code| code.parse::<u64>().expect("a number")));
        self.end(fault, victim, server);
    }

    /// Gives an order while the fault lasts, if it can be given, and ends the fault.
    fn end(&mut self, fault: Fault, victim: Option<usize>, server: usize) {
        match fault {
            Fault::LeaderDies | Fault::FollowerDies => {
                let dead = victim.expect("a gateway");
                self.members[dead].kill();
                self.order(victim);
                self.members[dead].start();
            }
            Fault::LeaderStops => {}
            Fault::LeaderIsCutOff | Fault::FollowerIsCutOff => {
                let away = victim.expect("a gateway");
                self.order(victim);
                let code = self.green.pop().expect("enough codes");
                redden(&self.members[away], &code).expect_err("it does not reach the broker");
                self.links[away].heal();
            }
            Fault::BrokerDies => {
                self.order(None);
                self.brokers.restart(server);
            }
            Fault::BrokerIsWiped => {
                self.order(None);
                self.brokers.wipe(server);
                self.brokers.restart(server);
            }
            Fault::MajorityDies => {
                let code = self.green.pop().expect("enough codes");
                for member in &self.members {
                    redden(member, &code).expect_err("no majority of the broker");
                }
                self.brokers.restart(server);
                self.brokers.restart((server + 1) % SERVERS);
            }
            Fault::AllAreWiped => {
                (0..SERVERS).for_each(|server| self.brokers.wipe(server));
                (0..SERVERS).for_each(|server| self.brokers.restart(server));
                self.refill();
            }
        }
        self.settle(fault);
    }

    /// Has the gateway with the highest position make the stream anew.
    fn refill(&self) {
        let says = |standing: &serde_json::Value| {
            standing["trouble"].as_str().is_some_and(|trouble| trouble.contains("changtong fleet refill"))
        };
        let positions: Vec<u64> = wait_for("gateways that miss the stream", || {
            let standings = self.members.iter().map(|member| member.standing().filter(says));
            standings.map(|standing| standing?["position"].as_u64()).collect()
        });
        let (highest, _) = (0..).zip(&positions).max_by_key(|(_, position)| **position).expect("three");
        let words = ["fleet", "refill", NAMES[highest], "--case", "1"];
        wait_for("the refill", || {
            let (status, out, err) = self.members[highest].order(2, &words);
            if !status.success() {
                eprintln!("{out}{err}");
            }
            status.success().then_some(())
        });
    }
}

#[test]
fn under_random_faults_registries_stay_equal_and_no_acknowledged_order_or_punch_is_lost() {
    let seed = option_env!("CHANGTONG_FLEET_SEED").and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let rounds =
        option_env!("CHANGTONG_FLEET_ROUNDS").and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    eprintln!("seed {seed}, {rounds} rounds");
    let people = u32::try_from(400 + rounds * 2 * (BURST + 4)).expect("a small city");
    let mut city = City::start(people, 6);
    let root = tempfile::tempdir().expect("a directory");
    let mut world = World::start(&mut city, root.path(), seed);
    world.settle(Fault::FollowerDies);
    // Every fault comes up in each run; beyond that, they are drawn.
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
    let World { mut members, traffic, .. } = world;
    let proof = traffic.prove(|| {
        members.iter_mut().for_each(Member::terminate);
        members.iter().map(Member::punches).collect()
    });
    eprintln!("{} punches acknowledged", proof.acknowledged);
}
