//! The ends of faults that take operators' orders or several steps.

use std::process::ExitStatus;

use rustix::process::{Signal, kill_process};
use tests::members::Member;
use tests::members::held::Held;
use tests::{clock_of, nats, wait_for};

use super::super::members::redden;
use super::{NAMES, PUNCHES, World, leads};

const STREAM: &str = "CHANGTONG_REGISTRY";
/// The age, seconds, from which on a process surely keeps its name against one that starts now.
const OLD_S: u64 = 3;

impl World<'_> {
    /// Gives an order of operators at the leader, who may change meanwhile, until it is done; returns what it prints.
    fn operate(
        &self,
        without: Option<usize>,
        give: impl Fn(&Member) -> (ExitStatus, String, String),
    ) -> String {
        wait_for("an order of operators", || {
            let (status, out, err) = give(&self.members[self.leader(without)]);
            if !status.success() {
                eprintln!("{out}{err}");
            }
            status.success().then_some(out)
        })
    }

    /// Has a gateway lead.
    fn promote(&self, gateway: usize) {
        wait_for("the lead of that gateway", || {
            let leader = self.leader(None);
            if leader == gateway {
                return Some(());
            }
            let words = ["fleet", "promote", &self.names[gateway]];
            if self.members[leader].order(1, &words).0.success() {
                wait_for("the end of the lead", || (!leads(&self.members[leader])).then_some(()));
            }
            None
        });
    }

    /// Starts a gateway that has died with a wrong clock, and again with the right one.
    pub(super) fn set_clock(&mut self, gateway: usize) {
        self.members[gateway].kill();
        let wrong = format!("FAKETIME={:+}h", self.hours[gateway]);
        self.members[gateway].run_under(&clock_of(&wrong));
        self.members[gateway].start();
        self.order(None);
        if self.random.bool() {
            self.promote(gateway);
            self.order(None);
        }
        self.members[gateway].terminate();
        self.members[gateway].run_under(&[]);
        self.order(Some(gateway));
        self.members[gateway].start();
    }

    /// Prepares a machine with a gateway's name and keys, and no data.
    pub(super) fn namesake(&mut self, gateway: usize) -> Member {
        wait_for("a process that is older", || {
            (self.members[gateway].status()?["up_s"].as_u64()? >= OLD_S).then_some(())
        });
        let root = self.root.join(format!("{:x}", self.random.u32(..)));
        let member =
            self.members[gateway].another(self.city, &root, &self.names[gateway], &self.links[gateway]);
        member.tell_devices();
        member
    }

    /// Waits until a namesake is refused, and ends it; the first one goes on.
    pub(super) fn refuse(&mut self, gateway: usize, mut namesake: Member) {
        let said = format!("another gateway that runs has the name {}", self.names[gateway]);
        wait_for("the refusal", || {
            let standing = namesake.standing()?;
            (standing["leads"] == false && standing["trouble"].as_str()?.contains(&said)).then_some(())
        });
        self.order(None);
        namesake.terminate();
        assert!(!self.members[gateway].log().contains(&said), "the first one is refused");
        // Nothing, unless the first one was too busy to answer at once.
        self.exports.push(namesake.punches());
    }

    /// Waits until a gateway whose disk is held shows its lag; then the gateway stands still, misses another order, and goes on.
    pub(super) fn stand_still(&mut self, gateway: usize, held: Held) {
        self.order(Some(gateway));
        wait_for("its lag", || {
            let standing = self.members[gateway].standing()?;
            (standing["end"].as_u64()? > standing["position"].as_u64()?).then_some(())
        });
        let pid = self.members[gateway].pid();
        kill_process(pid, Signal::STOP).expect("our own process");
        drop(held);
        self.order(Some(gateway));
        kill_process(pid, Signal::CONT).expect("our own process");
    }

    /// Trims the stream behind what a gateway that has died has; it joins anew by the snapshot of the next leader.
    pub(super) fn trim_behind(&mut self, away: usize) {
        self.members[away].kill();
        // The trim leaves the last message, which may be all that it lacks.
        (0..2).for_each(|_| self.order(Some(away)));
        let leader = self.leader(Some(away));
        let next = self.members.len() - leader - away;
        self.members[next].wait_for_all_of(&self.members[leader]);
        let position = |member: &Member| member.standing()?["position"].as_u64();
        let end = position(&self.members[next]).expect("it runs");
        // With its beginning the stream loses the snapshots before, and who leads next stores another one.
        nats::trim(&self.links[leader].urls()[0], STREAM, end);
        self.promote(next);
        self.order(Some(away));
        let joined = |world: &Self| world.members[away].log().matches("has joined by a snapshot").count();
        let before = joined(self);
        self.members[away].start();
        wait_for("its snapshot", || (joined(self) > before).then_some(()));
    }

    /// Waits until no gateway follows or leads, and each names the reason; then the stream is removed, and made anew.
    pub(super) fn refuse_version(&mut self) {
        let code = self.green.pop().expect("enough codes");
        for member in &self.members {
            wait_for("the refusal of another release", || {
                if leads(member) {
                    redden(member, &code).expect_err("another release has written");
                }
                let standing = member.standing()?;
                standing["trouble"].as_str()?.contains("run the same release on all gateways").then_some(())
            });
        }
        let subject = format!("$JS.API.STREAM.DELETE.{STREAM}");
        nats::ask(&self.links[0].urls()[0], &subject, "", &["\"success\":true", "stream not found"]);
        self.refill();
    }

    /// Has a gateway acknowledge no punch before its copy has it, from now on, and the copy have all earlier ones.
    pub(super) fn acknowledge_copied(&mut self, gateway: usize) {
        self.members[gateway].terminate();
        self.members[gateway].configure("acknowledge = \"replicated\"\n");
        self.members[gateway].start();
        wait_for("a copy that has all", || {
            let copy = self.members[gateway].standing()?["copy"].clone();
            (copy["trouble"].is_null() && copy["lsn"].as_u64()? >= copy["end"].as_u64()?).then_some(())
        });
        self.traffic.advance(PUNCHES);
    }

    /// Destroys the disk of a gateway that has died, reads its punches from their copy, and has another gateway take its place.
    pub(super) fn replace(&mut self, lost: usize) {
        self.members[lost].kill();
        self.order(Some(lost));
        let data = self.members[lost].data();
        std::fs::remove_dir_all(data.join("ledger")).expect("its punch log");
        std::fs::remove_file(data.join("registry.db")).expect("its registry");
        let (name, key) = (&self.names[lost], self.recovery.0.to_str().expect("plain"));
        let words = ["fleet", "recover", name, "--case", "1", "--key", key];
        let export = self.operate(Some(lost), |leader| leader.order_by_file(&words));
        eprintln!("{} punches of {name} in its copy", export.lines().count() - 1);
        self.exports.push(export.into_bytes());
        self.operate(Some(lost), |leader| leader.order(1, &["fleet", "leave", name]));
        // Its name stays with its copy.
        let name = format!("{}-{}", NAMES[lost], self.exports.len());
        let leader = self.leader(Some(lost));
        let mut member = self.members[leader].another(self.city, self.root, &name, &self.links[lost]);
        member.tell_devices();
        member.configure(&self.recovery.1);
        member.start();
        (self.members[lost], self.names[lost]) = (member, name);
    }

    /// Has the gateway with the highest position make the stream anew.
    pub(super) fn refill(&self) {
        let says = |standing: &serde_json::Value| {
            standing["trouble"].as_str().is_some_and(|trouble| trouble.contains("changtong fleet refill"))
        };
        let positions: Vec<u64> = wait_for("gateways that miss the stream", || {
            let standings = self.members.iter().map(|member| member.standing().filter(says));
            standings.map(|standing| standing?["position"].as_u64()).collect()
        });
        let (highest, _) = (0..).zip(&positions).max_by_key(|(_, position)| **position).expect("three");
        let words = ["fleet", "refill", &self.names[highest], "--case", "1"];
        wait_for("the refill", || {
            let (status, out, err) = self.members[highest].order(2, &words);
            if !status.success() {
                eprintln!("{out}{err}");
            }
            status.success().then_some(())
        });
    }
}
