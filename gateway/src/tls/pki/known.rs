//! The gateway's certificate as devices see it: they know the device authority and a name, and nothing else. How it comes about, and
//! that its key fits, is told elsewhere.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use runtime::clock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain as chain_of;

/// Refuses a chain that devices, who know the authority alone, would not take for the gateway's, by the first name that it has. Whether
/// it has ended is not looked at: a gateway whose certificate has ended still serves its pages, and says so elsewhere.
pub(crate) fn check_server(chain: &[CertificateDer<'static>], authority: &Path) -> anyhow::Result<()> {
    let mut roots = rustls::RootCertStore::empty();
    for root in chain_of(authority)? {
        roots.add(root).with_context(|| format!("{} is no authority", authority.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let (_, certificate) = X509Certificate::from_der(&chain[0]).context("it is no X.509 certificate")?;
    let name = name_of(&certificate)
        .context("it names no host in its subjectAltName; devices know the gateway by one")?;
    let [begins_s, ends_s] = [certificate.validity().not_before, certificate.validity().not_after]
        .map(|at| u64::try_from(at.timestamp()).unwrap_or(0));
    let at_s = clock::now_s().clamp(begins_s, ends_s.max(begins_s));
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s));
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], at).map(drop).with_context(|| {
        format!(
            "devices would not take it for the gateway's {}: they know {} alone",
            name.to_str(),
            authority.display()
        )
    })
}

/// The first name or address of a certificate, one that a wildcard means.
fn name_of(certificate: &X509Certificate<'_>) -> Option<ServerName<'static>> {
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| {
        if let GeneralName::DNSName(name) = name {
            return ServerName::try_from(name.replacen('*', "any", 1)).ok();
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
        Some(address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?.into())
    })
}
