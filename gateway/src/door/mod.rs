//! The admission of TCP connections: each address and network has its share of a port, every request has a deadline from its first byte to
//! its answer, and a connection that is idle for too long, or has to make room, is closed. Each port brings the service behind it.

mod held;
#[cfg(test)]
mod tests;
mod watched;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::h1::H1Service;
use actix_http::{HttpService, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Extensions};
use actors::bounds::{Bound, Net, Rate, near};
use anyhow::Context;
use runtime::clock;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use held::Held;
pub(crate) use held::Shares;
pub(crate) use watched::Stream;
use watched::{Connection, Watched};

/// The time for a TLS handshake; a browser's takes two round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The time that requests under way have to end when the port closes.
const DRAIN: Duration = Duration::from_secs(2);
/// The time for the last answer of a connection.
const DISCONNECT: Duration = Duration::from_secs(1);
/// The pause when the process is out of file descriptors: to try again at once would only use a core.
const NO_FILES: Duration = Duration::from_millis(50);

/// One port.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// `None` for plain HTTP.
    pub(crate) tls: Option<rustls::ServerConfig>,
    pub(crate) shares: Shares,
    /// The bound of an address's arrivals; `None` for no bound.
    pub(crate) arrivals: Option<Bound>,
    /// The time from a request's first byte to the beginning of its answer; also between two parts of an answer that the client does not read.
    pub(crate) request: Duration,
    /// The time between two requests.
    pub(crate) idle: Duration,
    /// The trusted proxies, whose connections are many people's.
    pub(crate) proxies: Vec<IpAddr>,
    /// Records data of a new connection for its requests.
    pub(crate) on_connect: fn(&Stream, &mut Extensions),
}

/// Binds the address, before anything is started.
pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("binding TCP {address}; if a gateway runs there, choose another address or end it")
    })
}

/// Serves the port on this thread until `stop` is true; requests under way get two seconds to end.
pub(crate) async fn serve<I, S, B>(door: Door, app: I, mut stop: watch::Receiver<bool>) -> anyhow::Result<()>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let Door { listener, tls, shares, arrivals, request, idle, proxies, on_connect } = door;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let app = map_config(app, |()| AppConfig::default());
    let app = app.map_err(|error: S::Error| -> Response<BoxBody> { error.into().into() });
    let stopping = stop.clone();
    let service: H1Service<Stream, _, B, _, _> = HttpService::build()
        .client_request_timeout(request)
        .keep_alive(idle)
        .client_disconnect_timeout(DISCONNECT)
        .on_connect_ext(on_connect)
        .graceful_shutdown_signal(move || {
            let mut stopping = stopping.clone();
            // A dropped sender also stops the port.
            async move { drop(stopping.wait_for(|&stop| stop).await) }
        })
        .h1(app);
    let service =
        service.new_service(()).await.map_err(|()| anyhow::anyhow!("the pages' service does not start"))?;
    let (service, acceptor) = (Rc::new(service), tls.map(|tls| TlsAcceptor::from(Arc::new(tls))));
    let entrance = Rc::new(Entrance { held: RefCell::new(Held::new(shares)), request, idle });
    let mut arrivals = Arrivals { rate: arrivals.as_ref().map(Rate::new), proxies };
    let mut under_way = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => break,
            Some(_) = under_way.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_FILES).await;
                continue;
            }
        };
        let Some(is_proxy) = arrivals.take(peer.ip()) else { continue };
        let Some(guest) = Entrance::begin(&entrance, peer, is_proxy) else { continue };
        let (service, acceptor) = (Rc::clone(&service), acceptor.clone());
        under_way.spawn_local(async move {
            let served = async {
                let Some(stream) = guest.open(stream, acceptor.as_ref()).await else { return };
                if let Err(error) = service.call((stream, Some(peer))).await {
                    tracing::debug!(%error, "a connection ended");
                }
            };
            tokio::select! {
                () = served => {}
                () = guest.over() => {}
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN, async { while under_way.join_next().await.is_some() {} }).await;
    Ok(())
}

/// The rate of new connections for each address.
struct Arrivals {
    rate: Option<Rate<Net>>,
    proxies: Vec<IpAddr>,
}

impl Arrivals {
    /// Returns true for a trusted proxy; `None` for a peer that comes too often.
    fn take(&mut self, peer: IpAddr) -> Option<bool> {
        if self.proxies.contains(&peer.to_canonical()) {
            return Some(true);
        }
        let taken = self.rate.as_mut().is_none_or(|rate| rate.take_at(&near(peer), clock::now_ms()).is_ok());
        taken.then_some(false)
    }
}

/// The connections of a port and their deadlines.
struct Entrance {
    held: RefCell<Held>,
    request: Duration,
    idle: Duration,
}

impl Entrance {
    fn begin(entrance: &Rc<Self>, peer: SocketAddr, is_proxy: bool) -> Option<Guest> {
        let (number, connection) = entrance.held.borrow_mut().begin(peer.ip(), is_proxy, clock::now())?;
        Some(Guest { entrance: Rc::clone(entrance), number, connection })
    }
}

/// One connection while it lasts.
struct Guest {
    entrance: Rc<Entrance>,
    number: u64,
    connection: Rc<Connection>,
}

impl Guest {
    /// Returns the stream of requests, after the TLS handshake if there is one; `None` if that fails or takes too long.
    async fn open(&self, stream: TcpStream, acceptor: Option<&TlsAcceptor>) -> Option<Stream> {
        // A page in two parts does not wait for the first one's acknowledgement. Without the option it is only slower.
        let _ = stream.set_nodelay(true);
        let watched = Watched { stream, connection: Rc::clone(&self.connection) };
        let Some(acceptor) = acceptor else { return Some(Stream::Plain(watched)) };
        let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(watched)).await;
        shaken.ok()?.ok().map(|stream| Stream::Tls(Box::new(stream)))
    }

    /// Resolves when the connection has to go.
    async fn over(&self) {
        let late = async {
            let Entrance { request, idle, .. } = *self.entrance;
            loop {
                let due = self.connection.watch.due(request, idle);
                if due <= clock::now() {
                    return;
                }
                tokio::time::sleep_until(due.into()).await;
            }
        };
        tokio::select! {
            () = self.connection.cut.notified() => {}
            () = late => {}
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.entrance.held.borrow_mut().ended(self.number);
    }
}
