//! Where changes come in while the gateway runs: a socket in the data directory that only its owner may open. One JSON line in,
//! one out. When no gateway runs, the same acts are done on the registry itself, under the directory's lock.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::clock;
use actors::holders::{self, ImportReport};
use actors::keys::Keys;
use actors::operators::{Order, Signature};
use actors::registry::{AuditReport, DeviceRow, DirectoryLock, Registry};
use anyhow::{Context, bail};
use protocol::{DeviceClass, DeviceId, PlaceId, RegionId};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::enrol::{self, Enrolment};
use crate::orders::{self, Ordered};
use crate::policies::PolicyLine;
use crate::process::{Admin, Settings};

const SOCKET: &str = "admin.sock";
/// An act is a line of this length at most: a bulk enrolment is one act for each device.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long the one who asks may take, and the one who answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// An enrolment token is good for this long.
pub(crate) const ENROLMENT_S: u64 = 15 * 60;

/// What can be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    /// Every device.
    List,
    /// A new device, and a token with which it fetches its certificate.
    Enrol { class: String, name: String, regions: Vec<u16>, places: Option<Vec<u32>> },
    /// A token with which a known device fetches another certificate; the old one is good until then.
    Renew { device: u64 },
    /// The device's certificate is good no more, and its connection is closed.
    Revoke { device: u64 },
    /// Every policy that is or was in effect.
    Policies,
    /// Every decision is read and checked again.
    VerifyDecisions,
    /// What operators sign.
    Order { order: Order, signatures: Vec<Signature> },
    /// People who already hold a code, from a file on the gateway's machine.
    ImportHolders { csv: PathBuf, rejects: PathBuf },
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    Devices(Vec<DeviceLine>),
    Token {
        device: u64,
        token: String,
        expires_s: u64,
    },
    Revoked {
        device: u64,
    },
    Ordered(Ordered),
    Policies(Vec<PolicyLine>),
    Audited(AuditReport),
    /// Not the end yet.
    Importing(ImportReport),
    Imported(ImportReport),
    Refused(String),
}

/// A device, for people and programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceLine {
    pub(crate) device: u64,
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) regions: Vec<u16>,
    /// None: every place of its regions.
    pub(crate) places: Option<Vec<u32>>,
    /// enrolled, waiting or revoked.
    pub(crate) state: String,
    /// Of its certificate, seconds since 1970 UTC.
    pub(crate) not_after_s: u64,
}

/// The running plane; it ends with the process.
pub(crate) struct Plane {
    _enrolment: Enrolment,
    socket: PathBuf,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Starts the admin socket and the enrolment port. The directory's lock is held, so a socket that is there is a leftover.
pub(crate) fn start(settings: &Settings, admin: &Admin, enrolment: TcpListener) -> anyhow::Result<Plane> {
    let socket = settings.data.join(SOCKET);
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).with_context(|| format!("binding {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let mine = admin.clone();
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = serve(&stream, &mine) {
                tracing::warn!(%error, "an admin connection failed");
            }
        }
    })?;
    Ok(Plane { _enrolment: enrol::start(settings, admin.clone(), enrolment)?, socket })
}

fn serve(stream: &UnixStream, admin: &Admin) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(std::io::Read::take(stream, LINE_BYTES_MAX)).read_line(&mut line)?;
    let mut told = Ok(());
    let mut tell = |done: &Done| {
        if told.is_ok() {
            told = write_line(stream, done);
        }
    };
    match serde_json::from_str::<Act>(&line) {
        Ok(act) => perform(&act, admin, &mut tell),
        Err(error) => tell(&Done::Refused(format!("that is no act: {error}"))),
    }
    told
}

fn write_line(mut stream: &UnixStream, line: &impl Serialize) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    Ok(())
}

/// Has the act done by the gateway that runs on that directory, or, if none does, does it here. `tell` hears how far a long act
/// is; its end is what is returned.
pub(crate) fn call(data: &Path, keys: &Path, act: &Act, tell: &mut dyn FnMut(&Done)) -> anyhow::Result<Done> {
    let mut last = None;
    let mut hear = |done: Done| {
        if matches!(done, Done::Importing(_)) {
            tell(&done);
        } else {
            last = Some(done);
        }
    };
    match UnixStream::connect(data.join(SOCKET)) {
        Ok(stream) => ask(&stream, act, &mut hear)?,
        Err(_) => {
            let _lock =
                DirectoryLock::take(data).context("no gateway answers, and its directory is in use")?;
            let keys = Keys::load(keys)?;
            let registry = Registry::open(&Settings::registry_path(data), &keys)?;
            perform(act, &Admin::offline(registry, keys), &mut |done| hear(done.clone()));
        }
    }
    let done = last.context("the gateway ended before it was done; do it again")?;
    if let Done::Refused(why) = done {
        bail!("{why}");
    }
    Ok(done)
}

fn ask(stream: &UnixStream, act: &Act, hear: &mut dyn FnMut(Done)) -> anyhow::Result<()> {
    write_line(stream, act)?;
    for line in BufReader::new(stream).lines() {
        hear(serde_json::from_str(&line?)?);
    }
    Ok(())
}

fn perform(act: &Act, admin: &Admin, tell: &mut dyn FnMut(&Done)) {
    let done = match act {
        Act::List => list(admin),
        Act::Enrol { class, name, regions, places } => enrol(admin, class, name, regions, places.as_deref()),
        Act::Renew { device } => token(admin, DeviceId(*device)),
        Act::Revoke { device } => revoke(admin, DeviceId(*device)),
        Act::Policies => admin.read(|registry| {
            let rows = registry.policies()?;
            Ok(Done::Policies(rows.into_iter().map(PolicyLine::from).collect()))
        }),
        Act::VerifyDecisions => verify_decisions(admin),
        Act::Order { order, signatures } => orders::perform(order, signatures, admin).map(Done::Ordered),
        Act::ImportHolders { csv, rejects } => import(admin, csv, rejects, tell),
    };
    match &done {
        Ok(_) => tracing::info!(?act, "admin"),
        Err(error) => tracing::warn!(?act, %error, "admin: refused"),
    }
    tell(&done.unwrap_or_else(|error| Done::Refused(format!("{error:#}"))));
}

fn import(admin: &Admin, csv: &Path, rejects: &Path, tell: &mut dyn FnMut(&Done)) -> anyhow::Result<Done> {
    let mut progress = |report: &ImportReport| tell(&Done::Importing(*report));
    let report = admin.change(|registry| {
        Ok(holders::import(registry, &admin.keys, &admin.codes, csv, rejects, &mut progress)?)
    })?;
    Ok(Done::Imported(report))
}

fn verify_decisions(admin: &Admin) -> anyhow::Result<Done> {
    let public_key = admin.keys.signing_public();
    admin.read(|registry| Ok(Done::Audited(registry.verify_decisions(&public_key)?)))
}

fn list(admin: &Admin) -> anyhow::Result<Done> {
    let devices = admin.read(|registry| Ok(registry.devices()?))?;
    let line = |row: DeviceRow| DeviceLine {
        device: row.id.0,
        class: row.class.name().to_owned(),
        name: row.name,
        regions: row.regions.iter().map(|region| region.0).collect(),
        places: row.places.map(|places| places.iter().map(|place| place.0).collect()),
        state: match (row.revoked, &row.certificate_serial) {
            (true, _) => "revoked",
            (false, Some(_)) => "enrolled",
            (false, None) => "waiting",
        }
        .to_owned(),
        not_after_s: row.not_after_s,
    };
    Ok(Done::Devices(devices.into_iter().map(line).collect()))
}

fn enrol(
    admin: &Admin,
    class: &str,
    name: &str,
    regions: &[u16],
    places: Option<&[u32]>,
) -> anyhow::Result<Done> {
    let class = DeviceClass::from_name(class).context("class is gate, handheld, concentrator or portal")?;
    if name.trim().is_empty() || name.chars().count() > 64 {
        bail!("a name has 1 to 64 characters");
    }
    let regions: Vec<RegionId> = regions.iter().copied().map(RegionId).collect();
    let places: Option<Vec<PlaceId>> = places.map(|places| places.iter().copied().map(PlaceId).collect());
    let device = admin.change(|registry| {
        let known = registry.regions()?;
        if regions.is_empty() || !regions.iter().all(|id| known.iter().any(|row| row.id == *id)) {
            bail!("every device has at least one region of the region table");
        }
        let all_places = registry.places()?;
        let lies_in = |place: &PlaceId| {
            all_places.iter().any(|(id, region, _)| id == place && regions.contains(region))
        };
        if !places.iter().flatten().all(lies_in) {
            bail!("a place does not lie in the device's regions");
        }
        let last = registry.devices()?.iter().map(|row| row.id.0).max().unwrap_or(0);
        let id = DeviceId(last + 1);
        registry.add_device(&DeviceRow {
            id,
            class,
            name: name.trim().to_owned(),
            regions: regions.clone(),
            places: places.clone(),
            certificate_serial: None,
            previous_serial: None,
            revoked: false,
            not_after_s: 0,
        })?;
        Ok(id)
    })?;
    token(admin, device)
}

fn token(admin: &Admin, device: DeviceId) -> anyhow::Result<Done> {
    let mut secret = [0; 16];
    SystemRandom::new().fill(&mut secret).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let token = hex::encode(secret);
    let expires_s = clock::now_ms() / 1000 + ENROLMENT_S;
    admin.change(|registry| {
        let row = registry.devices()?.into_iter().find(|row| row.id == device);
        let row = row.with_context(|| format!("there is no device {device}"))?;
        if row.revoked {
            bail!("device {device} is revoked; enrol it as a new one");
        }
        Ok(registry.create_enrolment(device, enrol::token_hash(&token), expires_s)?)
    })?;
    Ok(Done::Token { device: device.0, token, expires_s })
}

fn revoke(admin: &Admin, device: DeviceId) -> anyhow::Result<Done> {
    admin.change(|registry| {
        if !registry.devices()?.iter().any(|row| row.id == device) {
            bail!("there is no device {device}");
        }
        Ok(registry.revoke_device(device)?)
    })?;
    Ok(Done::Revoked { device: device.0 })
}
