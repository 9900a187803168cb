//! The certificates that a running gateway shows, and whose devices it believes: read whole from their files, compared with those in
//! use, and put in their place for later handshakes. Of connections that stand only those of
//! another authority are touched. When to read them is decided elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use keys::{Keys, read_secret};
use runtime::clock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use zeroize::Zeroizing;

use crate::config::{Pages, Settings};
use crate::fleet::Fleet;
use crate::tls::certificates::{self, InUse};
use crate::tls::pki::{self, Authority};
use crate::tls::transport::{self, TlsFiles};

/// A certificate with its key as they are in their files.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    certificate: Vec<u8>,
    key: Zeroizing<String>,
}

impl Pair {
    /// Reads both, and that they belong together.
    pub(crate) fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let secret = read_secret(key)?;
        let pem = read(certificate)?;
        pki::check_pair(pki::chain_in(&pem, certificate)?, certificate, &secret, key)?;
        Ok(Self { certificate: pem, key: secret })
    }

    /// Reads the pages' certificate and key. `None` for plain HTTP, which only this machine may ask for.
    pub(crate) fn of_pages(pages: &Pages) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&pages.certificate, &pages.key) else {
            if pages.listen.ip().is_loopback() && pages.certificate.is_none() && pages.key.is_none() {
                return Ok(None);
            }
            bail!("pages need a certificate and a key; plain HTTP is for this machine alone");
        };
        Self::read(certificate, key).map(Some)
    }

    fn certified(&self) -> anyhow::Result<Arc<CertifiedKey>> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = rustls::crypto::ring::default_provider();
        Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
    }
}

/// The content of the files.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) server: Pair,
    pub(crate) authority: Pair,
    pub(crate) pages: Option<Pair>,
}

/// All of it opened, none of it in use.
pub(crate) struct Opened {
    pub(crate) files: Files,
    pub(crate) quic: quinn::ServerConfig,
    server: Arc<CertifiedKey>,
    pages: Option<Arc<CertifiedKey>>,
    verifier: Arc<dyn ClientCertVerifier>,
    authority: Arc<Authority>,
}

impl Opened {
    /// Reads the gateway's own certificate, the device authority and the pages' certificate, each with its key.
    pub(crate) fn read(settings: &Settings, keys: &Keys) -> anyhow::Result<Self> {
        let server = Pair::read(&settings.certificate, &settings.key)?;
        let directory = &settings.authority;
        let (ca, ca_key) = (directory.join("ca.pem"), directory.join("ca.key"));
        let authority = Pair::read(&ca, &ca_key)?;
        // Of the same bytes: a file may be replaced between two readings.
        let signs = Authority::of(&authority.certificate, &authority.key, (&ca, &ca_key))?;
        let pages = settings.pages.as_ref().map(Pair::of_pages).transpose()?.flatten();
        let tls = TlsFiles {
            authority: &authority.certificate,
            certificate: &server.certificate,
            key: server.key.as_bytes(),
        };
        let quic = transport::server_config(transport::tls(&tls)?, keys.quic())?;
        Ok(Self {
            quic,
            server: server.certified()?,
            pages: pages.as_ref().map(Pair::certified).transpose()?,
            verifier: verifier(&authority.certificate)?,
            authority: Arc::new(signs),
            files: Files { server, authority, pages },
        })
    }

    /// Reports whether the authority has signed that certificate. Its validity period is not checked: a clock that is wrong for a moment
    /// closes no connection.
    pub(crate) fn believes(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((own, between)) = chain.split_first() else { return false };
        let is_time = |error: &CertificateError| {
            matches!(
                error,
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            )
        };
        let now = Duration::from_millis(clock::now_ms());
        match self.verifier.verify_client_cert(own, between, UnixTime::since_unix_epoch(now)) {
            Ok(_) => true,
            Err(rustls::Error::InvalidCertificate(error)) => is_time(&error),
            Err(_) => false,
        }
    }

    /// Tells when they end, once they are in use.
    pub(crate) fn tell(&self) {
        certificates::tell(InUse::Authority, &self.files.authority.certificate);
        certificates::tell(InUse::Server, &self.files.server.certificate);
        if let Some(pages) = &self.files.pages {
            certificates::tell(InUse::Pages, &pages.certificate);
        }
    }
}

/// The certificates that handshakes over TCP go by. Written at a reload alone; the QUIC endpoint has a configuration of its own.
pub(crate) struct InForce {
    /// The gateway's own, on the enrolment port.
    pub(crate) server: Arc<Shown>,
    /// Whose devices may renew there.
    pub(crate) believed: Arc<Believed>,
    /// The one who signs their certificates.
    authority: ArcSwap<Authority>,
    /// Whose connections rest on it.
    fleet: Fleet,
    /// The pages', if they have one.
    pub(crate) pages: Option<Arc<Shown>>,
}

impl InForce {
    pub(crate) fn new(opened: &Opened, fleet: Fleet) -> Self {
        let shown = |key: &Arc<CertifiedKey>| Arc::new(Shown(ArcSwap::new(Arc::clone(key))));
        Self {
            server: shown(&opened.server),
            believed: Arc::new(Believed(ArcSwap::from_pointee(Arc::clone(&opened.verifier)))),
            authority: ArcSwap::new(Arc::clone(&opened.authority)),
            fleet,
            pages: opened.pages.as_ref().map(shown),
        }
    }

    /// From the next handshake on these. Devices that another authority has signed are cut off.
    pub(crate) fn take(&self, opened: &Opened) {
        self.server.0.store(Arc::clone(&opened.server));
        self.believed.0.store(Arc::new(Arc::clone(&opened.verifier)));
        let before = self.authority.swap(Arc::clone(&opened.authority));
        if before.certificate() != opened.authority.certificate() {
            self.fleet.keep_those(|chain| opened.believes(chain));
        }
        if let (Some(shown), Some(pages)) = (&self.pages, &opened.pages) {
            shown.0.store(Arc::clone(pages));
        }
    }

    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
pub(crate) struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Whose certificates clients may come with now; they may come without one.
#[derive(Debug)]
pub(crate) struct Believed(ArcSwap<Arc<dyn ClientCertVerifier>>);

impl ClientCertVerifier for Believed {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: they would have to outlive a change. A device has one certificate and needs no hint.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.load().supported_verify_schemes()
    }
}

fn verifier(authority: &[u8]) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate?)?;
    }
    Ok(WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_whole_or_refused_with_the_names_of_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let authority = Authority::create(directory.path()).unwrap();
        for name in ["one", "other"] {
            let identity = authority.issue_server(&["localhost".to_owned()]).unwrap();
            pki::write_new(&at(&format!("{name}.pem")), &identity.certificate, 0o644).unwrap();
            pki::write_new(&at(&format!("{name}.key")), &identity.key, 0o600).unwrap();
        }
        let one = Pair::read(&at("one.pem"), &at("one.key")).unwrap();
        assert!(one == Pair::read(&at("one.pem"), &at("one.key")).unwrap());
        assert!(one != Pair::read(&at("other.pem"), &at("other.key")).unwrap());
        assert!(one.certified().is_ok());
        let pair = Pair::read(&at("ca.pem"), &at("ca.key")).unwrap();
        let signs = Authority::of(&pair.certificate, &pair.key, (&at("ca.pem"), &at("ca.key"))).unwrap();
        assert_eq!(signs.certificate(), authority.certificate());
        assert!(Authority::of(&[0xff], &pair.key, (&at("ca.pem"), &at("ca.key"))).is_err());
        for (certificate, key, expected) in [
            ("one.pem", "other.key", "other.key is not the key of"),
            ("none.pem", "one.key", "none.pem"),
            ("one.key", "one.key", "holds no certificate"),
            ("one.pem", "one.pem", "other users have access"),
        ] {
            let error = Pair::read(&at(certificate), &at(key)).err().expect(expected);
            assert!(format!("{error:#}").contains(expected), "{expected}: {error:#}");
        }
    }
}
