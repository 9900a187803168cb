//! The gateway in a fleet as a peer: the same program, with a city of its own, over three servers of NATS that hold a second copy of its
//! punches. A turn ends when the copy has everything, so that none is the next one's burden.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use device::clock;
use device::fleet::Fleet;
use device::tokens::Tokens;
use protocol::{DeviceClass, metric};
use rustix::process::Signal;

use super::brokers::{Brokers, CLUSTER, Syncs};
use super::{Setup, Shape, dial, gateway, lane};
use crate::cpu::Usage;
use crate::http::{get, ready};
use crate::program::{self, Program, Server};

/// The longest wait for the copy after a turn.
const COPIED_MAX: Duration = Duration::from_secs(300);
/// The interval between two looks at it.
const LOOK: Duration = Duration::from_millis(20);
/// The time for which it has to have everything: the gateway counts each half a second.
const SETTLED: Duration = Duration::from_millis(600);

/// The moment of a punch's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledge {
    /// Once it is on the gateway's disk.
    Disk,
    /// Once the copy has it, too.
    Replicated,
}

impl Acknowledge {
    /// Returns the name of the gateway and of its folder.
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Replicated => "replicated",
        }
    }
}

/// A running gateway with its brokers. They end with the value, the gateway first.
pub(super) struct Member {
    fleet: Fleet,
    tokens: Rc<Tokens>,
    server: Server,
    brokers: Brokers,
}

impl Member {
    /// Builds a city as large as the run's, and starts it in a fleet of its own.
    pub(super) async fn start(
        setup: &Setup<'_>,
        gateway: &Program,
        nats: &Program,
        acknowledge: Acknowledge,
    ) -> anyhow::Result<Self> {
        let folder = setup.scratch.folder(acknowledge.name())?;
        let data = folder.join("city");
        let people = setup.tokens.people().len().to_string();
        let gates = setup.fleet.of_class(DeviceClass::Gate).count().to_string();
        let mut building = serve(gateway, &data, &["--people", &people, "--devices", &gates]);
        building.args(["--http", "127.0.0.1:0"]);
        let mut built = Server::start("the gateway", building, folder.join("build.log"), Signal::TERM)?;
        let process = built.process();
        built.answer(async || ready(&data, process, "/ready").await).await.context("building its city")?;
        drop(built);
        let keys = data.join("keys");
        program::complete(fleet_command(&gateway.path, "key").arg("--keys").arg(&keys))?;
        let brokers = Brokers::start(&folder.join("brokers"), nats, Syncs::BeforeAck, CLUSTER, None)?;
        let urls: Vec<_> = brokers.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut serving =
            serve(gateway, &data, &["--member", acknowledge.name(), "--brokers", &urls.join(",")]);
        if acknowledge == Acknowledge::Replicated {
            serving.args(["--replicated", &recovery_key(&gateway.path, &folder)?]);
        }
        serving.args(["--http", "127.0.0.1:0"]);
        let mut server = Server::start("the gateway", serving, folder.join("log"), Signal::TERM)?;
        let process = server.process();
        let fleet = server.answer(async || ready(&data, process, "/leader").await).await?;
        let tokens = Rc::new(Tokens::load(&fleet)?);
        Ok(Self { fleet, tokens, server, brokers })
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::of(self.server.process())
    }

    pub(super) fn brokers(&self) -> Vec<u32> {
        self.brokers.servers.iter().map(Server::process).collect()
    }

    pub(super) fn brokers_usage(&self) -> Option<Usage> {
        self.brokers.usage()
    }

    pub(super) async fn connect(
        &self,
        setup: &Setup<'_>,
        shape: Shape,
    ) -> anyhow::Result<dial::Connected<lane::Lane>> {
        let own = Setup { fleet: &self.fleet, tokens: Rc::clone(&self.tokens), ..setup.clone() };
        gateway::connect(&own, shape, None).await
    }

    /// Waits until the copy has everything; returns the time that this took, to half a second.
    pub(super) async fn copied(&self) -> anyhow::Result<Duration> {
        let (begun, mut complete) = (clock::now(), None);
        loop {
            let metrics = get(self.fleet.http, "/metrics").await?;
            if figure(&metrics, metric::FLEET_COPY_LAG) == Some(0.0) {
                let since = *complete.get_or_insert_with(clock::now);
                if clock::since(since) > SETTLED {
                    return Ok(since - begun);
                }
            } else {
                complete = None;
            }
            ensure!(clock::since(begun) < COPIED_MAX, "the copy is not complete after {COPIED_MAX:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Makes the command of a development city, with all ports but that for metrics chosen by the system.
fn serve(gateway: &Program, data: &Path, words: &[&str]) -> Command {
    let mut command = program::command(&gateway.path, None);
    command.args(["--log", "warn", "dev", "--data"]).arg(data);
    for flag in ["--quic", "--enrol", "--pages", "--control"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    command.args(words);
    command
}

fn fleet_command(gateway: &Path, act: &str) -> Command {
    let mut command = Command::new(gateway);
    command.args(["fleet", act]);
    command
}

/// Makes a recovery key; returns its public half.
fn recovery_key(gateway: &Path, folder: &Path) -> anyhow::Result<String> {
    let said =
        fleet_command(gateway, "recovery-key").arg("--out").arg(folder.join("recovery.key")).output()?;
    ensure!(said.status.success(), "making a recovery key: {}", String::from_utf8_lossy(&said.stderr).trim());
    let text = String::from_utf8(said.stdout)?;
    let key = text.split('"').nth(1).context("`changtong fleet recovery-key` prints no key")?;
    Ok(key.to_owned())
}

/// Reads a metric without labels, or with constant ones, from the text form.
fn figure(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_by_its_whole_name() {
        let text = "# TYPE lag gauge\nlag_seconds 9\nlag 3\nage{gateway=\"north\"} 0.5\n";
        assert_eq!(figure(text, "lag"), Some(3.0));
        assert_eq!(figure(text, "age"), Some(0.5));
        assert_eq!(figure(text, "ag"), None);
    }
}
