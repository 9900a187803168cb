//! The way of a device to its certificate: HTTPS on a port of its own. With a token that works once, or, to renew in time, with the
//! certificate it has.

use std::net::TcpListener;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::{App, HttpRequest, HttpResponse, web};
use actors::bounds;
use actors::registrar::{Registrar, RegistrarError, RegistryChange};
use anyhow::{anyhow, bail};
use protocol::DeviceId;
use runtime::arbiter::{self, ArbiterThread, Pulse};
use runtime::clock;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::across::{Request, wait};
use crate::door::{self, Door, Stream};
use crate::host::wall_clock;
use crate::operator::OperatorContext;
use crate::tls::identities::InForce;
use crate::tls::pki::{self, Issued, KeyRequest};

/// A certificate request is about 500 bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// The longest time from a request's first byte to its answer; a device needs less.
const REQUEST: Duration = Duration::from_secs(5);
/// A device asks once.
const IDLE: Duration = Duration::from_secs(5);
/// The longest wait for the change of another gateway that leads: less than a request may take.
const FOLLOWS: Duration = Duration::from_secs(3);
/// The interval at which it is looked for.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
struct EnrolRequest {
    token: String,
    csr: String,
}

#[derive(Deserialize)]
struct RenewRequest {
    csr: String,
}

#[derive(Serialize)]
struct Certificate {
    device: u64,
    certificate: String,
    ca: String,
    /// The addresses of the fleet's gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gateways: Vec<String>,
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
    action: &'static str,
}

struct Office {
    identities: Arc<InForce>,
    admin: OperatorContext,
    /// The permit of the one request that waits for the registrar.
    turn: Arc<Semaphore>,
}

/// The outcome of a request.
enum Answer {
    Issued(Certificate),
    Refused(Refusal),
    Failed(anyhow::Error),
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Issued(certificate) => Self::Ok().json(certificate),
            Answer::Refused(refusal) => Self::Forbidden().json(refusal),
            Answer::Failed(error) => {
                tracing::error!(%error, "an enrolment failed");
                Self::InternalServerError().json(Refusal { error: "internal", action: "try again later" })
            }
        }
    }
}

/// The certificate a client came with, verified by the handshake.
struct Peer(CertificateDer<'static>);

/// The running port.
pub(crate) struct Enrolment {
    stop: watch::Sender<bool>,
    front: Option<ArbiterThread>,
}

impl Enrolment {
    /// The handle that the watchdog pings; `None` once it has ended.
    pub(crate) fn pulse(&self) -> Option<Pulse> {
        self.front.as_ref().map(ArbiterThread::pulse)
    }
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(error)) = self.front.take().map(ArbiterThread::join) {
            tracing::error!(error, "the enrolment port ended");
        }
    }
}

/// Starts the port on a thread of its own.
pub(crate) fn start(
    identities: Arc<InForce>,
    admin: OperatorContext,
    listener: TcpListener,
) -> anyhow::Result<Enrolment> {
    let tls = tls(&identities);
    let office = Arc::new(Office { identities, admin, turn: Arc::new(Semaphore::new(1)) });
    let (stop, stopped) = watch::channel(false);
    let front = arbiter::spawn("enrolment", move || async move {
        let app = App::new()
            .app_data(web::Data::from(office))
            .app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX))
            .route("/enrol/1", web::post().to(enrol))
            .route("/renew/1", web::post().to(renew));
        let shares = door::Shares {
            all: bounds::ENROL_CONNECTIONS,
            client: bounds::ENROL_CLIENT,
            network: bounds::ENROL_NETWORK,
        };
        let (tls, proxies) = (Some(tls), Vec::new());
        let (arrivals, request, idle) = (None, REQUEST, IDLE);
        let door = Door { listener, tls, shares, arrivals, request, idle, proxies, on_connect: note_peer };
        if let Err(error) = door::serve(door, app, stopped).await {
            tracing::error!(error = format!("{error:#}"), "the enrolment port failed");
        }
    })?;
    Ok(Enrolment { stop, front: Some(front) })
}

/// Without resumption: a resumed session would skip the certificate's checks.
fn tls(identities: &InForce) -> rustls::ServerConfig {
    let (believed, shown) = (Arc::clone(&identities.believed), Arc::clone(&identities.server));
    let mut config = rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_client_cert_verifier(believed)
        .with_cert_resolver(shown);
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.time_provider = wall_clock::certificate_time();
    config
}

fn note_peer(stream: &Stream, extensions: &mut Extensions) {
    let certificate = stream.peer_certificates().and_then(<[_]>::first);
    if let Some(certificate) = certificate {
        extensions.insert(Peer(certificate.clone().into_owned()));
    }
}

const fn refuse(error: &'static str, action: &'static str) -> Answer {
    Answer::Refused(Refusal { error, action })
}

const fn unreadable() -> Answer {
    refuse("request-unreadable", "send a PKCS#10 request in PEM, signed with the device's key")
}

async fn enrol(office: web::Data<Office>, request: web::Json<EnrolRequest>) -> HttpResponse {
    // Before the token, which works once: a request that is none costs nothing.
    let Ok(asked) = KeyRequest::parse(&request.csr) else { return unreadable().into() };
    let hash = registry::token_hash(&request.token);
    let (turn, office) = (Arc::clone(&office.turn), office.into_inner());
    beside(turn, move |asks| office.enrol(hash, asked, asks)).await.into()
}

async fn renew(
    office: web::Data<Office>,
    connection: HttpRequest,
    request: web::Json<RenewRequest>,
) -> HttpResponse {
    let Some(Peer(certificate)) = connection.conn_data::<Peer>() else {
        return refuse("certificate-missing", "renew with the certificate that the device has").into();
    };
    let Ok(asked) = KeyRequest::parse(&request.csr) else { return unreadable().into() };
    let known = pki::device_of(certificate).and_then(|(device, serial)| {
        office.admin.fleet.check_serial(device, &serial).map(|_| (device, serial))
    });
    match known {
        Ok((device, serial)) => {
            let (turn, office) = (Arc::clone(&office.turn), office.into_inner());
            beside(turn, move |_| office.issue(device, Some(&serial), asked)).await.into()
        }
        Err(code) => refuse(code.name(), code.action()).into(),
    }
}

/// Does the work on a thread that may block, one request at a time. A change waits for the registrar, which lets others in between the
/// parts of an import, 2,000 lines each; a disk may hang. The port's watched thread goes on. `Asks` tells if the client still waits.
async fn beside(turn: Arc<Semaphore>, work: impl FnOnce(&Asks) -> Answer + Send + 'static) -> Answer {
    let Ok(turn) = turn.acquire_owned().await else { return Answer::Failed(anyhow!("the port ends")) };
    let here = Arc::new(());
    let asks = Asks(Arc::downgrade(&here));
    let done = web::block(move || {
        let _turn = turn;
        work(&asks)
    });
    let done = done.await;
    drop(here);
    done.unwrap_or_else(|error| Answer::Failed(error.into()))
}

/// A mark of the client's request, which may have ended.
#[derive(Clone)]
pub(crate) struct Asks(Weak<()>);

impl Asks {
    fn is_there(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Office {
    /// Uses up the token, and issues a certificate for it. If the client has left meanwhile, its token stays good.
    fn enrol(&self, hash: [u8; 32], asked: KeyRequest, asks: &Asks) -> Answer {
        let taken = match self.admin.leader_elsewhere() {
            Some(leader) => {
                let taken: anyhow::Result<Option<u64>> =
                    wait(leader.ask(&Request::TakeToken { hash: hex::encode(hash) })).flatten();
                taken.map(|device| device.map(DeviceId))
            }
            None => take_token(&self.admin, hash, Some(asks)),
        };
        match taken {
            Ok(Some(device)) => self.issue(device, None, asked),
            Ok(None) => {
                refuse("token-unknown", "tokens work once, for 15 minutes; ask an operator for another")
            }
            Err(error) => Answer::Failed(error),
        }
    }

    fn gateways(&self) -> Vec<String> {
        let peers = self.admin.running.as_ref().and_then(|running| running.peers.clone());
        let addresses = peers.map(|mut peers| peers.addresses()).unwrap_or_default();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// Waits until a device is known by its new certificate here: at a gateway that follows, the leader's change has to arrive. One that is
    /// far behind is not waited for: the certificate is on record, and the other gateways take it.
    fn wait_for(&self, device: DeviceId, serial: &str) {
        let began = clock::now();
        while self.admin.fleet.check_serial(device, serial).is_err() {
            if clock::since(began) > FOLLOWS {
                tracing::warn!(%device, "a new certificate is on record at the gateway that leads, and this gateway is far behind");
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Issues a certificate for the device; `with` is the serial of the certificate that it renews.
    fn issue(&self, device: DeviceId, with: Option<&str>, asked: KeyRequest) -> Answer {
        let authority = self.identities.authority();
        let issued = match authority.sign(asked, device) {
            Ok(issued) => issued,
            Err(error) => return Answer::Failed(error),
        };
        let Issued { certificate, serial, not_after_s } = issued;
        let with = with.map(str::to_owned);
        let noted = match self.admin.leader_elsewhere() {
            Some(leader) => {
                let (device, serial) = (device.0, serial.clone());
                wait(leader.ask(&Request::NoteCertificate { device, with, serial, not_after_s })).flatten()
            }
            None => note_certificate(
                &self.admin,
                NoteCertificate { device, with, serial: serial.clone(), not_after_s },
            ),
        };
        match noted {
            Ok(()) => {
                self.wait_for(device, &serial);
                tracing::info!(%device, "certificate issued");
                let ca = authority.certificate().to_owned();
                Answer::Issued(Certificate { device: device.0, certificate, ca, gateways: self.gateways() })
            }
            Err(error) => Answer::Failed(error),
        }
    }
}

/// Uses up a token, in this gateway's registry. Returns its device; `None` if it is not good.
///
/// # Errors
/// The registry does not take it, or who asked has left.
pub(crate) fn take_token(
    context: &OperatorContext,
    hash: [u8; 32],
    asks: Option<&Asks>,
) -> anyhow::Result<Option<DeviceId>> {
    context.write(TakeToken { hash, asks: asks.cloned(), now_s: clock::now_s() })
}

/// Records a device's new certificate, in this gateway's registry.
///
/// # Errors
/// The registry does not take it.
pub(crate) fn note_certificate(context: &OperatorContext, note: NoteCertificate) -> anyhow::Result<()> {
    let device = note.device;
    context.write(note)?;
    context.follow_device(device)
}

/// A change that uses up a token, unless its client has left. The reply is the token's device; `None` for a token that is not good.
struct TakeToken {
    hash: [u8; 32],
    asks: Option<Asks>,
    now_s: u64,
}

impl RegistryChange for TakeToken {
    type Reply = Option<DeviceId>;
    type Error = anyhow::Error;

    fn apply(self, registrar: &mut Registrar<'_>) -> anyhow::Result<Option<DeviceId>> {
        if self.asks.is_some_and(|asks| !asks.is_there()) {
            bail!("who asked has left");
        }
        Ok(registrar.registry().take_enrolment(self.hash, self.now_s)?)
    }
}

/// A change that records a device's new certificate; `with` is the serial of the certificate that it renews.
pub(crate) struct NoteCertificate {
    pub(crate) device: DeviceId,
    pub(crate) with: Option<String>,
    pub(crate) serial: String,
    pub(crate) not_after_s: u64,
}

impl RegistryChange for NoteCertificate {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        let Self { device, with, serial, not_after_s } = self;
        match with {
            Some(with) => registrar.registry().renew_certificate(device, &with, &serial, not_after_s)?,
            None => registrar.registry().set_certificate(device, &serial, not_after_s)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn who_waits_for_the_registry_blocks_nobody_and_who_has_left_gets_nothing_done() {
        let (registry, turn) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(1)));
        let held = registry.lock().expect("nobody has it");
        let (begun, begins) = sync_channel(2);
        let ask = || {
            let (registry, begun) = (Arc::clone(&registry), begun.clone());
            beside(Arc::clone(&turn), move |asks| {
                begun.send(()).expect("the test waits");
                let mut registry = registry.lock().expect("sound");
                *registry += u32::from(asks.is_there());
                refuse("done", "")
            })
        };
        actix_web::rt::System::new().block_on(async {
            let (mut first, mut second) = (Box::pin(ask()), Box::pin(ask()));
            for waiting in [&mut first, &mut second] {
                tokio::select! {
                    biased;
                    _ = waiting => panic!("the registry is held"),
                    () = tokio::task::yield_now() => {}
                }
            }
            begins.recv().expect("the first has begun");
            assert!(begins.try_recv().is_err(), "one at a time");
            drop(first);
            drop(held);
            assert!(matches!(second.await, Answer::Refused(Refusal { error: "done", .. })));
        });
        assert_eq!(*registry.lock().expect("sound"), 1, "not for who has left");
    }
}
