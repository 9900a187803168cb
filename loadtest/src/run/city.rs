//! The development city of a run: built for it and started, killed, ended and started again, always at the same addresses. It ends
//! with the value. A running city is used as it is, and its process is not touched. A city of several gateways is in `city/several.rs`.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use device::clock;
use device::fleet::Fleet;

use crate::brokers::Brokers;
use crate::{http, scenario};

mod disk;
pub(super) mod figures;
mod own;
mod several;

use own::Own;
pub(super) use own::pause;
pub(super) use several::Standing;

/// Deadline for the start of a city that is built.
const START_MAX: Duration = Duration::from_secs(180);

/// A city to run against.
pub(super) struct City {
    /// The fleet file of each gateway.
    fleets: Vec<Fleet>,
    /// The gateways, if their processes are of this run.
    own: Vec<Own>,
    /// The brokers of several gateways; they end after these.
    brokers: Option<Brokers>,
    /// The temporary directory, if the city is only for this run.
    _folder: Option<tempfile::TempDir>,
}

/// The description of a city of this run.
pub(super) struct Wanted<'a> {
    /// The directory of the city; a temporary one if `None`.
    pub(super) folder: Option<&'a Path>,
    /// The gateway's program; the one beside this program if `None`.
    pub(super) binary: Option<&'a Path>,
    /// The file of the gateway's log; several gateways have one each, beside it.
    pub(super) log: &'a Path,
    /// The size.
    pub(super) size: scenario::City,
    /// True if the punch log has a small disk of its own that can be filled.
    pub(super) small_disk: bool,
}

impl City {
    /// Opens the running development city in that directory.
    pub(super) fn running(data: &Path) -> anyhow::Result<Self> {
        let fleet = Fleet::load(data)?;
        only_a_test(&fleet)?;
        Ok(Self { fleets: vec![fleet], own: Vec::new(), brokers: None, _folder: None })
    }

    /// Builds the city, if it does not exist, and starts it.
    pub(super) fn start(wanted: &Wanted<'_>) -> anyhow::Result<Self> {
        let folder = match wanted.folder {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("making a directory for the city")?),
        };
        let data = match (wanted.folder, &folder) {
            (Some(kept), _) => kept.to_owned(),
            (None, Some(folder)) => folder.path().join("city"),
            (None, None) => bail!("a city needs a directory"),
        };
        let binary = match wanted.binary {
            Some(binary) => binary.to_owned(),
            None => beside()?,
        };
        let alone = Own::new(data, binary, wanted);
        if wanted.size.gateways > 1 {
            let (own, brokers) = several::start(alone, wanted)?;
            let fleets = own.iter().map(Own::fleet).collect::<anyhow::Result<_>>()?;
            return Ok(Self { fleets, own, brokers: Some(brokers), _folder: folder });
        }
        let mut own = alone;
        own.build()?;
        own.small_disk = wanted.small_disk;
        own.spawn()?;
        let fleet = own.wait_ready(clock::now() + START_MAX)?;
        only_a_test(&fleet)?;
        Ok(Self { fleets: vec![fleet], own: vec![own], brokers: None, _folder: folder })
    }

    /// Returns the fleet file: addresses, devices, people; of several gateways the first one's.
    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleets[0]
    }

    /// Returns the fleet file of each gateway.
    pub(super) fn fleets(&self) -> &[Fleet] {
        &self.fleets
    }

    /// Returns the gateways' log files, if their processes are of this run.
    pub(super) fn logs(&self) -> Vec<&Path> {
        self.own.iter().map(|own| own.log.as_path()).collect()
    }

    /// Kills a gateway, as `kill -9` does.
    pub(super) fn kill(&mut self, gateway: usize) -> anyhow::Result<()> {
        self.own_mut(gateway)?.kill()
    }

    /// Sends SIGTERM and returns the exit status.
    pub(super) fn terminate(&mut self, gateway: usize) -> anyhow::Result<ExitStatus> {
        self.own_mut(gateway)?.terminate()
    }

    /// Starts it again and returns the time until it is ready, and in a fleet leads or follows.
    pub(super) fn restart(&mut self, gateway: usize) -> anyhow::Result<Duration> {
        let own = self.own_mut(gateway)?;
        let from = clock::now();
        own.spawn()?;
        own.wait_ready(from + START_MAX)?;
        own.wait_place(1, from + START_MAX)?;
        Ok(clock::since(from))
    }

    /// Fills the disk of the punch log.
    pub(super) fn fill_disk(&mut self) -> anyhow::Result<disk::Ballast> {
        let own = self.own_mut(0)?;
        let process = own.process.as_ref().context("the gateway does not run")?;
        disk::Ballast::fill(process.id(), &own.ledger()).context("filling the gateway's disk")
    }

    /// Prepares the export of the punch log. A log on a disk of the gateway's own is copied into the city, which ends
    /// the gateway.
    pub(super) fn bring_ledger_home(&mut self) -> anyhow::Result<()> {
        let Some(own) = self.own.first_mut() else { return Ok(()) };
        let Some(process) = own.process.as_ref().filter(|_| own.small_disk) else { return Ok(()) };
        let ledger = own.ledger();
        let held = disk::Held::of(process.id(), &ledger)?;
        own.terminate()?;
        held.copy_to(&ledger)?;
        own.small_disk = false;
        own.spawn()?;
        own.wait_ready(clock::now() + START_MAX).map(drop)
    }

    fn own_mut(&mut self, gateway: usize) -> anyhow::Result<&mut Own> {
        let own = self.own.get_mut(gateway);
        own.context("this is done to a city that the run started itself: leave out --data")
    }
}

/// Returns the gateway's program where cargo puts it: beside this one.
fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    let folder = own.parent().context("finding this program's directory")?;
    let binary = folder.join("changtong");
    ensure!(
        binary.exists(),
        "{} is missing: build it with the same profile (cargo build --release), or name it with --binary",
        binary.display()
    );
    Ok(binary)
}

/// Refuses a gateway that serves real people.
fn only_a_test(fleet: &Fleet) -> anyhow::Result<()> {
    let (_, metrics) = http::block_on(figures::get(fleet.http, "/metrics"))
        .with_context(|| format!("asking the gateway at {} what it is", fleet.http))?;
    let marked = figures::value(&metrics, protocol::metric::TEST_GATEWAY) == Some(1.0);
    ensure!(
        marked,
        "the gateway at {} is neither a development city nor marked as a test (test = true in its file): left alone",
        fleet.http
    );
    Ok(())
}
