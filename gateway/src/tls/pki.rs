//! The city's certificate authority for devices: what it signs, and how a device is read back out of its certificate.

mod files;
mod known;
pub(crate) mod server;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use protocol::{DeviceId, ErrorCode};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use runtime::clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

pub(crate) use files::write_new;
pub(crate) use known::check_server;

/// Days that the authority's own certificate is good for.
const AUTHORITY_DAYS: i64 = 3650;
/// Days that the gateway's certificate is good for.
const SERVER_DAYS: i64 = 365;
/// Days that a device's certificate is good for; it renews itself in time.
pub(crate) const DEVICE_DAYS: i64 = 90;
/// A certificate is good from this long ago: a device's clock may lag.
const BACKDATED: Duration = Duration::HOUR;

/// Object identifiers of the kinds of keys that devices may have: elliptic curves, of which P-256 and P-384 are known, and Ed25519.
const KEYS_TAKEN: [&str; 2] = ["1.2.840.10045.2.1", "1.3.101.112"];

const AUTHORITY_CERTIFICATE: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";

/// The file that vouches for the gateway: what every device is given.
pub(crate) fn certificate_of(authority: &Path) -> PathBuf {
    authority.join(AUTHORITY_CERTIFICATE)
}

/// The file with which it signs.
pub(crate) fn key_of(authority: &Path) -> PathBuf {
    authority.join(AUTHORITY_KEY)
}

/// A certificate with its private key, both PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
}

/// A device's new certificate.
pub(crate) struct Issued {
    /// PEM.
    pub(crate) certificate: String,
    /// Hexadecimal; the registry keeps it, and only the latest one of a device is good.
    pub(crate) serial: String,
    pub(crate) not_after_s: u64,
}

/// The public key of a device's request for a certificate, whose signature shows that the device has the private one.
pub(crate) struct KeyRequest(SubjectPublicKeyInfo);

impl KeyRequest {
    /// Reads a PKCS#10 request in PEM. What can be wrong with it is found here, before anything is used up for it.
    pub(crate) fn parse(pem: &str) -> anyhow::Result<Self> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).context("that is no PEM")?;
        let (_, request) =
            X509CertificationRequest::from_der(&pem.contents).context("that is no certificate request")?;
        // The key's own algorithm and curve: the signature over the request may have been made with another digest.
        let key = &request.certification_request_info.subject_pki;
        let taken = KEYS_TAKEN.iter().any(|oid| key.algorithm.algorithm.to_id_string() == *oid);
        let key = SubjectPublicKeyInfo::from_der(key.raw).ok().filter(|_| taken);
        let key = key.context("its key is none of ECDSA P-256, ECDSA P-384, Ed25519")?;
        request.verify_signature().context("the request is not signed with its key")?;
        Ok(Self(key))
    }
}

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Makes a new authority in the directory: `ca.pem` and `ca.key`. Refuses to replace one.
    pub(crate) fn create(directory: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = params("Changtong device authority", AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        let (certificate_path, key_path) = (certificate_of(directory), key_of(directory));
        files::refuse(&certificate_path)?;
        write_new(&key_path, &Zeroizing::new(key.serialize_pem()), 0o600)?;
        // A key without its certificate would make the next try fail.
        write_new(&certificate_path, &certificate, 0o644).inspect_err(|_| {
            let _ = std::fs::remove_file(&key_path);
        })?;
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Loads the authority of that directory.
    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let (certificate_path, key_path) = (certificate_of(directory), key_of(directory));
        let certificate = std::fs::read(&certificate_path)
            .with_context(|| format!("reading {}", certificate_path.display()))?;
        let key = keys::read_secret(&key_path)?;
        Self::of(&certificate, &key, (&certificate_path, &key_path))
    }

    /// Reads the authority from PEM that the caller has read from those files.
    pub(crate) fn of(
        certificate: &[u8],
        key: &str,
        (path, key_path): (&Path, &Path),
    ) -> anyhow::Result<Self> {
        let certificate = String::from_utf8(certificate.to_vec())
            .with_context(|| format!("{} is no certificate in PEM", path.display()))?;
        let key = KeyPair::from_pem(key).with_context(|| format!("{} holds no key", key_path.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key)
            .with_context(|| format!("{} is no authority", path.display()))?;
        Ok(Self { issuer, certificate })
    }

    /// The authority's own certificate, PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a device's certificate with a fresh key: only for the development city, where devices do not make their own keys.
    pub(crate) fn issue_device(&self, device: DeviceId, days: i64) -> anyhow::Result<(Identity, Issued)> {
        let key = KeyPair::generate()?;
        let (params, issued) = device_params(device, days)?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let identity =
            Identity { certificate: certificate.clone(), key: Zeroizing::new(key.serialize_pem()) };
        Ok((identity, Issued { certificate, ..issued }))
    }

    /// Signs a device's own key. Nothing of the request but its public key is taken over.
    pub(crate) fn sign(&self, request: KeyRequest, device: DeviceId) -> anyhow::Result<Issued> {
        let (params, issued) = device_params(device, DEVICE_DAYS)?;
        Ok(Issued { certificate: params.signed_by(&request.0, &self.issuer)?.pem(), ..issued })
    }

    /// The gateway's own certificate for these names and addresses, and a key.
    pub(crate) fn issue_server(&self, names: &[String]) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate: self.certify_server(&key, names)?,
            key: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// The same for a key that is there, PEM.
    fn certify_server(&self, key: &KeyPair, names: &[String]) -> anyhow::Result<String> {
        let mut params = params("Changtong gateway", SERVER_DAYS);
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(Ia5String::try_from(name.as_str())?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

fn params(name: &str, days: i64) -> CertificateParams {
    let now_s = i64::try_from(clock::now_s()).unwrap_or(i64::MAX);
    let now = OffsetDateTime::from_unix_timestamp(now_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::days(days);
    params.use_authority_key_identifier_extension = true;
    params
}

fn device_params(device: DeviceId, days: i64) -> anyhow::Result<(CertificateParams, Issued)> {
    let mut serial: [u8; 16] = keys::random::bytes()?;
    // Positive, and of fixed length, so that it reads back as it was written.
    serial[0] = serial[0] & 0x3f | 0x40;
    let mut params = params("Changtong device", days);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(device.to_uri())?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let not_after_s = u64::try_from(params.not_after.unix_timestamp()).unwrap_or(0);
    Ok((params, Issued { certificate: String::new(), serial: hex::encode(serial), not_after_s }))
}

/// The device that a verified certificate names, and the certificate's serial. It has to name exactly one device, as the only
/// URI among its names, and be meant for a client.
pub(crate) fn device_of(der: &[u8]) -> Result<(DeviceId, String), ErrorCode> {
    let wrong = |_| ErrorCode::CertificateWrong;
    let (_, certificate) = X509Certificate::from_der(der).map_err(wrong)?;
    let usage = certificate.extended_key_usage().map_err(|_| ErrorCode::CertificateWrong)?;
    if !usage.is_some_and(|usage| usage.value.client_auth) {
        return Err(ErrorCode::CertificateWrong);
    }
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| ErrorCode::CertificateWrong)?
        .ok_or(ErrorCode::CertificateWrong)?;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(ErrorCode::CertificateWrong) };
    let device = DeviceId::from_uri(uri).ok_or(ErrorCode::CertificateWrong)?;
    Ok((device, hex::encode(certificate.raw_serial())))
}

/// The certificates of a file, the first its owner's.
pub(crate) fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    chain_in(&pem, path)
}

/// The same of what was read from there.
pub(crate) fn chain_in(pem: &[u8], path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.with_context(|| format!("{} is no certificate in PEM", path.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate in PEM", path.display());
    }
    Ok(chain)
}

/// Returns the end of a certificate in DER, seconds since 1970 UTC; 0 if it is no certificate.
pub(crate) fn ends_s(der: &[u8]) -> u64 {
    let read = X509Certificate::from_der(der).ok();
    read.and_then(|(_, read)| u64::try_from(read.validity().not_after.timestamp()).ok()).unwrap_or(0)
}

/// Checks that the key, in PEM, belongs to the certificate.
pub(crate) fn check_pair(
    chain: Vec<CertificateDer<'static>>,
    certificate: &Path,
    key_pem: &str,
    key: &Path,
) -> anyhow::Result<()> {
    let private = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .with_context(|| format!("{} holds no private key in PEM", key.display()))?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider())
        .with_context(|| format!("{} is not the key of {}", key.display(), certificate.display()))?;
    Ok(())
}

/// Returns the end of the file's first certificate, seconds since 1970 UTC.
pub(crate) fn not_after_s(path: &Path) -> anyhow::Result<u64> {
    let chain = chain(path)?;
    let (_, certificate) = X509Certificate::from_der(&chain[0])
        .map_err(|_| anyhow::anyhow!("{} is no X.509 certificate", path.display()))?;
    Ok(u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(pem: &str) -> Vec<u8> {
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).expect("PEM").1.contents
    }

    #[test]
    fn a_device_reads_back_from_its_certificate_and_others_do_not() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        assert!(Authority::create(directory.path()).is_err(), "an authority is never replaced");
        let authority = Authority::load(directory.path()).unwrap();
        let (identity, issued) = authority.issue_device(DeviceId(17), 1).unwrap();
        let read = device_of(&der(&identity.certificate));
        assert_eq!(read, Ok((DeviceId(17), issued.serial)));
        let server = authority.issue_server(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        for wrong in [der(&server.certificate), der(authority.certificate()), vec![1, 2, 3]] {
            assert_eq!(device_of(&wrong), Err(ErrorCode::CertificateWrong));
        }
    }

    #[test]
    fn a_request_names_nothing_but_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec!["somebody.example".to_owned()]).unwrap();
        asked.subject_alt_names.push(SanType::URI(DeviceId(99).to_uri().try_into().unwrap()));
        let asked = asked.serialize_request(&key).unwrap().pem().unwrap();
        let issued = authority.sign(KeyRequest::parse(&asked).unwrap(), DeviceId(3)).unwrap();
        assert_eq!(device_of(&der(&issued.certificate)), Ok((DeviceId(3), issued.serial)));
        assert!(KeyRequest::parse("nonsense").is_err());
    }

    /// Made with openssl 3: `openssl req -new -key KEY -sha256 -subj /CN=x`.
    #[test]
    fn a_certificate_has_the_keys_own_curve_whatever_digest_signed_the_request() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        for (request, curve) in [
            (include_str!("pki/p384-sha256.csr"), "1.3.132.0.34"),
            (include_str!("pki/p256-sha384.csr"), "1.2.840.10045.3.1.7"),
        ] {
            let issued = authority.sign(KeyRequest::parse(request).unwrap(), DeviceId(3)).unwrap();
            let der = der(&issued.certificate);
            let (_, certificate) = X509Certificate::from_der(&der).unwrap();
            let key = certificate.public_key();
            let named = key.algorithm.parameters.as_ref().unwrap().as_oid().unwrap();
            assert_eq!(named.to_id_string(), curve);
            assert!(key.parsed().is_ok());
        }
        for refused in [include_str!("pki/p521.csr"), include_str!("pki/rsa.csr")] {
            let error = KeyRequest::parse(refused).err().expect("such keys are not taken");
            assert!(error.to_string().contains("P-256"), "{error}");
        }
    }
}
