//! PostgreSQL with its defaults, mutual TLS and synchronous commit: one statement looks the colour up, inserts the punch and
//! returns the colour; a batch is one transaction of many rows. Its processes are few, as behind a pool.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, ensure};
use rustix::process::{Signal, geteuid};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls, Statement};

use super::dial::{Connected, Driver, dial};
use super::punch::{Punch, Source};
use super::tls::Dialler;
use super::{Setup, Shape, Tls};
use crate::program::{self, Program, Server, complete};

/// Debian's directory of versions, each with a `bin`.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The system user, since it refuses to run as root.
const USER: &str = "postgres";
/// The database's own user; certificates authenticate clients, so there is no password.
const ROLE: &str = "changtong";
/// Limit of connections, each of which is a process; more devices share these.
const CONNECTIONS_MAX: usize = 64;
/// Limit of server processes: those of a turn, of the one before, and some for itself.
const PROCESSES_MAX: usize = 2 * CONNECTIONS_MAX + 16;
/// The number of codes that one statement inserts.
const CODES_A_STATEMENT: usize = 16 * 1024;
/// The request for TLS at the start of a connection, and the server's positive answer.
const TLS_PRELUDE: (&[u8], u8) = (&[0, 0, 0, 8, 4, 210, 22, 47], b'S');

const TABLES: &str = "CREATE TABLE codes (code int8 PRIMARY KEY, colour int2 NOT NULL); \
    CREATE TABLE punches (code int8 NOT NULL, device int8 NOT NULL, sequence int8 NOT NULL, \
    device_time_ms int8 NOT NULL, place int4 NOT NULL, region int2 NOT NULL, direction int2 NOT NULL, \
    colour int2 NOT NULL)";
const FILL: &str = "INSERT INTO codes SELECT * FROM unnest($1::int8[], $2::int2[])";
const ONE: &str = "INSERT INTO punches VALUES ($1, $2, $3, $4, $5, $6, $7, \
    COALESCE((SELECT colour FROM codes WHERE code = $1), 4)) RETURNING sequence, colour";
const MANY: &str = "INSERT INTO punches SELECT p.*, COALESCE((SELECT colour FROM codes WHERE codes.code = p.code), 4) \
    FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int4[], $6::int2[], $7::int2[]) \
    AS p (code, device, sequence, device_time_ms, place, region, direction) RETURNING sequence, colour";

pub(super) fn program() -> anyhow::Result<Program> {
    Program::find(&installed(Path::new(VERSIONS)), "postgresql-15")
}

/// Returns Debian's directories, the highest version first.
fn installed(versions: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(versions).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.into_iter().map(|number| versions.join(number.to_string()).join("bin/postgres")).collect()
}

/// A running server with its tables.
pub(super) struct Postgres {
    client: Client,
    /// The driver of the client above.
    _driver: Driver,
    dialler: Dialler,
    server: Server,
}

impl Postgres {
    pub(super) async fn start(setup: &Setup<'_>, program: &Program) -> anyhow::Result<Self> {
        let folder = setup.scratch.folder("postgres")?;
        let user = geteuid().is_root().then_some(USER);
        let data = prepare(&folder, setup.tls, program, user)?;
        let port = program::free_port()?;
        let mut command = program::command(&program.path, user);
        command.current_dir(&data).arg("-D").arg(&data);
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("port={port}"),
            "unix_socket_directories=",
            &format!("max_connections={PROCESSES_MAX}"),
            "ssl=on",
            "ssl_ca_file=authority.pem",
            "ssl_cert_file=server.pem",
            "ssl_key_file=server.key",
            "fsync=on",
            "synchronous_commit=on",
        ] {
            command.args(["-c", setting]);
        }
        let mut server = Server::start("PostgreSQL", command, folder.join("log"), Signal::INT)?;
        let dialler = setup.tls.dialler(port)?;
        let (client, driver) = server.answer(async || connect(&dialler).await).await?;
        let started = Self { client, _driver: driver, dialler, server };
        started.fill(setup).await.context("filling the tables of PostgreSQL")?;
        Ok(started)
    }

    pub(super) fn process(&self) -> u32 {
        self.server.process()
    }

    async fn fill(&self, setup: &Setup<'_>) -> anyhow::Result<()> {
        self.client.batch_execute(TABLES).await?;
        for people in setup.tokens.people().chunks(CODES_A_STATEMENT) {
            let codes: Vec<i64> = people.iter().map(|person| person.code.get().cast_signed()).collect();
            let colours: Vec<i16> = people.iter().map(|person| person.colour.number().into()).collect();
            self.client.execute(FILL, &[&codes, &colours]).await?;
        }
        // Each by itself: they take no transaction.
        for command in ["VACUUM ANALYZE codes", "CHECKPOINT"] {
            self.client.batch_execute(command).await?;
        }
        Ok(())
    }

    pub(super) async fn connect(
        &self,
        setup: &Setup<'_>,
        shape: Shape,
    ) -> anyhow::Result<Connected<(Asker, Source)>> {
        let mut connected = Connected::none();
        let dialled = dial((shape.devices as usize).min(CONNECTIONS_MAX), || {
            let dialler = self.dialler.clone();
            async move { connect(&dialler).await }
        });
        let mut clients = Vec::new();
        for (client, driver) in dialled.await? {
            connected.drivers.push(driver);
            connected.connections += 1;
            let statement = client.prepare(if shape.batch == 1 { ONE } else { MANY }).await?;
            clients.push(Rc::new((client, statement)));
        }
        for number in 0..shape.frames() {
            let asker =
                Asker { client: Rc::clone(&clients[number % clients.len()]), is_one: shape.batch == 1 };
            let source = Source::new(&setup.tokens, setup.fleet, number);
            connected.lanes.push((asker, source));
        }
        Ok(connected)
    }

    /// Returns the number of the table's rows.
    pub(super) async fn held(&self) -> anyhow::Result<u64> {
        let row = self.client.query_one("SELECT count(*) FROM punches", &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }
}

/// Makes a new cluster that requires client certificates of the authority.
fn prepare(folder: &Path, tls: &Tls, program: &Program, user: Option<&str>) -> anyhow::Result<PathBuf> {
    let own = |path: &Path| match user {
        Some(user) => complete(std::process::Command::new("chown").arg(format!("{user}:")).arg(path)),
        None => Ok(()),
    };
    own(folder)?;
    let data = folder.join("data");
    let mut initdb = program::command(&program.path.with_file_name("initdb"), user);
    initdb.args(["--no-sync", "--auth", "trust", "--encoding", "UTF8", "--username", ROLE, "--pgdata"]);
    complete(initdb.current_dir(folder).arg(&data)).context("making a cluster of PostgreSQL")?;
    let files =
        [(&tls.authority, "authority.pem"), (&tls.certificate, "server.pem"), (&tls.key, "server.key")];
    for (from, name) in files {
        let to = data.join(name);
        fs::copy(from, &to).with_context(|| format!("copying {}", from.display()))?;
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        own(&to)?;
    }
    fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n")?;
    Ok(data)
}

async fn connect(dialler: &Dialler) -> anyhow::Result<(Client, Driver)> {
    let stream = dialler.dial(Some(TLS_PRELUDE)).await?;
    let mut config = tokio_postgres::Config::new();
    // TLS is there already, under what the client sees.
    config.user(ROLE).dbname("postgres").ssl_mode(SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    let mut driver = Driver::new();
    driver.spawn_local(async move { drop(connection.await) });
    Ok((client, driver))
}

/// A client with one frame in flight at a time, on a connection that may be shared.
pub(super) struct Asker {
    client: Rc<(Client, Statement)>,
    is_one: bool,
}

impl Asker {
    pub(super) async fn ask(&mut self, punches: &[Punch]) -> anyhow::Result<()> {
        let rows = if self.is_one { self.one(&punches[0]).await? } else { self.many(punches).await? };
        ensure!(rows.len() == punches.len(), "{} answers to {} punches", rows.len(), punches.len());
        // Rows come in the order of the insert, and each says which it is.
        punches.iter().zip(rows).try_for_each(|(punch, row)| {
            ensure!(row.get::<_, i64>(0) == punch.sequence.cast_signed(), "an answer to another punch");
            punch.check(row.get::<_, i16>(1).into())
        })
    }

    async fn one(&self, punch: &Punch) -> anyhow::Result<Vec<tokio_postgres::Row>> {
        let (client, statement) = &*self.client;
        let (code, device) = (punch.code.cast_signed(), punch.device.cast_signed());
        let (sequence, time) = (punch.sequence.cast_signed(), punch.device_time_ms.cast_signed());
        let (place, region) = (punch.place.cast_signed(), punch.region.cast_signed());
        let direction = i16::from(punch.direction);
        Ok(client.query(statement, &[&code, &device, &sequence, &time, &place, &region, &direction]).await?)
    }

    async fn many(&self, punches: &[Punch]) -> anyhow::Result<Vec<tokio_postgres::Row>> {
        let (client, statement) = &*self.client;
        let long = |field: fn(&Punch) -> u64| -> Vec<i64> {
            punches.iter().map(|punch| field(punch).cast_signed()).collect()
        };
        let (codes, devices) = (long(|punch| punch.code), long(|punch| punch.device));
        let (sequences, times) = (long(|punch| punch.sequence), long(|punch| punch.device_time_ms));
        let places: Vec<i32> = punches.iter().map(|punch| punch.place.cast_signed()).collect();
        let regions: Vec<i16> = punches.iter().map(|punch| punch.region.cast_signed()).collect();
        let directions: Vec<i16> = punches.iter().map(|punch| punch.direction.into()).collect();
        Ok(client
            .query(statement, &[&codes, &devices, &sequences, &times, &places, &regions, &directions])
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_highest_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "15", "common"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = installed(folder.path());
        assert_eq!(found, [folder.path().join("15/bin/postgres"), folder.path().join("9/bin/postgres")]);
        assert!(installed(&folder.path().join("none")).is_empty());
    }
}
