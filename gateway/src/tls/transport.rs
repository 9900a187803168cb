//! The settings of the endpoint: TLS, transport limits, and the keys that outlive a restart. Sockets and connections are elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use protocol::{frame, limits};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::connection_ids::{FrontIds, FrontNumber};
use super::derive;
use crate::host::wall_clock;

/// The bytes that a peer that does not read can make the gateway hold.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// Handshake bytes held out of order: a device's chain is two small certificates.
const CRYPTO_BUFFER_BYTES: usize = 16 * 1024;
/// One reset each of these: after a restart ten thousand devices have to learn within seconds that their connections are gone,
/// and a reset is smaller than the packet that asks for it. QUIC's usual 20 ms would take them minutes.
const RESET_INTERVAL: Duration = Duration::from_micros(50);
/// Datagrams held for one connection that is not admitted yet, and for all of them.
const INCOMING_BYTES_MAX: u64 = 16 * 1024;
const INCOMING_BYTES_TOTAL_MAX: u64 = 8 * 1024 * 1024;

/// PEM of the authority that signs devices, and of the gateway's own certificate and key.
pub(crate) struct TlsFiles<'a> {
    pub(crate) authority: &'a [u8],
    pub(crate) certificate: &'a [u8],
    pub(crate) key: &'a [u8],
}

/// Mutual TLS 1.3 without resumption: a resumed session would skip the certificate's checks.
pub(crate) fn tls(files: &TlsFiles<'_>) -> anyhow::Result<rustls::ServerConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(files.authority) {
        roots.add(certificate.context("reading the authority's certificate")?)?;
    }
    let mut suites = provider::default_provider();
    suites.cipher_suites.sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let suites = Arc::new(suites);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&suites))
        .build()
        .context("the authority's file holds no usable certificate")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(files.certificate)
        .collect::<Result<_, _>>()
        .context("reading the server certificate")?;
    let key = PrivateKeyDer::from_pem_slice(files.key).context("reading the server key")?;
    let mut config = rustls::ServerConfig::builder_with_provider(suites)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .context("the server key does not belong to the server certificate")?;
    config.alpn_protocols = vec![frame::ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.ignore_client_order = true;
    config.time_provider = wall_clock::certificate_time();
    Ok(config)
}

/// The endpoint's server side; `secret` is `quic.key`.
pub(crate) fn server_config(
    tls: rustls::ServerConfig,
    secret: &[u8; 64],
) -> anyhow::Result<quinn::ServerConfig> {
    let crypto =
        QuicServerConfig::try_from(tls).context("TLS has no cipher suite for QUIC's first packets")?;
    let mut config = quinn::ServerConfig::new(Arc::new(crypto), Arc::new(derive::token_key(secret)));
    config.transport_config(Arc::new(transport()));
    config.incoming_buffer_size(INCOMING_BYTES_MAX).incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    Ok(config)
}

/// The endpoint of a front itself: with the same secret a restarted gateway recognises connection ids from before and tells their
/// devices at once that they are gone. The keys are those of all fronts.
pub(crate) fn endpoint_config(secret: &[u8; 64], number: FrontNumber) -> quinn::EndpointConfig {
    let mut config = quinn::EndpointConfig::new(Arc::new(derive::reset_key(secret)));
    config.min_reset_interval(RESET_INTERVAL);
    let connection_id_key = derive::connection_id_key(secret);
    config.cid_generator(move || Box::new(FrontIds::new(connection_id_key, number)));
    config
}

fn transport() -> quinn::TransportConfig {
    let idle = Duration::from_millis(limits::IDLE_MS_MAX).try_into().expect("30 s fits QUIC's integer");
    let mut transport = quinn::TransportConfig::default();
    transport
        // More streams do not hold more: the connection's window binds them all.
        .max_concurrent_bidi_streams(limits::BIDI_STREAMS_MAX.into())
        .max_concurrent_uni_streams(0u32.into())
        .datagram_receive_buffer_size(None)
        .stream_receive_window(limits::STREAM_WINDOW_BYTES.into())
        .receive_window(limits::RECEIVE_WINDOW_BYTES_NEW.into())
        .send_window(SEND_WINDOW_BYTES)
        .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
        .max_idle_timeout(Some(idle))
        .mtu_discovery_config(None)
        .enable_segmentation_offload(true);
    transport
}
