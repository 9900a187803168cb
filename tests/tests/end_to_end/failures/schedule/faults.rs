//! The faults of a schedule, and a round: one fault happens while orders are under way at the leader, and ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Signal, kill_process};
use tests::brokers::{Brokers, Links, SERVERS};
use tests::members::Member;
use tests::members::held::Held;
use tests::{nats, wait_for};

use super::super::members::redden;
use super::{BURST, World, leads};

/// The subject of the registry's changes.
const SUBJECT: &str = "changtong.registry";
/// The first byte of a message is the version of its format, 1.
const NEXT_VERSION: &str = "\u{2} and nothing that this release knows";

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
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
    /// The disk of a gateway that follows takes nothing for a while, and then the gateway stands still.
    FollowerIsSlow,
    /// A gateway is away while the stream is trimmed behind what it has.
    BehindTheTrim,
    /// A gateway dies and its disk is lost: its punches are read from their copy, and another gateway takes its place.
    DiskIsLost,
    /// A gateway dies, has a clock that is an hour wrong for a while, and perhaps leads by it.
    ClockIsWrong,
    /// A second process with a gateway's name and keys, and no data, is started.
    NameTwice,
    /// A message of another release is in the stream, until operators remove the stream and have it filled again.
    OtherVersion,
    /// A server of the broker dies, and is started again.
    BrokerDies,
    /// A server of the broker loses all that it had stored.
    BrokerIsWiped,
    /// Two of three servers die at once, and are started again.
    MajorityDies,
    /// All servers lose all that they had stored, and operators have the stream filled again.
    AllAreWiped,
}

pub(super) const FAULTS: [Fault; 15] = [
    Fault::LeaderDies,
    Fault::FollowerDies,
    Fault::LeaderStops,
    Fault::LeaderIsCutOff,
    Fault::FollowerIsCutOff,
    Fault::FollowerIsSlow,
    Fault::BehindTheTrim,
    Fault::DiskIsLost,
    Fault::ClockIsWrong,
    Fault::NameTwice,
    Fault::OtherVersion,
    Fault::BrokerDies,
    Fault::BrokerIsWiped,
    Fault::MajorityDies,
    Fault::AllAreWiped,
];

/// The gateway and the server that a fault meets, and the gateway that leads then.
#[derive(Clone, Copy)]
struct Met {
    leader: usize,
    gateway: usize,
    server: usize,
}

/// The processes and holds beside the members while a fault lasts.
struct Beside {
    /// The lock of the disk that takes nothing.
    held: Option<Held>,
    /// The process with another one's name.
    namesake: Option<Member>,
}

impl World<'_> {
    /// Lets one fault happen while orders are under way at the leader.
    pub(super) fn round(&mut self, fault: Fault) {
        let leader = self.leader(None);
        let follower = (leader + 1 + self.random.usize(..2)) % self.members.len();
        let gateway = match fault {
            Fault::LeaderDies | Fault::LeaderStops | Fault::LeaderIsCutOff => leader,
            Fault::ClockIsWrong | Fault::NameTwice if self.random.bool() => leader,
            Fault::FollowerDies
            | Fault::FollowerIsCutOff
            | Fault::FollowerIsSlow
            | Fault::BehindTheTrim
            | Fault::DiskIsLost
            | Fault::ClockIsWrong
            | Fault::NameTwice
            | Fault::OtherVersion
            | Fault::BrokerDies
            | Fault::BrokerIsWiped
            | Fault::MajorityDies
            | Fault::AllAreWiped => follower,
        };
        let met = Met { leader, gateway, server: self.random.usize(..SERVERS) };
        if matches!(fault, Fault::DiskIsLost) {
            self.acknowledge_copied(gateway);
        }
        let burst: Vec<String> =
            self.green.split_off(self.green.len().checked_sub(BURST).expect("enough codes"));
        let count = AtomicUsize::new(0);
        let namesake = matches!(fault, Fault::NameTwice).then(|| self.namesake(gateway));
        let mut beside = Beside { held: None, namesake };
        let taken = std::thread::scope(|scope| {
            let at = &self.members[leader];
            let orders = scope.spawn(|| {
                let taken =
                    |code: &&String| redden(at, code).is_ok() && count.fetch_add(1, Ordering::SeqCst) < BURST;
                burst.iter().take_while(taken).count()
            });
            wait_for("an order", || (count.load(Ordering::SeqCst) > 0 || orders.is_finished()).then_some(()));
            begin(fault, met, (&self.members, &self.links), &mut self.brokers, &mut beside);
            orders.join().expect("the orders end")
        });
        self.acknowledged.extend(burst[..taken].iter().map(|code| code.parse::<u64>().expect("a number")));
        self.end(fault, met, beside);
        self.settle(fault);
    }

    /// Gives an order while the fault lasts, if it can be given, and ends the fault.
    fn end(&mut self, fault: Fault, Met { gateway, server, .. }: Met, beside: Beside) {
        match fault {
            Fault::LeaderDies | Fault::FollowerDies => {
                self.members[gateway].kill();
                self.order(Some(gateway));
                self.members[gateway].start();
            }
            Fault::LeaderStops => {}
            Fault::LeaderIsCutOff | Fault::FollowerIsCutOff => {
                self.order(Some(gateway));
                let code = self.green.pop().expect("enough codes");
                redden(&self.members[gateway], &code).expect_err("it does not reach the broker");
                self.links[gateway].heal();
            }
            Fault::FollowerIsSlow => self.stand_still(gateway, beside.held.expect("its disk is held")),
            Fault::BehindTheTrim => self.trim_behind(gateway),
            Fault::DiskIsLost => self.replace(gateway),
            Fault::ClockIsWrong => self.set_clock(gateway),
            Fault::NameTwice => self.refuse(gateway, beside.namesake.expect("it runs")),
            Fault::OtherVersion => self.refuse_version(),
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
    }
}

fn begin(
    fault: Fault,
    Met { leader, gateway, server }: Met,
    (members, links): (&[Member], &[Links]),
    brokers: &mut Brokers,
    beside: &mut Beside,
) {
    let signal = |signal| kill_process(members[gateway].pid(), signal).expect("our own process");
    match fault {
        Fault::LeaderDies
        | Fault::FollowerDies
        | Fault::BehindTheTrim
        | Fault::DiskIsLost
        | Fault::ClockIsWrong => signal(Signal::KILL),
        Fault::LeaderStops => {
            signal(Signal::STOP);
            // Its own order is not answered before it goes on.
            wait_for("another leader", || {
                let others = members.iter().enumerate().filter(|(n, _)| *n != leader);
                others.map(|(_, member)| member).any(leads).then_some(())
            });
            signal(Signal::CONT);
        }
        Fault::LeaderIsCutOff | Fault::FollowerIsCutOff => links[gateway].cut(),
        Fault::FollowerIsSlow => {
            beside.held = Some(Held::write_lock(&members[gateway].data().join("registry.db")));
        }
        Fault::NameTwice => beside.namesake.as_mut().expect("it is prepared").launch(),
        Fault::OtherVersion => nats::ask(&links[gateway].urls()[server], SUBJECT, NEXT_VERSION, &["\"seq\""]),
        Fault::BrokerDies | Fault::BrokerIsWiped => brokers.kill(server),
        Fault::MajorityDies => {
            brokers.kill(server);
            brokers.kill((server + 1) % SERVERS);
        }
        Fault::AllAreWiped => (0..SERVERS).for_each(|server| brokers.kill(server)),
    }
}
