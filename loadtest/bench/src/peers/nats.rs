//! NATS JetStream with file storage: a punch is published and its acknowledgement awaited. There is no look-up in the same round
//! trip, and the acknowledgement comes before the sync; the report says so.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use rustix::process::Signal;

use super::dial::{Connected, dial};
use super::punch::{Punch, Source};
use super::{Setup, Shape, Tls};
use crate::program::{self, Program, Server};

/// The stream.
const STREAM: &str = "PUNCHES";
/// Its subject.
const SUBJECT: &str = "punches";
/// Deadline for an acknowledgement under overload.
const ANSWER_MAX: Duration = Duration::from_secs(30);

pub(super) fn program() -> anyhow::Result<Program> {
    // Debian puts it where only root looks.
    Program::find(&["nats-server".into(), PathBuf::from("/usr/sbin/nats-server")], "nats-server")
}

/// A running server with its stream.
pub(super) struct Nats {
    context: jetstream::Context,
    url: String,
    server: Server,
}

impl Nats {
    pub(super) async fn start(setup: &Setup<'_>, program: &Program) -> anyhow::Result<Self> {
        let folder = setup.scratch.folder("nats")?;
        let port = program::free_port()?;
        let (tls, file) = (setup.tls, folder.join("nats.conf"));
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: {:?} }}\n\
             tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true, timeout: 20 }}\n",
            folder.join("store"),
            tls.certificate,
            tls.key,
            tls.authority
        );
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        let mut command = program::command(&program.path, None);
        command.arg("--config").arg(&file);
        let mut server = Server::start("NATS", command, folder.join("log"), Signal::TERM)?;
        let url = format!("tls://{}:{port}", tls.server_name);
        let context = server.answer(async || connect(tls, &url).await).await?;
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            storage: stream::StorageType::File,
            ..stream::Config::default()
        };
        context.create_stream(config).await.context("making the stream of NATS")?;
        Ok(Self { context, url, server })
    }

    pub(super) fn process(&self) -> u32 {
        self.server.process()
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
    pub(super) async fn ask(&mut self, punches: &[Punch]) -> anyhow::Result<()> {
        for punch in punches {
            let bytes = Bytes::copy_from_slice(&punch.bytes());
            self.acks.push(self.context.publish(SUBJECT, bytes).await?);
        }
        for ack in self.acks.drain(..) {
            ack.await?;
        }
        Ok(())
    }
}
