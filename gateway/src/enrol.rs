//! How a device comes by its certificate: HTTPS on a port of its own. With a token that works once, or, to renew in time, with the
//! certificate it has.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::{App, HttpRequest, HttpResponse, web};
use actors::front::{self, FrontHandle};
use actors::{bounds, clock};
use protocol::DeviceId;
use ring::digest;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::door::{self, Door, Stream};
use crate::identities::InForce;
use crate::pki::{self, Issued, KeyRequest};
use crate::process::Admin;
use crate::wall_clock;

/// A certificate request is about 500 bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// From a request's first byte to its answer: whoever is slower is not a device.
const REQUEST: Duration = Duration::from_secs(5);
/// A device asks once.
const IDLE: Duration = Duration::from_secs(5);

/// What the registry keeps of a token.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.trim().as_bytes()).as_ref());
    hash
}

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
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
    action: &'static str,
}

struct Office {
    identities: Arc<InForce>,
    admin: Admin,
}

/// The certificate a client came with, verified by the handshake.
struct Peer(CertificateDer<'static>);

/// The running port.
pub(crate) struct Enrolment {
    stop: watch::Sender<bool>,
    front: Option<FrontHandle>,
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(error)) = self.front.take().map(FrontHandle::join) {
            tracing::error!(error, "the enrolment port ended");
        }
    }
}

/// Starts the port on a thread of its own.
pub(crate) fn start(
    identities: Arc<InForce>,
    admin: Admin,
    listener: TcpListener,
) -> anyhow::Result<Enrolment> {
    let tls = tls(&identities);
    let office = Arc::new(Office { identities, admin });
    let (stop, stopped) = watch::channel(false);
    let front = front::spawn("enrolment", move || async move {
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

fn refuse(error: &'static str, action: &'static str) -> HttpResponse {
    HttpResponse::Forbidden().json(Refusal { error, action })
}

fn unreadable() -> HttpResponse {
    refuse("request-unreadable", "send a PKCS#10 request in PEM, signed with the device's key")
}

async fn enrol(office: web::Data<Office>, request: web::Json<EnrolRequest>) -> HttpResponse {
    // Before the token, which works once: a request that is none costs nothing.
    let Ok(asked) = KeyRequest::parse(&request.csr) else { return unreadable() };
    let now_s = clock::now_ms() / 1000;
    let hash = token_hash(&request.token);
    let taken = office.admin.write(|registry| Ok(registry.take_enrolment(hash, now_s)?));
    match taken {
        Ok(Some(device)) => office.issue(device, None, asked),
        Ok(None) => refuse("token-unknown", "tokens work once, for 15 minutes; ask an operator for another"),
        Err(error) => failed(&error),
    }
}

async fn renew(
    office: web::Data<Office>,
    connection: HttpRequest,
    request: web::Json<RenewRequest>,
) -> HttpResponse {
    let Some(Peer(certificate)) = connection.conn_data::<Peer>() else {
        return refuse("certificate-missing", "renew with the certificate that the device has");
    };
    let Ok(asked) = KeyRequest::parse(&request.csr) else { return unreadable() };
    let known = pki::device_of(certificate).and_then(|(device, serial)| {
        office.admin.fleet.check_serial(device, &serial).map(|_| (device, serial))
    });
    match known {
        Ok((device, serial)) => office.issue(device, Some(&serial), asked),
        Err(code) => refuse(code.name(), code.action()),
    }
}

impl Office {
    /// A certificate for the device; `with` is the serial of the one it renews with.
    fn issue(&self, device: DeviceId, with: Option<&str>, asked: KeyRequest) -> HttpResponse {
        let authority = self.identities.authority();
        let issued = match authority.sign(asked, device) {
            Ok(issued) => issued,
            Err(error) => return failed(&error),
        };
        let Issued { certificate, serial, not_after_s } = issued;
        let noted = self.admin.change_device(|registry| {
            match with {
                Some(with) => registry.renew_certificate(device, with, &serial, not_after_s)?,
                None => registry.set_certificate(device, &serial, not_after_s)?,
            }
            Ok(device)
        });
        match noted {
            Ok(_) => {
                tracing::info!(%device, "certificate issued");
                let ca = authority.certificate().to_owned();
                HttpResponse::Ok().json(Certificate { device: device.0, certificate, ca })
            }
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &anyhow::Error) -> HttpResponse {
    tracing::error!(%error, "an enrolment failed");
    HttpResponse::InternalServerError().json(Refusal { error: "internal", action: "try again later" })
}
