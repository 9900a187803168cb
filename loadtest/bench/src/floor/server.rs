//! The server of the floor: a QUIC server with the city's certificates, and the gateway's socket and transport settings, that answers each
//! request with as many bytes as the gateway's answer has. It only finds where requests end, so its cost is the cost of QUIC and the kernel.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use device::fleet::Fleet;
use protocol::frame::{self, HEADER_BYTES, TRAILER_BYTES};
use protocol::limits::{self, FRAME_BODY_BYTES_MAX};
use quinn::crypto::rustls::QuicServerConfig;
use rustix::net::sockopt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

/// The send window, as the gateway's own: the memory for a peer that does not read.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// Handshake bytes held out of order, and the size of the socket's buffers in the kernel, as the gateway's own.
const CRYPTO_BUFFER_BYTES: usize = 16 * 1024;
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// The content of answers: encryption takes the same time for all.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
/// The limit of one read.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Opens a server endpoint on a free loopback port; `window_bytes` is the receive window of a connection.
pub fn endpoint(fleet: &Fleet, window_bytes: u32) -> anyhow::Result<quinn::Endpoint> {
    let crypto = QuicServerConfig::try_from(tls(fleet)?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport(window_bytes)));
    let endpoint = quinn::EndpointConfig::default();
    Ok(quinn::Endpoint::new(endpoint, Some(config), socket()?, Arc::new(quinn::TokioRuntime))?)
}

/// Answers the requests of all streams until the endpoint closes.
pub async fn echo(endpoint: quinn::Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                while let Ok((send, receive)) = connection.accept_bi().await {
                    tokio::spawn(echo_stream(send, receive));
                }
            }
        });
    }
}

/// Writes the answers of all requests that have arrived, at once, as the gateway does.
async fn echo_stream(mut send: quinn::SendStream, mut receive: quinn::RecvStream) {
    let mut requests = Requests::default();
    while let Ok(Some(chunk)) = receive.read_chunk(READ_BYTES_MAX, true).await {
        let mut due = requests.take(&chunk.bytes);
        while due > 0 {
            let length = due.min(ZEROS.len());
            if send.write_chunk(Bytes::from_static(&ZEROS[..length])).await.is_err() {
                return;
            }
            due -= length;
        }
    }
}

/// Finds the ends of the requests in a stream by their headers. Nothing else is read of them.
#[derive(Default)]
struct Requests {
    header: [u8; HEADER_BYTES],
    /// The bytes of the present request's header that have arrived.
    have: usize,
    /// The bytes of it that are left after the header.
    left: usize,
}

impl Requests {
    /// Takes bytes of the stream; returns the bytes of the answers to all requests that end in them. A request's id is the length of its answer.
    fn take(&mut self, mut bytes: &[u8]) -> usize {
        let number =
            |header: &[u8]| u32::from_le_bytes(header.try_into().expect("four bytes of the header")) as usize;
        let mut due = 0;
        while !bytes.is_empty() {
            if self.have < HEADER_BYTES {
                let taken = bytes.len().min(HEADER_BYTES - self.have);
                self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                (self.have, bytes) = (self.have + taken, &bytes[taken..]);
                self.left = number(&self.header[6..]) + TRAILER_BYTES;
                continue;
            }
            let taken = bytes.len().min(self.left);
            (self.left, bytes) = (self.left - taken, &bytes[taken..]);
            if self.left == 0 {
                due += number(&self.header[2..6]).min(FRAME_BODY_BYTES_MAX);
                self.have = 0;
            }
        }
        due
    }
}

/// Binds the socket with the gateway's buffers: as much of them as the kernel's limit allows, also where this program could force more.
fn socket() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a UDP socket for the floor")?;
    socket.set_nonblocking(true)?;
    let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}

fn tls(fleet: &Fleet) -> anyhow::Result<rustls::ServerConfig> {
    let read = |path| fs::read(path).with_context(|| format!("reading {}", std::path::Path::display(path)));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read(&fleet.ca)?) {
        roots.add(certificate?)?;
    }
    let mut suites = rustls::crypto::ring::default_provider();
    suites.cipher_suites.sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let suites = Arc::new(suites);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&suites)).build()?;
    let chain =
        CertificateDer::pem_slice_iter(&read(&fleet.server_certificate)?).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&read(&fleet.server_key)?)?;
    let mut config = rustls::ServerConfig::builder_with_provider(suites)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![frame::ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    Ok(config)
}

fn transport(window_bytes: u32) -> quinn::TransportConfig {
    let idle = Duration::from_millis(limits::IDLE_MS_MAX).try_into().expect("30 s fits QUIC's integer");
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits::BIDI_STREAMS_MAX.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .stream_receive_window(limits::STREAM_WINDOW_BYTES.into())
        .receive_window(window_bytes.into())
        .send_window(SEND_WINDOW_BYTES)
        .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
        .max_idle_timeout(Some(idle))
        .mtu_discovery_config(None)
        .enable_segmentation_offload(true);
    transport
}

#[cfg(test)]
mod tests {
    use protocol::RequestId;
    use protocol::frame::write_request;
    use protocol::message::{Ping, Request};

    use super::*;

    #[test]
    fn each_request_is_owed_an_answer_of_the_length_that_is_its_id_however_the_bytes_arrive() {
        let mut bytes = Vec::new();
        for length in [40, 1_000, 3] {
            let ping = Request::Ping(Ping { device_time_ms: u64::MAX });
            write_request(RequestId(length), &ping, &mut bytes).unwrap();
        }
        for piece in [1, 7, HEADER_BYTES, HEADER_BYTES + 1, bytes.len() - 1, bytes.len()] {
            let mut requests = Requests::default();
            let owed: usize = bytes.chunks(piece).map(|bytes| requests.take(bytes)).sum();
            assert_eq!(owed, 1_043, "in pieces of {piece}");
        }
        let mut requests = Requests::default();
        assert_eq!(requests.take(&bytes[..bytes.len() - 1]), 1_040, "the last one is not whole");
    }
}
