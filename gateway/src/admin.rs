//! The operators' way in while the gateway runs: a socket that only its owner may open, or a group of users that can open nothing
//! else of the gateway. One JSON line in, one out. When no gateway runs, the same acts are done on the registry itself, under the directory's lock. What an order may do,
//! and who signs it, stands in `orders`.

mod asking;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::holders::ImportReport;
use anyhow::{Context, bail};
use registry::audit::Growth;
use registry::operator::{Order, Signature};
use registry::{AuditReport, ConsentReport, OrderEntry, OrderReport, Registry};
use runtime::clock;
use runtime::front::Pulse;
use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};

pub(crate) use asking::{ask_running, call};

use crate::counter::{Answered, CounterAct};
use crate::ending;
use crate::enrol::{self, Enrolment};
use crate::identities::InForce;
use crate::named::{self, Named};
use crate::orders::limits::LINE_BYTES_MAX;
use crate::orders::{self, Ordered, RegionLine, Tapped};
use crate::policies::PolicyLine;
use crate::process::{Admin, Settings, Vitals};
use crate::status::Status;

/// The time that the one who asks may take, and the one who answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Operators at one time.
const CONNECTIONS_MAX: usize = 8;

/// The acts that can be asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    /// Every policy that is or was in effect.
    Policies,
    /// The region table.
    Regions,
    /// Every decision is read and checked again; shows nobody.
    VerifyDecisions,
    /// Signs the decisions, and proves that they begin with the first `since`; without one, with all, and how far the order log
    /// reaches. Shows nobody.
    Checkpoint { since: Option<u64> },
    /// Every consent is read again; shows nobody.
    VerifyConsents,
    /// Every order is read and checked again; shows nobody.
    VerifyOrders,
    /// The id that an order has to name this gateway by.
    Gateway,
    /// The same, for the first operator: makes the registry where there is none yet.
    Begin,
    /// The running process's stage and its metrics.
    Vitals,
    /// Its state, in one answer.
    Status,
    /// An act of a citizen at the counter, the phone in hand.
    Counter(CounterAct),
    /// Everything else: operators sign it.
    Order { order: Order, signatures: Vec<Signature> },
}

/// The outcome of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    Ordered(Ordered),
    Policies(Vec<PolicyLine>),
    Regions(Vec<RegionLine>),
    Audited(AuditReport),
    Checkpoint(Growth),
    Orders(OrderReport),
    Gateway(String),
    Consents(ConsentReport),
    Vitals {
        stage: String,
        metrics: String,
    },
    Status(Box<Status>),
    Counter(Answered),
    /// Not the end yet: an order is accepted.
    OnRecord(OrderEntry),
    /// Not the end yet.
    Importing(ImportReport),
    /// Not the end yet: lines of a file that were rejected, with the reasons.
    Rejects(String),
    /// Not the end yet: punches, as they were asked for.
    Exported(String),
    /// Not the end yet.
    Tapped(Tapped),
    Refused(String),
}

impl Done {
    const fn is_end(&self) -> bool {
        match self {
            Self::OnRecord(_)
            | Self::Importing(_)
            | Self::Rejects(_)
            | Self::Exported(_)
            | Self::Tapped(_) => false,
            Self::Ordered(_)
            | Self::Policies(_)
            | Self::Regions(_)
            | Self::Audited(_)
            | Self::Checkpoint(_)
            | Self::Orders(_)
            | Self::Gateway(_)
            | Self::Consents(_)
            | Self::Vitals { .. }
            | Self::Status(_)
            | Self::Counter(_)
            | Self::Refused(_) => true,
        }
    }
}

/// Hears how far a long act is; false when nobody listens any more.
pub(crate) type Tell<'a> = dyn FnMut(&Done) -> bool + 'a;

/// The running plane; it ends with the process.
pub(crate) struct Plane {
    enrolment: Enrolment,
    socket: PathBuf,
}

impl Plane {
    /// The handle that the watchdog pings.
    pub(crate) fn pulse(&self) -> Option<Pulse> {
        self.enrolment.pulse()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Says whether that gateway runs.
pub(crate) fn runs(named: &Named) -> bool {
    UnixStream::connect(&named.socket).is_ok()
}

/// Starts the admin socket and the enrolment port. The directory's lock is held, so a socket that is there is a leftover.
pub(crate) fn start(
    settings: &Settings,
    admin: &Admin,
    (enrolment, identities): (TcpListener, Arc<InForce>),
) -> anyhow::Result<Plane> {
    let (socket, listener) = listen_at(settings)?;
    let mine = admin.clone();
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || listen(&listener, &mine))?;
    Ok(Plane { enrolment: enrol::start(identities, admin.clone(), enrolment)?, socket })
}

/// Binds the socket, for its owner or for the configured group. Commands that know the data alone find it there.
fn listen_at(settings: &Settings) -> anyhow::Result<(PathBuf, UnixListener)> {
    let (own, operators) = (settings.data.join(named::SOCKET), &settings.operators);
    let socket = Named::of(settings).socket;
    let _ = std::fs::remove_file(&own);
    let _ = std::fs::remove_file(&socket);
    let doing = || format!("binding {}", socket.display());
    let listener = UnixListener::bind(&socket).with_context(doing)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).with_context(doing)?;
    if let Some(group) = operators.gid()? {
        // In a directory that gives its group to what is made there, nothing has to be given away.
        if std::fs::metadata(&socket).with_context(doing)?.gid() != group.as_raw() {
            rustix::fs::chown(&socket, None, Some(group))
                .with_context(|| format!("giving {} to the group of operators", socket.display()))?;
        }
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).with_context(doing)?;
    }
    if socket != own {
        std::os::unix::fs::symlink(&socket, &own)
            .with_context(|| format!("leaving {} in the data", own.display()))?;
    }
    Ok((socket, listener))
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
    BufReader::new(std::io::Read::take(stream, LINE_BYTES_MAX as u64)).read_line(&mut line)?;
    let mut told = Ok(());
    let mut tell = |done: &Done| {
        if told.is_ok() {
            told = write_line(stream, done);
        }
        told.is_ok()
    };
    let uid = socket_peercred(stream)?.uid.as_raw();
    if line.len() == LINE_BYTES_MAX && !line.ends_with('\n') {
        tell(&Done::Refused(format!("an act has {LINE_BYTES_MAX} bytes at most")));
        return told;
    }
    match serde_json::from_str::<Act>(&line) {
        Ok(act) => perform(&act, admin, uid, &mut tell),
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

/// `uid` is the user who speaks, as the system says.
fn perform(act: &Act, admin: &Admin, uid: u32, tell: &mut Tell<'_>) {
    let done = match act {
        Act::Policies => admin.read(|registry| {
            let rows = registry.policies()?;
            Ok(Done::Policies(rows.into_iter().map(PolicyLine::from).collect()))
        }),
        Act::Regions => admin.read(|registry| {
            Ok(Done::Regions(registry.regions()?.into_iter().map(RegionLine::from).collect()))
        }),
        Act::VerifyDecisions => verify_decisions(admin),
        Act::Checkpoint { since } => checkpoint(admin, *since).map(Done::Checkpoint),
        Act::VerifyOrders => reader(admin)
            .and_then(|registry| Ok(Done::Orders(registry.verify_orders(&admin.keys.signing_public())?))),
        Act::Gateway | Act::Begin => admin.read(|registry| Ok(Done::Gateway(registry.gateway_id()?))),
        Act::VerifyConsents => {
            reader(admin).and_then(|registry| Ok(Done::Consents(registry.verify_consents()?)))
        }
        Act::Vitals => match &admin.vitals {
            Some(Vitals { readiness, metrics, .. }) => {
                Ok(Done::Vitals { stage: readiness.text().trim().to_owned(), metrics: metrics.render() })
            }
            None => Err(anyhow::anyhow!("no gateway runs")),
        },
        Act::Status => match &admin.vitals {
            Some(vitals) => vitals.status(admin).map(|status| Done::Status(Box::new(status))),
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
        Ok(Done::Vitals { .. } | Done::Status(_) | Done::Gateway(_)) => tracing::debug!(uid, ?act, "admin"),
        Ok(_) => tracing::info!(uid, ?act, "admin"),
        Err(error) => tracing::warn!(uid, ?act, %error, "admin: refused"),
    }
    tell(&done.unwrap_or_else(|error| Done::Refused(ending::words_of(&error))));
}

fn verify_decisions(admin: &Admin) -> anyhow::Result<Done> {
    Ok(Done::Audited(reader(admin)?.verify_decisions(&admin.keys.signing_public())?))
}

fn checkpoint(admin: &Admin, since: Option<u64>) -> anyhow::Result<Growth> {
    let sign = |registry: &mut Registry| {
        Ok(registry.checkpoint(admin.keys.signing_pkcs8(), clock::now_ms() / 1000)?)
    };
    let signed = admin.write(sign)?;
    let registry = reader(admin)?;
    let size = since.unwrap_or(signed.size);
    if size > signed.size {
        bail!(
            "{} decisions are signed here and not {size}: that size is another gateway's, or decisions were taken out since",
            signed.size
        );
    }
    let growth = registry.growth(size)?.context("nothing is signed")?;
    match since {
        Some(_) => Ok(growth),
        None => {
            Ok(Growth { checkpoint: registry.checkpoint_to_keep()?.context("nothing is signed")?, ..growth })
        }
    }
}

/// Says what reads long does it beside the registry's writer.
pub(crate) fn reader(admin: &Admin) -> anyhow::Result<Registry> {
    admin.read(|registry| Ok(registry.reader()?))
}
