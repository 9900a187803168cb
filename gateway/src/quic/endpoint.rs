//! One front's socket with its endpoint: admits connections, identifies their devices, and gives each to its session.

use std::net::UdpSocket;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::bounds;
use protocol::{DeviceId, ErrorCode, limits};
use runtime::clock;
use rustls::pki_types::CertificateDer;

use super::admission::{Admission, HANDSHAKES_MAX, Handshakes, Permit};
use super::end::End;
use super::front::{Counted, Front, Shared};
use super::metrics::Handshake;
use super::session;
use crate::fleet::Entry;
use crate::tls::pki;

/// The reason that goes with close code 0, which is no error: the device has ended its stream and has all its answers.
const SERVED: &[u8] = b"served";
/// The time that sessions may take to end after a drain has begun.
const DRAIN: Duration = Duration::from_secs(10);

/// Opens the socket's endpoint on the current runtime.
pub(crate) fn open(
    socket: UdpSocket,
    (endpoint_config, server_config): (quinn::EndpointConfig, quinn::ServerConfig),
) -> anyhow::Result<quinn::Endpoint> {
    let runtime = Arc::new(quinn::TokioRuntime);
    Ok(quinn::Endpoint::new(endpoint_config, Some(server_config), socket, runtime)?)
}

/// Serves the endpoint until it is drained; by then every acknowledgement that was due is sent.
pub(crate) async fn serve(endpoint: quinn::Endpoint, front: Front) {
    let mut drain = front.drain.clone();
    let server = Rc::new(Server {
        shared: Shared::new(front),
        handshakes: Handshakes::new(HANDSHAKES_MAX, bounds::HANDSHAKES_NETWORK.entries()),
    });
    loop {
        tokio::select! {
            biased;
            _ = drain.wait_for(|&drain| drain) => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => server.admit(incoming),
                None => return,
            },
        }
    }
    endpoint.set_server_config(None);
    if tokio::time::timeout(DRAIN, endpoint.wait_idle()).await.is_err() {
        tracing::warn!("some devices did not close in time; their connections are cut");
    }
    endpoint.close(ErrorCode::Draining.number().into(), ErrorCode::Draining.name().as_bytes());
    let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
}

struct Server {
    shared: Rc<Shared>,
    handshakes: Handshakes,
}

impl Server {
    fn admit(self: &Rc<Self>, incoming: quinn::Incoming) {
        let metrics = &self.shared.metrics;
        match self.handshakes.admit(incoming.remote_address().ip(), incoming.remote_address_validated()) {
            Admission::Accept(permit) => {
                let server = Rc::clone(self);
                actix_rt::spawn(async move { server.connect(incoming, permit).await });
            }
            Admission::Retry => {
                metrics.handshake(Handshake::Retried);
                if let Err(error) = incoming.retry() {
                    error.into_incoming().ignore();
                }
            }
            Admission::Ignore => {
                metrics.handshake(Handshake::Ignored);
                incoming.ignore();
            }
        }
    }

    async fn connect(self: Rc<Self>, incoming: quinn::Incoming, permit: Permit) {
        let metrics = &self.shared.metrics;
        let (begun, under_way) = (clock::now(), metrics.handshake_begins());
        let deadline = Duration::from_millis(limits::HANDSHAKE_MS_MAX);
        let handshake = async { incoming.accept()?.await };
        let connection = match tokio::time::timeout(deadline, handshake).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                metrics.handshake(Handshake::Failed);
                tracing::debug!(%error, "handshake failed");
                return;
            }
            Err(_) => return metrics.handshake(Handshake::TooSlow),
        };
        drop((permit, under_way));
        metrics.handshake(Handshake::Accepted);
        metrics.handshake_took(clock::since(begun));
        let open = Open::new(&self);
        let end = match self.enter(&connection, &open) {
            Ok((device, entry)) => session::run(&self.shared, &connection, device, entry).await,
            Err(code) => End::Refused(code),
        };
        match end {
            End::Gone => {}
            End::Served => connection.close(0u8.into(), SERVED),
            End::Refused(code) => {
                metrics.closed(code);
                connection.close(code.number().into(), code.name().as_bytes());
            }
        }
    }

    /// Identifies the device by its verified certificate and enters it in the fleet.
    fn enter(&self, connection: &quinn::Connection, open: &Open) -> Result<(DeviceId, Entry), ErrorCode> {
        if !open.counted.is_within {
            return Err(ErrorCode::TooManyConnections);
        }
        let chain = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .ok_or(ErrorCode::CertificateWrong)?;
        let own = chain.first().ok_or(ErrorCode::CertificateWrong)?;
        let (device, serial) = pki::device_of(own)?;
        let good_for = Duration::from_secs(pki::ends_s(own).saturating_sub(clock::now_s()));
        let entry = self.shared.front.fleet.enter(device, &serial, (*chain, good_for))?;
        Ok((device, entry))
    }
}

/// A guard that counts a connection while it is open.
struct Open {
    server: Rc<Server>,
    counted: Counted,
}

impl Open {
    fn new(server: &Rc<Server>) -> Self {
        server.shared.metrics.connections.increment(1.0);
        Self { server: Rc::clone(server), counted: server.shared.front.together.open() }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.shared.metrics.connections.decrement(1.0);
    }
}
