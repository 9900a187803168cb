//! The gateway's own certificate and its key, as files. The key is written first and stays; a certificate for it takes its name as a
//! whole. So the certificate that is there belongs to the key that is there, whatever happens in between.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail};
use rcgen::KeyPair;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{Authority, chain, check_pair, files};

/// Makes both, for these names. A key without a certificate, of a try that was cut, is taken.
pub(crate) fn make(
    authority: &Authority,
    names: &[String],
    certificate: &Path,
    key: &Path,
) -> anyhow::Result<()> {
    if certificate.symlink_metadata().is_ok() {
        bail!(
            "{} is there already; `changtong authority server --renew` puts a new one in its place",
            certificate.display()
        );
    }
    let pair = if key.exists() {
        read_key(key)?
    } else {
        let pair = KeyPair::generate()?;
        files::write_new(key, &Zeroizing::new(pair.serialize_pem()), 0o600)?;
        pair
    };
    files::write_new(certificate, &authority.certify_server(&pair, names)?, 0o644)
}

/// Puts a new certificate in the place of the old one, for the key that is there: for these names, or for those of the old one; which.
pub(crate) fn renew(
    authority: &Authority,
    names: &[String],
    certificate: &Path,
    key: &Path,
) -> anyhow::Result<Vec<String>> {
    if !certificate.exists() {
        bail!(
            "{} is not there: `changtong authority server --name HOST` makes the first",
            certificate.display()
        );
    }
    let old = chain(certificate)?;
    let names = if names.is_empty() { names_in(&old[0], certificate)? } else { names.to_vec() };
    let pem = keys::read_secret(key)?;
    check_pair(old, certificate, &pem, key)?;
    files::replace(certificate, &authority.certify_server(&read_key(key)?, &names)?, 0o644)?;
    Ok(names)
}

fn read_key(path: &Path) -> anyhow::Result<KeyPair> {
    let pem = keys::read_secret(path)?;
    KeyPair::from_pem(&pem).with_context(|| format!("{} holds no key", path.display()))
}

/// The names and addresses of a certificate, DER.
fn names_in(der: &[u8], path: &Path) -> anyhow::Result<Vec<String>> {
    let (_, read) =
        X509Certificate::from_der(der).with_context(|| format!("{} is no certificate", path.display()))?;
    let names = read.subject_alternative_name().with_context(|| format!("reading {}", path.display()))?;
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return Some((*name).to_owned());
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
    };
    let names: Vec<String> =
        names.iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
    if names.is_empty() {
        bail!("{} has no names; give them with --name", path.display());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(certificate: &Path) -> Vec<String> {
        names_in(&chain(certificate).unwrap()[0], certificate).unwrap()
    }

    #[test]
    fn a_certificate_is_made_and_renewed_for_one_key_also_after_a_try_that_was_cut() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let (certificate, key) = (directory.path().join("server.pem"), directory.path().join("server.key"));
        let given = ["gateway.example", "192.0.2.10", "2001:db8::1"].map(str::to_owned);
        renew(&authority, &given, &certificate, &key).expect_err("there is none yet");
        // What is left of a try that was cut between the two.
        files::write_new(&key, &KeyPair::generate().unwrap().serialize_pem(), 0o600).unwrap();
        let pem = std::fs::read_to_string(&key).unwrap();
        make(&authority, &given, &certificate, &key).unwrap();
        assert_eq!(std::fs::read_to_string(&key).unwrap(), pem, "the key stays");
        assert_eq!(names(&certificate), given);
        let error = make(&authority, &given, &certificate, &key).unwrap_err().to_string();
        assert!(error.contains("--renew"), "{error}");

        let before = std::fs::read(&certificate).unwrap();
        assert_eq!(renew(&authority, &[], &certificate, &key).unwrap(), given);
        assert_ne!(std::fs::read(&certificate).unwrap(), before);
        check_pair(chain(&certificate).unwrap(), &certificate, &pem, &key).unwrap();
        let other = ["other.example".to_owned()];
        assert_eq!(renew(&authority, &other, &certificate, &key).unwrap(), other);
        assert_eq!(names(&certificate), other);

        let (good, strange) = (std::fs::read(&certificate).unwrap(), KeyPair::generate().unwrap());
        std::fs::remove_file(&key).unwrap();
        files::write_new(&key, &strange.serialize_pem(), 0o600).unwrap();
        let error = renew(&authority, &[], &certificate, &key).unwrap_err().to_string();
        assert!(error.contains("server.key is not the key of"), "{error}");
        assert_eq!(std::fs::read(&certificate).unwrap(), good, "nothing has changed");
    }

    #[test]
    fn an_authority_whose_certificate_is_there_gets_no_other_key() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        std::fs::remove_file(super::super::key_of(directory.path())).unwrap();
        Authority::create(directory.path()).err().expect("an authority is never replaced");
        assert!(!super::super::key_of(directory.path()).exists());
    }
}
