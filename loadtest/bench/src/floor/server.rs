//! The server of the floor: a QUIC server with the city's certificates and the gateway's transport settings that
//! sends every byte back. It reads no frames, so its cost is the cost of QUIC and the kernel.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use device::fleet::Fleet;
use device::socket;
use protocol::{frame, limits};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

/// The send window, as the gateway's own: the memory for a peer that does not read.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// The limit of one read.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Opens a server endpoint on a free loopback port; `window_bytes` is the receive window of a connection.
pub fn endpoint(fleet: &Fleet, window_bytes: u32) -> anyhow::Result<quinn::Endpoint> {
    let crypto = QuicServerConfig::try_from(tls(fleet)?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport(window_bytes)));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = socket::udp(address).context("opening a UDP socket for the floor")?;
    let endpoint = quinn::EndpointConfig::default();
    Ok(quinn::Endpoint::new(endpoint, Some(config), socket, Arc::new(quinn::TokioRuntime))?)
}

/// Sends all bytes back until the endpoint closes.
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

async fn echo_stream(mut send: quinn::SendStream, mut receive: quinn::RecvStream) {
    while let Ok(Some(chunk)) = receive.read_chunk(READ_BYTES_MAX, true).await {
        if send.write_chunk(chunk.bytes).await.is_err() {
            return;
        }
    }
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
        .max_idle_timeout(Some(idle))
        .mtu_discovery_config(None)
        .enable_segmentation_offload(true);
    transport
}
