//! The gateways of one city on this machine: each a development city's process with data of its own, and three brokers, which it reaches by
//! links that can be cut. The first gateway has the people, the others get them from the fleet.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use device::clock;
use device::fleet::Fleet;
use serde::Deserialize;

use super::own::{LOOK, Member, Own, pause};
use super::{City, START_MAX, Wanted};
use crate::brokers::Brokers;

/// The names of gateways; a scenario has no more than these.
const NAMES: [&str; 5] = ["north", "south", "east", "west", "centre"];
/// The files that a gateway has for itself: its registry, its punch log with its keys.
const OWN: [&str; 3] = ["registry.db", "ledger", "days"];

/// Where a gateway stands, as `changtong fleet status --json` tells it.
#[derive(Debug, Deserialize)]
pub(in crate::run) struct Standing {
    /// True while it leads.
    pub(in crate::run) leads: bool,
    /// The position in the stream up to which it has everything.
    pub(in crate::run) position: u64,
    /// The end of the stream, as far as it knows.
    end: u64,
    /// The gateways that it knows.
    gateways: Vec<String>,
    /// The reason for which it neither leads nor follows.
    trouble: Option<String>,
}

impl Standing {
    /// Asks the gateway with that data; `None` if it does not run, or neither leads nor follows.
    pub(in crate::run) fn of(fleet: &Fleet) -> Option<Self> {
        let output = command(&fleet.binary, &["fleet", "status", "--json"], &fleet.data).output().ok()?;
        let standing: Self = serde_json::from_slice(&output.stdout).ok()?;
        (output.status.success() && standing.trouble.is_none()).then_some(standing)
    }
}

/// Makes a command of the gateway's program on that data.
fn command(binary: &Path, words: &[&str], data: &Path) -> Command {
    let mut command = Command::new(binary);
    command.args(words).arg("--data").arg(data).stdin(Stdio::null());
    command
}

/// Builds the fleet around the city of a gateway alone, if it does not exist, and starts it.
pub(super) fn start(alone: Own, wanted: &Wanted<'_>) -> anyhow::Result<(Vec<Own>, Brokers)> {
    let root = alone.data.clone();
    std::fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;
    let make = |name: &str| {
        let mut own = Own::new(root.join(name), alone.binary.clone(), wanted);
        own.log = wanted.log.with_file_name(format!("{name}.log"));
        own
    };
    let mut own: Vec<Own> = NAMES.iter().take(wanted.size.gateways as usize).map(|name| make(name)).collect();
    own[0].build()?;
    let first = own[0].data.clone();
    if !first.join("keys/fleet.key").exists() {
        let mut key = Command::new(&alone.binary);
        let made = key.args(["fleet", "key", "--keys"]).arg(first.join("keys")).output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr).trim());
    }
    for other in own.iter().skip(1).filter(|other| !other.data.exists()) {
        copy(&first, &other.data).with_context(|| format!("copying {}", first.display()))?;
    }
    let brokers = Brokers::start(&root.join("brokers"))?;
    let end = clock::now() + START_MAX;
    for (index, own) in own.iter_mut().enumerate() {
        own.member = Some(Member { name: NAMES[index].to_owned(), links: brokers.links()? });
        own.spawn()?;
        own.wait_ready(end)?;
        own.wait_place(index + 1, end)?;
    }
    let all = own.len();
    own.iter().try_for_each(|own| own.wait_place(all, end))?;
    Ok((own, brokers))
}

/// Copies what gateways have in common. Files keep their modes.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if OWN.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

impl Own {
    /// Waits until a gateway of a fleet leads or follows, has everything, and knows that many gateways.
    pub(super) fn wait_place(&self, gateways: usize, end: Instant) -> anyhow::Result<()> {
        if self.member.is_none() {
            return Ok(());
        }
        let fleet = self.fleet()?;
        loop {
            let standing = Standing::of(&fleet);
            let is_there = |at: Standing| at.position >= at.end && at.gateways.len() >= gateways;
            if standing.is_some_and(is_there) {
                return Ok(());
            }
            ensure!(clock::now() < end, "it neither leads nor follows; see {}", self.log.display());
            pause(LOOK);
        }
    }
}

impl City {
    /// Returns the names of the gateways of a fleet; none of a gateway alone.
    pub(in crate::run) fn names(&self) -> Vec<String> {
        self.own.iter().filter_map(|own| Some(own.member.as_ref()?.name.clone())).collect()
    }

    /// Ends brokers at once, the last ones first.
    pub(in crate::run) fn kill_brokers(&mut self, count: usize) -> anyhow::Result<()> {
        let brokers = self.brokers_mut()?;
        (0..count).try_for_each(|server| brokers.kill(server))
    }

    /// Starts brokers again that were ended, without what they had stored if they are wiped.
    pub(in crate::run) fn restart_brokers(&mut self, count: usize, wipe: bool) -> anyhow::Result<()> {
        let brokers = self.brokers_mut()?;
        for server in 0..count {
            if wipe {
                brokers.wipe(server)?;
            }
            brokers.restart(server)?;
        }
        Ok(())
    }

    /// Cuts a gateway off from the brokers, or lets it reach them again.
    pub(in crate::run) fn cut(&mut self, gateway: usize, is_cut: bool) -> anyhow::Result<()> {
        let member = self.own_mut(gateway)?.member.as_ref().context("it is in no fleet")?;
        if is_cut {
            member.links.cut()
        } else {
            member.links.heal()
        }
        Ok(())
    }

    fn brokers_mut(&mut self) -> anyhow::Result<&mut Brokers> {
        self.brokers.as_mut().context("there are no brokers")
    }

    /// Returns the SHA-256 of each gateway's registry, as far as gateways share it.
    pub(in crate::run) fn digests(&self) -> anyhow::Result<Vec<String>> {
        let digest = |fleet: &Fleet| {
            let output = command(&fleet.binary, &["fleet", "digest"], &fleet.data).output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        self.fleets().iter().map(digest).collect()
    }

    /// Returns the exports of all punch logs, each by its own gateway. The one that leads puts them on record.
    pub(in crate::run) fn exports(&self) -> anyhow::Result<Vec<File>> {
        self.fleets().iter().map(|fleet| export(fleet).context("exporting a punch log")).collect()
    }
}

/// Exports the punch log of a gateway, signed by the city's first operator. The file has no name, and is gone when it is closed.
fn export(fleet: &Fleet) -> anyhow::Result<File> {
    let words = ["ledger", "export", "--format", "csv", "--case", "loadtest"];
    let mut command = command(&fleet.binary, &words, &fleet.data);
    if let Some(operator) = fleet.operators.first() {
        command.arg("--sign").arg(operator);
    }
    let mut file = tempfile::tempfile()?;
    let output = command.stdout(file.try_clone()?).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    file.rewind()?;
    Ok(file)
}
