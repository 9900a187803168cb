//! One gateway's process of a run: its city is built, it is started, killed, ended and started again, always at the same addresses.

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

use super::{Wanted, disk, figures};
use crate::brokers::Links;
use crate::{http, ports, scenario};

/// Deadline for building and starting a city; a city of millions takes minutes on a busy machine.
const BUILD_MAX: Duration = Duration::from_secs(1800);
/// Deadline for an orderly end, longer than the gateway's own.
const END_MAX: Duration = Duration::from_secs(60);
/// The interval between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// A gateway with a process of this run. It ends with the value.
pub(super) struct Own {
    pub(super) data: PathBuf,
    pub(super) binary: PathBuf,
    pub(super) log: PathBuf,
    pub(super) size: scenario::City,
    pub(super) small_disk: bool,
    addresses: Option<[SocketAddr; 4]>,
    pub(super) member: Option<Member>,
    pub(super) process: Option<Child>,
}

/// A gateway's part in a fleet.
pub(super) struct Member {
    pub(super) name: String,
    /// Its ways to the brokers.
    pub(super) links: Links,
}

impl Own {
    /// Describes the process of a city in that directory; nothing is started.
    pub(super) fn new(data: PathBuf, binary: PathBuf, wanted: &Wanted<'_>) -> Self {
        let (log, size) = (wanted.log.to_owned(), wanted.size.clone());
        Self { data, binary, log, size, small_disk: false, addresses: None, member: None, process: None }
    }

    /// Reads the fleet file.
    pub(super) fn fleet(&self) -> anyhow::Result<Fleet> {
        Ok(Fleet::load(&self.data)?)
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.data.join("ledger")
    }

    /// Builds the city. An existing one must have the requested size.
    pub(super) fn build(&mut self) -> anyhow::Result<()> {
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

    pub(super) fn spawn(&mut self) -> anyhow::Result<()> {
        let mut command = if self.small_disk {
            disk::on_a_small_disk(&self.ledger(), &self.binary)
        } else {
            Command::new(&self.binary)
        };
        command.args(["--log", "info", "dev", "--control", "127.0.0.1:0", "--data"]).arg(&self.data);
        command.args(["--people", &self.size.people.to_string()]);
        command.args(["--devices", &self.size.gates.to_string()]);
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = match self.addresses {
            Some(addresses) => addresses,
            None => [ports::free()?, ports::free()?, ports::free()?, ports::free()?].map(loopback),
        };
        for (flag, address) in ["--quic", "--http", "--enrol", "--pages"].iter().zip(addresses) {
            command.args([*flag, &address.to_string()]);
        }
        if let Some(Member { name, links }) = &self.member {
            command.args(["--member", name, "--brokers", &links.urls().join(",")]);
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().with_context(|| format!("starting {}", self.binary.display()))?;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn wait_ready(&mut self, end: Instant) -> anyhow::Result<Fleet> {
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

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the gateway does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    pub(super) fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
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

/// Waits between two looks at another process; never in a task.
#[allow(clippy::disallowed_methods, reason = "what is waited for is another process's")]
pub(in crate::run) fn pause(length: Duration) {
    std::thread::sleep(length);
}
