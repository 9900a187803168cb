//! Redis as a user would run it for this work: append-only file synced on every write, mutual TLS, and one script a punch that
//! gets the colour and adds the punch to a stream. It holds the table of colours in memory, as the gateway does.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustix::process::Signal;
use tokio::sync::oneshot;

use super::dial::{Connected, Driver, dial};
use super::punch::{Punch, Source};
use super::tls::Dialler;
use super::{Setup, Shape};
use crate::program::{self, Program, Server};

/// The script that gets the colour, a digit, and appends the punch.
const SCRIPT: &str = "local c = redis.call('GET', KEYS[1]) or '4' redis.call('XADD', KEYS[2], '*', 'p', ARGV[1] .. c) return c";
/// The stream.
const STREAM: &str = "punches";
/// The number of codes that one command sets.
const CODES_A_COMMAND: usize = 4096;
/// Deadline for an answer under overload.
const ANSWER_MAX: Duration = Duration::from_secs(30);

pub(super) fn program() -> anyhow::Result<Program> {
    Program::find(&["redis-server".into()], "redis-server")
}

/// A running server with its table filled.
pub(super) struct Redis {
    connection: MultiplexedConnection,
    /// The driver of the connection above.
    _driver: Driver,
    dialler: Dialler,
    script: Rc<str>,
    server: Server,
}

impl Redis {
    pub(super) async fn start(setup: &Setup<'_>, program: &Program) -> anyhow::Result<Self> {
        let folder = setup.scratch.folder("redis")?;
        let port = program::free_port()?;
        let mut command = program::command(&program.path, None);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--tls-port", &port.to_string()]);
        command.arg("--tls-cert-file").arg(&setup.tls.certificate).arg("--tls-key-file").arg(&setup.tls.key);
        command.arg("--tls-ca-cert-file").arg(&setup.tls.authority).args(["--tls-auth-clients", "yes"]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        // A rewrite in the middle of a turn would be held against it.
        command.args(["--auto-aof-rewrite-percentage", "0", "--maxclients", "12000", "--daemonize", "no"]);
        command.arg("--dir").arg(&folder);
        let mut server = Server::start("Redis", command, folder.join("log"), Signal::TERM)?;
        let dialler = setup.tls.dialler(port)?;
        let (connection, driver) = server.answer(async || connect(&dialler).await).await?;
        let mut started = Self { connection, _driver: driver, dialler, script: Rc::from(""), server };
        started.fill(setup).await.context("filling the table of Redis")?;
        Ok(started)
    }

    pub(super) fn process(&self) -> u32 {
        self.server.process()
    }

    async fn fill(&mut self, setup: &Setup<'_>) -> anyhow::Result<()> {
        for people in setup.tokens.people().chunks(CODES_A_COMMAND) {
            let mut command = redis::cmd("MSET");
            for person in people {
                command.arg(&key(person.code.get())[..]).arg(person.colour.number());
            }
            command.query_async::<()>(&mut self.connection).await?;
        }
        let mut load = redis::cmd("SCRIPT");
        let hash: String = load.arg("LOAD").arg(SCRIPT).query_async(&mut self.connection).await?;
        self.script = hash.into();
        Ok(())
    }

    pub(super) async fn connect(
        &self,
        setup: &Setup<'_>,
        shape: Shape,
    ) -> anyhow::Result<Connected<(Asker, Source)>> {
        let mut connected = Connected::none();
        let dialled = dial(shape.devices as usize, || {
            let dialler = self.dialler.clone();
            async move { connect(&dialler).await }
        });
        for (connection, driver) in dialled.await? {
            connected.drivers.push(driver);
            connected.connections += 1;
            for _ in 0..shape.in_flight {
                let asker = Asker { connection: connection.clone(), script: Rc::clone(&self.script) };
                let source = Source::new(&setup.tokens, setup.fleet, connected.lanes.len());
                connected.lanes.push((asker, source));
            }
        }
        Ok(connected)
    }

    /// Returns the length of the stream.
    pub(super) async fn held(&self) -> anyhow::Result<u64> {
        let mut connection = self.connection.clone();
        Ok(redis::cmd("XLEN").arg(STREAM).query_async(&mut connection).await?)
    }
}

async fn connect(dialler: &Dialler) -> anyhow::Result<(MultiplexedConnection, Driver)> {
    let stream = dialler.dial(None).await?;
    let (send, connected) = oneshot::channel();
    let mut driver = Driver::new();
    // What drives the connection borrows its description, so both live in one task.
    driver.spawn_local(async move {
        let info = RedisConnectionInfo::default();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_MAX));
        match MultiplexedConnection::new_with_config(&info, stream, config).await {
            Ok((connection, drive)) => {
                let _ = send.send(Ok(connection));
                drive.await;
            }
            Err(error) => drop(send.send(Err(error))),
        }
    });
    Ok((connected.await.context("the driver ended")??, driver))
}

fn key(code: u64) -> [u8; 9] {
    let mut key = [b'c'; 9];
    key[1..].copy_from_slice(&code.to_le_bytes());
    key
}

/// A client with one frame in flight at a time, on a connection that may be shared.
pub(super) struct Asker {
    connection: MultiplexedConnection,
    script: Rc<str>,
}

impl Asker {
    pub(super) async fn ask(&mut self, punches: &[Punch]) -> anyhow::Result<()> {
        let mut pipe = redis::Pipeline::with_capacity(punches.len());
        for punch in punches {
            let command = pipe.cmd("EVALSHA").arg(&*self.script).arg(2).arg(&key(punch.code)[..]);
            command.arg(STREAM).arg(&punch.bytes()[..]);
        }
        let colours: Vec<i64> = pipe.query_async(&mut self.connection).await?;
        ensure!(colours.len() == punches.len(), "{} answers to {} punches", colours.len(), punches.len());
        punches.iter().zip(colours).try_for_each(|(punch, colour)| punch.check(colour))
    }
}
