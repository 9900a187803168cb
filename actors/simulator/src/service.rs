//! Ports and servers of the simulated carriers: opened, closed while a carrier is down, opened again, stopped. Requests are
//! answered in `server` and `control`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use runtime::arbiter::{self, ArbiterThread};
use runtime::rebinding;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, watch};

use super::carrier::Carrier;
use super::control::{self, Panel, Switch};
use super::fault::{CarrierFault, FaultKind};
use super::server::{self, Certificates};
use super::{SimulatorError, TlsIdentity};

/// The longest time for a request to arrive; a gateway is faster.
const REQUEST: Duration = Duration::from_secs(5);
/// The most connections of a carrier: more than a gateway's permits and a load test's retries.
const CONNECTIONS_MAX: usize = 4096;
const CONTROL_CONNECTIONS_MAX: usize = 64;

/// A port that stays reserved while no server listens on it, so that it can refuse connections and listen again.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    listener: Option<TcpListener>,
    _held: TcpSocket,
}

impl Port {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, SimulatorError> {
        if !address.ip().is_loopback() {
            return Err(SimulatorError::NotLoopback { address });
        }
        let bind = || {
            let held = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            held.set_reuseaddr(true)?;
            held.bind(address)?;
            let address = held.local_addr()?;
            let listener = Some(TcpListener::bind(address)?);
            Ok(Self { address, listener, _held: held })
        };
        bind().map_err(|source| SimulatorError::Bind { address, source })
    }

    fn listener(&mut self) -> std::io::Result<TcpListener> {
        self.listener.take().map_or_else(|| TcpListener::bind(self.address), Ok)
    }
}

pub(super) fn certified(identity: &TlsIdentity) -> Result<Arc<CertifiedKey>, SimulatorError> {
    let wrong = |text: String| SimulatorError::Certificate { text };
    let chain =
        CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key =
        PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let chain = chain.map_err(|error| wrong(error.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(|error| wrong(error.to_string()))
}

/// A carrier with its port, its certificates and its queue of orders.
pub(super) struct CarrierService {
    pub(super) carrier: Arc<Carrier>,
    pub(super) port: Port,
    /// The carrier's own certificate, and another host's.
    pub(super) tls: [Arc<CertifiedKey>; 2],
    pub(super) orders: mpsc::Receiver<Switch>,
}

/// A server with the task that drives it.
struct Running {
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn drive(server: Server) -> Self {
        Self { handle: server.handle(), task: actix_web::rt::spawn(server) }
    }

    /// Stops the server and closes every connection.
    async fn stop(self) {
        self.handle.stop(false).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::error!(%error, "a simulated carrier's server failed");
        }
    }
}

impl CarrierService {
    fn open(&mut self) -> std::io::Result<Running> {
        let listener = self.port.listener()?;
        let [own, other] = self.tls.clone();
        let certificates = Certificates { own, other, carrier: Arc::clone(&self.carrier) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(std::io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        // A resumed session would skip the certificate.
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        let carrier = Arc::clone(&self.carrier);
        let app = move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&carrier)))
                .app_data(web::PayloadConfig::new(server::QUERY_BYTES_MAX))
                .configure(server::routes)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .max_connections(CONNECTIONS_MAX)
            .client_request_timeout(REQUEST)
            .disable_signals()
            .listen_rustls_0_23(listener, tls)?;
        Ok(Running::drive(server.run()))
    }

    /// Serves requests and carries out orders, until stopped.
    async fn serve(mut self, running: Running, mut stopped: watch::Receiver<bool>) {
        let mut running = Some(running);
        loop {
            let switch = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                Some(switch) = self.orders.recv() => switch,
                else => break,
            };
            let done = self.switch(&mut running, switch.fault).await;
            // The sender of the order may have gone.
            let _ = switch.done.send(done);
        }
        if let Some(running) = running {
            running.stop().await;
        }
    }

    /// Sets the fault. A fault of connections also closes open ones.
    async fn switch(&mut self, running: &mut Option<Running>, fault: CarrierFault) -> std::io::Result<()> {
        let before = self.carrier.fault();
        if (before.kind.is_of_connections() || fault.kind.is_of_connections())
            && let Some(running) = running.take()
        {
            running.stop().await;
        }
        self.carrier.set_fault(fault);
        let is_refusing = fault.kind == FaultKind::Down && fault.share >= 1.0;
        if running.is_none() && !is_refusing {
            *running = Some(self.open()?);
        }
        Ok(())
    }
}

fn open_control(mut port: Port, panel: Panel) -> std::io::Result<(Running, Port)> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(panel.clone()))
            .app_data(web::PayloadConfig::new(control::ORDER_BYTES_MAX))
            .wrap(from_fn(rebinding::guard))
            .configure(control::routes)
    };
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(CONTROL_CONNECTIONS_MAX)
        .client_request_timeout(REQUEST)
        .disable_signals()
        .listen(port.listener()?)?;
    Ok((Running::drive(server.run()), port))
}

/// Runs everything on its own thread, beside the servers' workers.
pub(super) fn run(
    services: Vec<CarrierService>,
    control: Port,
    panel: Panel,
    mut stopped: watch::Receiver<bool>,
) -> Result<ArbiterThread, SimulatorError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let front = arbiter::spawn("simulators", move || async move {
        let open = || -> std::io::Result<_> {
            let mut open = Vec::new();
            for mut service in services {
                open.push((service.open()?, service));
            }
            Ok((open, open_control(control, panel)?))
        };
        let (open, (control, _port)) = match open() {
            Ok(open) => open,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        let serving: Vec<_> = open
            .into_iter()
            .map(|(running, service)| actix_web::rt::spawn(service.serve(running, stopped.clone())))
            .collect();
        if sender.send(Ok(())).is_ok() {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
        control.stop().await;
        for service in serving {
            let _ = service.await;
        }
    });
    let front = front.map_err(|source| SimulatorError::Start { source })?;
    let opened = receiver.recv().unwrap_or_else(|_| Err(std::io::Error::other("the thread ended at once")));
    opened.map_err(|source| SimulatorError::Start { source })?;
    Ok(front)
}
