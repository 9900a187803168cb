//! Programs that are started for a run: found or named with their Debian package, started on a loopback port of their own,
//! awaited, and ended by their process id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use device::clock;
use device::fleet::Fleet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::cpu::Usage;
use crate::machine;

/// Deadline from the start to the first answer.
const START_MAX: Duration = Duration::from_secs(60);
/// The interval between two tries to reach it.
const RETRY: Duration = Duration::from_millis(20);
/// Deadline from the signal to the end; then it is killed.
const END_MAX: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// The number of lines of a log in an error.
const LOG_LINES_MAX: usize = 5;

/// A program with its version.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

impl Program {
    /// Returns the running program.
    pub(crate) fn own() -> Self {
        let version = format!("{} ({})", env!("CARGO_PKG_VERSION"), machine::profile());
        Self { path: PathBuf::new(), version }
    }

    /// Asks the program there for its version.
    pub(crate) fn at(path: &Path) -> anyhow::Result<Self> {
        let said = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        let said = said.with_context(|| format!("starting {}", path.display()))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let version = version(&text).with_context(|| format!("{} says no version", path.display()))?;
        Ok(Self { path: path.to_owned(), version: version.to_owned() })
    }

    /// Asks a gateway's program for its version, with the profile and the commit of its build.
    pub(crate) fn gateway(path: &Path) -> anyhow::Result<Self> {
        let said = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        let said = said.with_context(|| format!("starting {}", path.display()))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let version = text.trim().strip_prefix("changtong ");
        let version = version.with_context(|| format!("{} is no gateway", path.display()))?;
        Ok(Self { path: path.to_owned(), version: version.to_owned() })
    }

    /// Asks the gateway that serves the city: its process, because the file may have been built again since it began.
    pub(crate) fn serving(fleet: &Fleet) -> anyhow::Result<Self> {
        match Usage::of_port(fleet.quic[0]) {
            Some(usage) => Self::gateway(Path::new(&format!("/proc/{}/exe", usage.process))),
            None => Self::gateway(&fleet.binary),
        }
    }

    /// Finds the first program that exists.
    pub(crate) fn find(paths: &[PathBuf], package: &str) -> anyhow::Result<Self> {
        for path in paths {
            match Self::at(path) {
                Ok(found) => return Ok(found),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        bail!("{package} is not installed: apt-get install {package}, or leave it out with --only")
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Returns the first word that looks like a version, from its first digit.
fn version(text: &str) -> Option<&str> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches(|c: char| !c.is_ascii_digit()));
    words.into_iter().find(|word| word.contains('.'))
}

/// Returns a free loopback port, of TCP.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Makes a command that ends with this thread even if this program is killed, as another user if one is named.
pub(crate) fn command(program: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn complete(command: &mut Command) -> anyhow::Result<()> {
    let name = format!("{command:?}");
    let said = command.output().with_context(|| format!("running {name}"))?;
    ensure!(said.status.success(), "{name}: {}", tail(&String::from_utf8_lossy(&said.stderr)));
    Ok(())
}

/// A running server. It ends with the value.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    ending: Signal,
}

impl Server {
    /// Starts it; `ending` is the signal for an immediate orderly end.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
        ending: Signal,
    ) -> anyhow::Result<Self> {
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("starting {name}: is util-linux installed?"))?;
        Ok(Self { name, child, log, ending })
    }

    /// Returns its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tries until it answers.
    pub(crate) async fn answer<T>(&mut self, ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let end = clock::now() + START_MAX;
        loop {
            let asked = tokio::time::timeout_at(end.into(), ask()).await;
            match asked {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) if clock::now() < end => {}
                Ok(Err(error)) => {
                    return Err(error.context(format!("{} does not answer: {}", self.name, self.said())));
                }
                Err(_) => bail!("{} does not answer in time: {}", self.name, self.said()),
            }
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status}: {}", self.name, self.said());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    fn said(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let process = Pid::from_raw(self.child.id().cast_signed()).expect("a child's id is not zero");
            let _ = kill_process(process, self.ending);
            if let Ok(handle) = pidfd_open(process, PidfdFlags::empty()) {
                let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&END_MAX));
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_a_program_says_of_itself() {
        for (text, expected) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", Some("7.0.15")),
            ("nats-server: v2.9.10\n", Some("2.9.10")),
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some("15.20")),
            ("changtong 0.1.0", Some("0.1.0")),
            ("none", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let error = Program::find(&[PathBuf::from("/nowhere/such-server")], "such-package").err().unwrap();
        assert!(error.to_string().contains("apt-get install such-package"), "{error:#}");
    }

    #[test]
    fn a_server_is_gone_when_its_owner_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut sleeping = command(Path::new("sleep"), None);
        sleeping.arg("1000");
        let server = Server::start("sleep", sleeping, folder.path().join("log"), Signal::TERM).unwrap();
        let process = format!("/proc/{}", server.process());
        assert!(Path::new(&process).exists());
        drop(server);
        assert!(!Path::new(&process).exists());
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut failing = command(Path::new("sh"), None);
        failing.args(["-c", "echo no such disk >&2; exit 3"]);
        let mut server = Server::start("sh", failing, folder.path().join("log"), Signal::TERM).unwrap();
        let error =
            server.answer(async || anyhow::Result::<()>::Err(anyhow::anyhow!("nobody"))).await.err().unwrap();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("no such disk"), "{text}");
    }
}
