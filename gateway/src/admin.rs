//! Where operators come in while the gateway runs: a socket in the data directory that only its owner may open. One JSON line in,
//! one out. When no gateway runs, the same acts are done on the registry itself, under the directory's lock. What an order may do,
//! and who signs it, stands in `orders`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::audit::Growth;
use actors::clock;
use actors::holders::ImportReport;
use actors::keys::Keys;
use actors::operators::{Order, Signature};
use actors::registry::{AuditReport, ConsentReport, DirectoryLock, Registry};
use actors::sunset;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::counter::{Answered, CounterAct};
use crate::enrol::{self, Enrolment};
use crate::identities::InForce;
use crate::orders::{self, Ordered, Tapped};
use crate::owner;
use crate::policies::PolicyLine;
use crate::process::{Admin, Settings};

const SOCKET: &str = "admin.sock";
/// An act is a line of this length at most: a bulk enrolment is one act for each device.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long the one who asks may take, and the one who answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Operators at one time.
const CONNECTIONS_MAX: usize = 8;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    /// Every policy that is or was in effect.
    Policies,
    /// Every decision is read and checked again; shows nobody.
    VerifyDecisions,
    /// How far the decisions are signed, and that they begin with the first `since`; without one, with all. Shows nobody.
    Checkpoint { since: Option<u64> },
    /// Every consent is read again; shows nobody.
    VerifyConsents,
    /// How the running process is: its stage and its metrics.
    Vitals,
    /// What a citizen does at the counter, the phone in hand.
    Counter(CounterAct),
    /// Everything else: operators sign it.
    Order { order: Order, signatures: Vec<Signature> },
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    Ordered(Ordered),
    Policies(Vec<PolicyLine>),
    Audited(AuditReport),
    Checkpoint(Growth),
    Consents(ConsentReport),
    Vitals {
        stage: String,
        metrics: String,
    },
    Counter(Answered),
    /// Not the end yet.
    Importing(ImportReport),
    /// Not the end yet.
    Tapped(Tapped),
    Refused(String),
}

/// Hears how far a long act is; false when nobody listens any more.
pub(crate) type Tell<'a> = dyn FnMut(&Done) -> bool + 'a;

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

/// Where the gateway of that data directory is spoken to while it runs.
pub(crate) fn socket(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

/// Starts the admin socket and the enrolment port. The directory's lock is held, so a socket that is there is a leftover.
pub(crate) fn start(
    settings: &Settings,
    admin: &Admin,
    (enrolment, identities): (TcpListener, Arc<InForce>),
) -> anyhow::Result<Plane> {
    let socket = socket(&settings.data);
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).with_context(|| format!("binding {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let mine = admin.clone();
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || listen(&listener, &mine))?;
    Ok(Plane { _enrolment: enrol::start(identities, admin.clone(), enrolment)?, socket })
}

/// Each connection has a thread: a look-up that reads a day of the punch log keeps no other operator waiting.
fn listen(listener: &UnixListener, admin: &Admin) {
    let (enter, left) = sync_channel(CONNECTIONS_MAX);
    let left = Arc::new(Mutex::new(left));
    for stream in listener.incoming().flatten() {
        // Waits while as many are served as may be.
        if enter.send(()).is_err() {
            return;
        }
        let (admin, leaves) = (admin.clone(), Leaves(Arc::clone(&left)));
        let work = move || {
            let _leaves = leaves;
            if let Err(error) = serve(&stream, &admin) {
                tracing::warn!(%error, "an admin connection failed");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("admin-act".to_owned()).spawn(work) {
            tracing::warn!(%error, "no thread for an admin connection");
        }
    }
}

/// Makes room for another connection when it is dropped.
struct Leaves(Arc<Mutex<Receiver<()>>>);

impl Drop for Leaves {
    fn drop(&mut self) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
    }
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
        told.is_ok()
    };
    match serde_json::from_str::<Act>(&line) {
        Ok(act) => perform(&act, admin, &mut tell),
        Err(error) => {
            tell(&Done::Refused(format!("that is no act: {error}")));
        }
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
/// is; its end is what is returned. Once `tell` says that nobody listens, an act that only shows something ends.
pub(crate) fn call(
    data: &Path,
    keys_directory: &Path,
    act: &Act,
    tell: &mut Tell<'_>,
) -> anyhow::Result<Done> {
    let mut last = None;
    let mut hear = |done: Done| {
        if matches!(done, Done::Importing(_) | Done::Tapped(_)) {
            return tell(&done);
        }
        last = Some(done);
        true
    };
    match UnixStream::connect(socket(data)) {
        Ok(stream) => ask(&stream, act, &mut hear)?,
        Err(_) => {
            owner::refuse_root(data)?;
            let _lock =
                DirectoryLock::take(data).context("no gateway answers, and its directory is in use")?;
            sunset::refuse(data)?;
            let keys = Keys::load(keys_directory)?;
            let registry = Registry::open(&Settings::registry_path(data), &keys)?;
            perform(act, &Admin::offline(data, keys_directory, registry, keys), &mut |done| {
                hear(done.clone())
            });
        }
    }
    let done = last.context("the gateway ended before it was done; do it again")?;
    if let Done::Refused(why) = done {
        bail!("{why}");
    }
    Ok(done)
}

/// Has the gateway that runs on that directory do it; `None` if none does.
pub(crate) fn ask_running(data: &Path, act: &Act) -> anyhow::Result<Option<Done>> {
    let Ok(stream) = UnixStream::connect(socket(data)) else { return Ok(None) };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut last = None;
    ask(&stream, act, &mut |done| {
        last = Some(done);
        true
    })?;
    last.context("it ended before it was done").map(Some)
}

fn ask(stream: &UnixStream, act: &Act, hear: &mut dyn FnMut(Done) -> bool) -> anyhow::Result<()> {
    write_line(stream, act)?;
    for line in BufReader::new(stream).lines() {
        if !hear(serde_json::from_str(&line?)?) {
            break;
        }
    }
    Ok(())
}

fn perform(act: &Act, admin: &Admin, tell: &mut Tell<'_>) {
    let done = match act {
        Act::Policies => admin.read(|registry| {
            let rows = registry.policies()?;
            Ok(Done::Policies(rows.into_iter().map(PolicyLine::from).collect()))
        }),
        Act::VerifyDecisions => verify_decisions(admin),
        Act::Checkpoint { since } => checkpoint(admin, *since).map(Done::Checkpoint),
        Act::VerifyConsents => {
            reader(admin).and_then(|registry| Ok(Done::Consents(registry.verify_consents()?)))
        }
        Act::Vitals => match &admin.vitals {
            Some((readiness, metrics)) => {
                Ok(Done::Vitals { stage: readiness.text().trim().to_owned(), metrics: metrics.render() })
            }
            None => Err(anyhow::anyhow!("no gateway runs")),
        },
        Act::Counter(act) => match &admin.counter {
            Some(counter) => counter.perform(act).map(Done::Counter),
            None => Err(anyhow::anyhow!("the counter needs a running gateway with a message service")),
        },
        Act::Order { order, signatures } => {
            orders::perform(order, signatures, admin, tell).map(Done::Ordered)
        }
    };
    match &done {
        Ok(Done::Vitals { .. }) => tracing::debug!(?act, "admin"),
        Ok(_) => tracing::info!(?act, "admin"),
        Err(error) => tracing::warn!(?act, %error, "admin: refused"),
    }
    tell(&done.unwrap_or_else(|error| Done::Refused(format!("{error:#}"))));
}

fn verify_decisions(admin: &Admin) -> anyhow::Result<Done> {
    Ok(Done::Audited(reader(admin)?.verify_decisions(&admin.keys.signing_public())?))
}

fn checkpoint(admin: &Admin, since: Option<u64>) -> anyhow::Result<Growth> {
    let sign = |registry: &mut Registry| {
        Ok(registry.checkpoint(admin.keys.signing_pkcs8(), clock::now_ms() / 1000)?)
    };
    let signed = admin.write(sign)?;
    reader(admin)?.growth(since.unwrap_or(signed.size))?.context("nothing is signed")
}

/// What reads long does it beside the registry's writer.
pub(crate) fn reader(admin: &Admin) -> anyhow::Result<Registry> {
    admin.read(|registry| Ok(registry.reader()?))
}
