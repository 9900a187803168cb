//! Metrics of the time at which each certificate in use ends. They describe the certificates that this process has loaded; the choice
//! of certificates and their renewal are elsewhere.

use protocol::metric;
use runtime::clock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate that this process stands on; the name is its label.
#[derive(Clone, Copy)]
pub(crate) enum InUse {
    /// Shown to devices.
    Server,
    /// Signs devices' certificates.
    Authority,
    /// Shown to browsers.
    Pages,
}

impl InUse {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Authority => "authority",
            Self::Pages => "pages",
        }
    }
}

/// Tells when the first certificate of a chain ends; to be called whenever one is loaded.
pub(crate) fn tell(which: InUse, pem: &[u8]) {
    let Some(ends_s) = ends_s(pem) else { return };
    metrics::gauge!(metric::CERTIFICATE_EXPIRES, "certificate" => which.name()).set(ends_s as f64);
    let days = ends_s.saturating_sub(clock::now_ms() as i64 / 1000) / 86_400;
    tracing::info!(certificate = which.name(), days, "a certificate is good for so many days");
}

/// The end of the first certificate, seconds since 1970 UTC; `None` if there is none to read.
fn ends_s(pem: &[u8]) -> Option<i64> {
    let first = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&first).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::pki::Authority;

    #[test]
    fn a_certificates_end_is_read_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let server = authority.issue_server(&["localhost".to_owned()]).unwrap();
        let ends = ends_s(server.certificate.as_bytes()).expect("a certificate");
        let days = (ends - clock::now_ms() as i64 / 1000) / 86_400;
        assert!((363..=365).contains(&days), "{days}");
        assert_eq!(ends_s(b"no certificate"), None);
        assert_eq!(ends_s(server.key.as_bytes()), None);
    }
}
