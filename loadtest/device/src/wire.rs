//! A device's connection: QUIC over mutual TLS 1.3, one long stream of frames, and short streams for one query each. The
//! device interprets the frames; hostile tests use this layer to send frames that no device would send.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{self, FrameReader};
use protocol::limits::IDLE_MS_MAX;
use protocol::message::{Answer, Request};
use protocol::{ErrorCode, RequestId};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fleet::{Fleet, FleetDevice};
use crate::socket;

/// The receive window of a device: verdicts are small.
const RECEIVE_WINDOW_BYTES: u32 = 1024 * 1024;
/// The assumed round trip before it is measured: a city network's, so that lost first packets are soon sent again.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// The code with which the gateway closes a connection whose device has ended its stream and has all its answers.
const SERVED: quinn::VarInt = quinn::VarInt::from_u32(0);
/// The limit of one read.
const READ_BYTES_MAX: usize = 256 * 1024;

/// The reason why a connection is of no use, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A certificate, key or authority file cannot be used.
    #[error("{path}: {text}")]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        text: String,
    },
    /// The gateway closed with a number of the error table.
    #[error("the gateway closed the connection: {}", name(*.0))]
    Closed(u16),
    /// TLS refused: a certificate, or the protocol's name.
    #[error("TLS refused: {0}")]
    Tls(String),
    /// The gateway is not there, or not any more.
    #[error("the connection is lost: {0}")]
    Lost(String),
    /// The bytes that arrived are no frame.
    #[error("the gateway sent no frame: {0}")]
    Frame(#[from] protocol::FrameError),
    /// A frame that this version knows has a body that does not decode.
    #[error("the gateway sent a body that does not decode: {0}")]
    Body(#[from] protocol::codec::CodecError),
}

impl WireError {
    /// Returns true if a later attempt can succeed.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Closed(code) => ErrorCode::from_number(*code).is_some_and(ErrorCode::retryable),
            Self::Lost(_) => true,
            Self::File { .. } | Self::Tls(_) | Self::Frame(_) | Self::Body(_) => false,
        }
    }
}

fn name(code: u16) -> String {
    ErrorCode::from_number(code).map_or_else(|| format!("error {code}"), |code| code.to_string())
}

impl From<quinn::ConnectionError> for WireError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        let text = error.to_string();
        match error {
            E::ApplicationClosed(close) => closed(close.error_code),
            E::ConnectionClosed(close) if is_tls(close.error_code) => Self::Tls(text),
            E::TransportError(error) if is_tls(error.code) => Self::Tls(text),
            E::ConnectionClosed(_)
            | E::TransportError(_)
            | E::VersionMismatch
            | E::Reset
            | E::TimedOut
            | E::LocallyClosed
            | E::CidsExhausted => Self::Lost(text),
        }
    }
}

/// Returns the error of a close or reset with a number of the error table, or with zero, which means no reason.
fn closed(code: quinn::VarInt) -> WireError {
    match u16::try_from(code.into_inner()) {
        Ok(0) => WireError::Lost("the gateway closed without a reason".to_owned()),
        Ok(code) => WireError::Closed(code),
        Err(_) => WireError::Closed(u16::MAX),
    }
}

/// Returns true if the code is a TLS alert, 0x100 + alert.
fn is_tls(code: quinn::TransportErrorCode) -> bool {
    u64::from(code) & !0xff == 0x100
}

impl From<quinn::WriteError> for WireError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(error) => error.into(),
            quinn::WriteError::Stopped(code) => closed(code),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => {
                Self::Lost(error.to_string())
            }
        }
    }
}

impl From<quinn::ReadError> for WireError {
    fn from(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::ConnectionLost(error) => error.into(),
            quinn::ReadError::Reset(code) => closed(code),
            quinn::ReadError::ClosedStream
            | quinn::ReadError::IllegalOrderedRead
            | quinn::ReadError::ZeroRttRejected => Self::Lost(error.to_string()),
        }
    }
}

/// Opens a client's socket, which any number of devices can share.
pub fn endpoint(peer: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let local: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let config = quinn::EndpointConfig::default();
    quinn::Endpoint::new(config, None, socket::udp(local)?, Arc::new(quinn::TokioRuntime))
}

/// A client's identity and its trusted authority, as PEM, and the protocol in QUIC.
pub struct Identity<'a> {
    /// The authority that signed the gateway's certificate.
    pub authority: &'a [u8],
    /// The device's certificate and key; `None` for a client that shows none.
    pub certificate: Option<(&'a [u8], &'a [u8])>,
    /// The protocol's name in QUIC.
    pub alpn: &'a [u8],
}

impl Identity<'_> {
    /// Makes the TLS 1.3 client configuration, without a protocol's name.
    pub fn tls(&self) -> Result<rustls::ClientConfig, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority) {
            roots.add(certificate.map_err(|e| text(&e))?).map_err(|e| text(&e))?;
        }
        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(|e| text(&e))?
                .with_root_certificates(roots);
        let mut tls = match self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>();
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| text(&e))?;
                builder.with_client_auth_cert(chain.map_err(|e| text(&e))?, key).map_err(|e| text(&e))?
            }
        };
        tls.resumption = rustls::client::Resumption::disabled();
        Ok(tls)
    }

    /// Makes the QUIC client configuration.
    pub fn config(&self) -> Result<quinn::ClientConfig, String> {
        let mut tls = self.tls()?;
        tls.alpn_protocols = vec![self.alpn.to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        Ok(config)
    }
}

/// Makes the QUIC client configuration of a device of the fleet.
pub fn client_config(fleet: &Fleet, device: &FleetDevice) -> Result<quinn::ClientConfig, WireError> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| WireError::File { path: path.clone(), text: error.to_string() })
    };
    let (authority, certificate, key) = (read(&fleet.ca)?, read(&device.certificate)?, read(&device.key)?);
    let identity =
        Identity { authority: &authority, certificate: Some((&certificate, &key)), alpn: frame::ALPN };
    identity.config().map_err(|text| WireError::File { path: device.certificate.clone(), text })
}

/// Lets QUIC keep connections with this configuration open: it sends a packet after each such time without one. For devices that their
/// caller does not step, because there are many of them.
pub fn keep_open(config: &mut quinn::ClientConfig, interval: Duration) {
    let mut transport = transport();
    transport.keep_alive_interval(Some(interval));
    config.transport_config(Arc::new(transport));
}

/// Makes the transport settings, which match the gateway's.
fn transport() -> quinn::TransportConfig {
    let idle = Duration::from_millis(IDLE_MS_MAX).try_into().expect("30 s fits QUIC's integer");
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0u32.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .stream_receive_window(RECEIVE_WINDOW_BYTES.into())
        .receive_window(RECEIVE_WINDOW_BYTES.into())
        .initial_rtt(INITIAL_RTT)
        .max_idle_timeout(Some(idle))
        .mtu_discovery_config(None)
        .enable_segmentation_offload(true);
    transport
}

/// A connection with its stream of frames.
pub struct Wire {
    connection: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    reader: FrameReader,
    unsent: Vec<u8>,
    written: usize,
    /// The number of packets from the peer at the last check.
    received: u64,
}

impl Wire {
    /// Connects and opens the stream; nothing is sent yet.
    pub async fn connect(
        endpoint: &quinn::Endpoint,
        config: quinn::ClientConfig,
        address: SocketAddr,
        server_name: &str,
    ) -> Result<Self, WireError> {
        let connecting = endpoint
            .connect_with(config, address, server_name)
            .map_err(|error| WireError::Lost(error.to_string()))?;
        let connection = connecting.await?;
        let (send, receive) = connection.open_bi().await?;
        let reader = FrameReader::default();
        Ok(Self { connection, send, receive, reader, unsent: Vec::new(), written: 0, received: 0 })
    }

    /// Adds a request to the unsent bytes, for the next [`Self::pump`]. A request over its limits is not added.
    pub fn push(&mut self, id: RequestId, request: &Request) -> Result<(), protocol::codec::CodecError> {
        self.make_room();
        frame::write_request(id, request, &mut self.unsent)
    }

    /// Adds unsent bytes as they are.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.make_room();
        self.unsent.extend_from_slice(bytes);
    }

    /// Returns the number of unsent bytes.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len() - self.written
    }

    /// Returns the next answer that has already arrived. Unknown types are skipped.
    pub(crate) fn next_answer(&mut self) -> Result<Option<(RequestId, Answer)>, WireError> {
        while let Some(frame) = self.reader.next_frame()? {
            if let Some(answer) = frame.answer() {
                return Ok(Some((frame.request, answer?)));
            }
        }
        Ok(None)
    }

    /// Writes and reads until either makes progress; returns true if bytes were read. May be
    /// dropped at any await.
    pub async fn pump(&mut self) -> Result<bool, WireError> {
        let read = self.exchange().await?;
        if let Some(chunk) = &read {
            self.reader.push(&chunk.bytes);
        }
        Ok(read.is_some())
    }

    /// Returns true if any packet has come from the peer since the last call, be it an acknowledgement only.
    pub(crate) fn has_received(&mut self) -> bool {
        let received = self.connection.stats().udp_rx.datagrams;
        std::mem::replace(&mut self.received, received) != received
    }

    /// Does what [`Self::pump`] does, but returns the bytes instead of looking for frames in them.
    pub async fn exchange(&mut self) -> Result<Option<quinn::Chunk>, WireError> {
        let Self { send, receive, unsent, written, connection, .. } = self;
        let waiting = *written < unsent.len();
        tokio::select! {
            read = receive.read_chunk(READ_BYTES_MAX, true) => match read? {
                Some(chunk) => Ok(Some(chunk)),
                None => Err(ended(connection)),
            },
            wrote = send.write(&unsent[*written..]), if waiting => {
                *written += wrote?;
                Ok(None)
            }
        }
    }

    /// Waits for the next answer.
    pub async fn answer(&mut self) -> Result<(RequestId, Answer), WireError> {
        loop {
            if let Some(answer) = self.next_answer()? {
                return Ok(answer);
            }
            self.pump().await?;
        }
    }

    /// Sends one request and waits for the next answer, to any request.
    pub async fn ask(&mut self, id: RequestId, request: &Request) -> Result<(RequestId, Answer), WireError> {
        self.push(id, request)?;
        self.answer().await
    }

    /// Sends what is unsent, ends the stream, and waits until the gateway has closed the connection without an error.
    pub(crate) async fn finish(mut self) -> Result<(), WireError> {
        while self.unsent_bytes() > 0 {
            self.pump().await?;
        }
        // It fails only if the gateway has closed already, which the reason below says.
        let _ = self.send.finish();
        let reason = self.connection.closed().await;
        if let quinn::ConnectionError::ApplicationClosed(close) = &reason
            && close.error_code == SERVED
        {
            return Ok(());
        }
        Err(reason.into())
    }

    /// Resolves when the connection is over, with the reason.
    pub async fn closed(&self) -> WireError {
        self.connection.closed().await.into()
    }

    /// Returns the QUIC connection.
    pub fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    fn make_room(&mut self) {
        if self.written > 0 {
            self.unsent.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Returns the error of a finished stream: with a reason if the connection closed with it.
fn ended(connection: &quinn::Connection) -> WireError {
    match connection.close_reason() {
        Some(reason) => reason.into(),
        None => WireError::Lost("the gateway ended the stream".to_owned()),
    }
}
