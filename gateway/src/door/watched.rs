//! A connection, its stream, and the time of the last byte in or out. From the first byte of a request until its answer begins a
//! connection is at work, else idle; the limits of both are the port's.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actors::bounds::Net;
use runtime::clock;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// The activity of a connection, with its beginning.
pub(super) struct Watch {
    at_work: Cell<bool>,
    since: Cell<Instant>,
}

impl Watch {
    pub(super) const fn new(now: Instant) -> Self {
        Self { at_work: Cell::new(false), since: Cell::new(now) }
    }

    /// Notes received bytes. The first byte's time counts, so that single bytes buy no time.
    pub(super) fn came(&self, now: Instant) {
        if !self.at_work.replace(true) {
            self.since.set(now);
        }
    }

    /// Notes sent bytes.
    pub(super) fn went(&self, now: Instant) {
        self.at_work.set(false);
        self.since.set(now);
    }

    /// Returns the beginning of the idle time; `None` while it is at work.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (!self.at_work.get()).then(|| self.since.get())
    }

    /// Returns the time at which it will have been at work, or idle, for too long.
    pub(super) fn due(&self, request: Duration, idle: Duration) -> Instant {
        self.since.get() + if self.at_work.get() { request } else { idle }
    }
}

/// One connection.
pub(super) struct Connection {
    /// The address and network whose shares it counts towards; `None` for a trusted proxy.
    pub(super) whose: Option<(Net, Net)>,
    pub(super) watch: Watch,
    /// Notified when the connection has to end.
    pub(super) cut: Notify,
}

impl Connection {
    pub(super) fn new(whose: Option<(Net, Net)>, now: Instant) -> Self {
        Self { whose, watch: Watch::new(now), cut: Notify::new() }
    }
}

/// A TCP stream that is watched.
pub(crate) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) connection: Rc<Connection>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.watch.came(clock::now());
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.connection.watch.went(clock::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The source of requests.
pub(crate) enum Stream {
    Plain(Watched),
    Tls(Box<TlsStream<Watched>>),
}

impl Stream {
    /// Returns the client's verified certificates; `None` without TLS or certificates.
    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.get_ref().1.peer_certificates(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
