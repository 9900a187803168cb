//! The development city of a run: built for it and started, killed, ended and started again, always at the same addresses. It ends
//! with the value. A running city is used as it is, and its process is not touched.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bench::cpu::Usage;
use device::clock;
use device::fleet::Fleet;
use rustix::process::{Pid, Signal, kill_process};

use crate::{http, scenario};

mod disk;
pub(super) mod figures;

/// Deadline for building and starting a city; a city of millions takes minutes on a busy machine.
const BUILD_MAX: Duration = Duration::from_secs(1800);
const START_MAX: Duration = Duration::from_secs(180);
/// Deadline for an orderly end, longer than the gateway's own.
const END_MAX: Duration = Duration::from_secs(60);
/// The interval between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// A city to run against.
pub(super) struct City {
    fleet: Fleet,
    own: Option<Own>,
}

/// A city with a process of this run.
struct Own {
    /// The temporary directory, if the city is only for this run.
    _folder: Option<tempfile::TempDir>,
    data: PathBuf,
    binary: PathBuf,
    log: PathBuf,
    size: scenario::City,
    small_disk: bool,
    addresses: Option<[SocketAddr; 4]>,
    process: Option<Child>,
}

/// The description of a city of this run.
pub(super) struct Wanted<'a> {
    /// The directory of the city; a temporary one if `None`.
    pub(super) folder: Option<&'a Path>,
    /// The gateway's program; the one beside this program if `None`.
    pub(super) binary: Option<&'a Path>,
    /// The file of the gateway's log.
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
        Ok(Self { fleet, own: None })
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
        let mut own = Own {
            _folder: folder,
            data,
            binary,
            log: wanted.log.to_owned(),
            size: wanted.size.clone(),
            small_disk: false,
            addresses: None,
            process: None,
        };
        own.build()?;
        own.small_disk = wanted.small_disk;
        own.spawn()?;
        let fleet = own.wait_ready(clock::now() + START_MAX)?;
        only_a_test(&fleet)?;
        Ok(Self { fleet, own: Some(own) })
    }

    /// Returns the fleet file: addresses, devices, people.
    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns the gateway's log file, if its process is of this run.
    pub(super) fn log(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.log.as_path())
    }

    /// Kills the gateway, as `kill -9` does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.own_mut()?.kill()
    }

    /// Sends SIGTERM and returns the exit status.
    pub(super) fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.own_mut()?.terminate()
    }

    /// Starts it again and returns the time until it is ready.
    pub(super) fn restart(&mut self) -> anyhow::Result<Duration> {
        let own = self.own_mut()?;
        let from = clock::now();
        own.spawn()?;
        own.wait_ready(from + START_MAX)?;
        Ok(clock::since(from))
    }

    /// Fills the disk of the punch log.
    pub(super) fn fill_disk(&mut self) -> anyhow::Result<disk::Ballast> {
        let own = self.own_mut()?;
        let process = own.process.as_ref().context("the gateway does not run")?;
        disk::Ballast::fill(process.id(), &own.ledger()).context("filling the gateway's disk")
    }

    /// Prepares the export of the punch log. A log on a disk of the gateway's own is copied into the city, which ends
    /// the gateway.
    pub(super) fn bring_ledger_home(&mut self) -> anyhow::Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let Some(process) = own.process.as_ref().filter(|_| own.small_disk) else { return Ok(()) };
        let ledger = own.ledger();
        let held = disk::Held::of(process.id(), &ledger)?;
        own.terminate()?;
        held.copy_to(&ledger)?;
        own.small_disk = false;
        own.spawn()?;
        own.wait_ready(clock::now() + START_MAX).map(drop)
    }

    fn own_mut(&mut self) -> anyhow::Result<&mut Own> {
        self.own.as_mut().context("this is done to a city that the run started itself: leave out --data")
    }
}

impl Own {
    fn ledger(&self) -> PathBuf {
        self.data.join("ledger")
    }

    /// Builds the city. An existing one must have the requested size.
    fn build(&mut self) -> anyhow::Result<()> {
        if self.data.exists() {
            let fleet = Fleet::load(&self.data)?;
            let gates = fleet.of_class(protocol::DeviceClass::Gate).count();
            ensure!(
                gates >= self.size.gates as usize,
                "{} is a city of {gates} gates and {} are needed; remove it, or name another directory",
                self.data.display(),
                self.size.gates
            );
            return Ok(());
        }
        self.spawn()?;
        self.wait_ready(clock::now() + BUILD_MAX)?;
        let ended = self.terminate()?;
        ensure!(ended.success(), "building the city ended with {ended}; see {}", self.log.display());
        Ok(())
    }

    fn spawn(&mut self) -> anyhow::Result<()> {
        let mut command = if self.small_disk {
            disk::on_a_small_disk(&self.ledger(), &self.binary)
        } else {
            Command::new(&self.binary)
        };
        command.args(["--log", "info", "dev", "--control", "127.0.0.1:0", "--data"]).arg(&self.data);
        command.args(["--people", &self.size.people.to_string()]);
        command.args(["--devices", &self.size.gates.to_string()]);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = self.addresses.unwrap_or([loopback; 4]);
        for (flag, address) in ["--quic", "--http", "--enrol", "--pages"].iter().zip(addresses) {
            command.args([*flag, &address.to_string()]);
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().with_context(|| format!("starting {}", self.binary.display()))?;
        self.process = Some(process);
        Ok(())
    }

    fn wait_ready(&mut self, end: Instant) -> anyhow::Result<Fleet> {
        loop {
            let process = self.process.as_mut().context("the gateway does not run")?;
            if let Some(status) = process.try_wait()? {
                bail!("the gateway ended with {status}; see {}", self.log.display());
            }
            // The file may be an earlier start's, and its port another gateway's.
            let own = process.id();
            let ours =
                |fleet: &Fleet| Usage::of_port(fleet.quic[0]).is_some_and(|usage| usage.process == own);
            if let Some(fleet) = ready(&self.data).filter(ours) {
                let pages = fleet.pages.context("a development city has pages")?;
                self.addresses = Some([fleet.quic[0], fleet.http, fleet.enrol, pages]);
                return Ok(fleet);
            }
            ensure!(clock::now() < end, "the gateway is not ready; see {}", self.log.display());
            pause(LOOK);
        }
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the gateway does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("the gateway does not run")?;
        let pid = Pid::from_raw(process.id().cast_signed()).context("a process id is not zero")?;
        kill_process(pid, Signal::TERM)?;
        let end = clock::now() + END_MAX;
        loop {
            if let Some(status) = process.try_wait()? {
                return Ok(status);
            }
            if clock::now() >= end {
                process.kill()?;
                process.wait()?;
                bail!("the gateway did not end within {} s of SIGTERM", END_MAX.as_secs());
            }
            pause(LOOK);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.process.is_some() {
            let _ = self.kill();
        }
    }
}

/// Returns the fleet of a city that is ready: a fleet file that was written by this start has ports.
fn ready(data: &Path) -> Option<Fleet> {
    let fleet = Fleet::load(data).ok().filter(|fleet| fleet.quic[0].port() != 0)?;
    let (status, _) = http::block_on(figures::get(fleet.http, "/ready")).ok()?;
    (status == 200).then_some(fleet)
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

/// Waits between two looks at another process; never in a task.
#[allow(clippy::disallowed_methods, reason = "what is waited for is another process's")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}
