//! Mutual TLS 1.3 over TCP with the city's own files: every peer is reached as the gateway is, with the same authority, a device's
//! certificate and the same cipher.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use device::fleet::Fleet;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The certificates of both sides.
pub(super) struct Tls {
    /// The authority's certificate, PEM.
    pub(super) authority: PathBuf,
    /// The server's certificate, PEM.
    pub(super) certificate: PathBuf,
    /// The server's key, PEM.
    pub(super) key: PathBuf,
    /// The name in the server's certificate.
    pub(super) server_name: String,
    config: rustls::ClientConfig,
}

impl Tls {
    /// Takes the city's: its server certificate for the peers, a device's for their clients.
    pub(super) fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let device = fleet.devices.first().context("the city has no device")?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&read(&fleet.ca)?) {
            roots.add(certificate?)?;
        }
        let chain = CertificateDer::pem_slice_iter(&read(&device.certificate)?).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&read(&device.key)?)?;
        let mut suites = rustls::crypto::ring::default_provider();
        suites
            .cipher_suites
            .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(suites))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Self {
            authority: fleet.ca.clone(),
            certificate: fleet.server_certificate.clone(),
            key: fleet.server_key.clone(),
            server_name: fleet.server_name.clone(),
            config,
        })
    }

    /// Returns the client configuration, for clients that connect by themselves.
    pub(super) fn config(&self) -> rustls::ClientConfig {
        self.config.clone()
    }

    /// Makes a dialler, for clients that take a stream.
    pub(super) fn dialler(&self, port: u16) -> anyhow::Result<Dialler> {
        Ok(Dialler {
            connector: TlsConnector::from(Arc::new(self.config.clone())),
            name: ServerName::try_from(self.server_name.clone())?,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        })
    }
}

/// A maker of streams to one server.
#[derive(Clone)]
pub(super) struct Dialler {
    connector: TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
}

impl Dialler {
    /// Connects. A `prelude` is sent in the clear, and its one byte of positive answer awaited, before TLS begins.
    pub(super) async fn dial(&self, prelude: Option<(&[u8], u8)>) -> anyhow::Result<TlsStream<TcpStream>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if let Some((ask, consent)) = prelude {
            stream.write_all(ask).await?;
            anyhow::ensure!(stream.read_u8().await? == consent, "the server does not speak TLS");
        }
        Ok(self.connector.connect(self.name.clone(), stream).await?)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
