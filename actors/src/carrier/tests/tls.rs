//! Certificates that are trusted and not, and configurations that are refused before a query.

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use super::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Vec<u8>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signed").pem().into_bytes();
    Authority { issuer: Issuer::new(params, key), pem }
}

impl Authority {
    fn server(&self, name: &str) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a pair");
        Arc::new(config)
    }
}

#[test]
fn only_the_configured_authoritys_certificate_for_this_host_is_believed() {
    run(async {
        let (ours, other) = (authority(), authority());
        for (name, issuer, believed) in
            [("127.0.0.1", &ours, true), ("carrier.example", &ours, false), ("127.0.0.1", &other, false)]
        {
            let server = Server::start_tls(|_| Act::Clean, issuer.server(name)).await;
            let mut configs = configs(&[&server]);
            configs[0].authority_pem = Some(ours.pem.clone());
            let carriers = start_with(&configs, &settings()).expect("starts");
            let answer = answer(&carriers, "16300000001").await;
            if believed {
                assert!(is_trajectory(&answer));
            } else {
                assert_eq!(answer, unavailable(Unavailable::Unreachable), "{name}");
            }
            assert_eq!(server.count(), usize::from(believed), "no number goes to somebody else");
        }
    });
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_the_reason() {
    let good = || config("china-mobile", "China Mobile", "http://127.0.0.1:1");
    assert!(start_with(&[good()], &settings()).is_ok());
    let https = |authority: Option<&[u8]>| CarrierConfig {
        url: "https://carrier.example".to_owned(),
        authority_pem: authority.map(<[u8]>::to_vec),
        ..good()
    };
    let url = |url: &str| CarrierConfig { url: url.to_owned(), ..good() };
    let ours = authority();
    assert!(start_with(&[https(Some(&ours.pem))], &settings()).is_ok());
    let id = |id: &str| CarrierConfig { id: id.to_owned(), ..good() };
    for (config, expected) in [
        (https(None), "https needs an authority"),
        (https(Some(b"")), "holds no certificate"),
        (
            https(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
            "something that is no certificate",
        ),
        (url("http://carrier.example"), "plain http"),
        (url("http://192.0.2.1"), "plain http"),
        (url("http://127.0.0.1.example"), "plain http"),
        (url("ftp://127.0.0.1"), "not https"),
        (url("/v1"), "names no host"),
        (url(""), "cannot be read"),
        (url("http://127.0.0.1:1/?a=b"), "a query"),
        (url("http://name:secret@127.0.0.1:1"), "a name before its host"),
        (id(""), "its id"),
        (id("China Mobile"), "its id"),
        (id("a-name-that-is-too-long-for-a-label"), "its id"),
        (CarrierConfig { permits: 0, ..good() }, "permits"),
        (CarrierConfig { permits: 1025, ..good() }, "permits"),
        (CarrierConfig { deadline: Duration::ZERO, ..good() }, "deadline"),
        (CarrierConfig { deadline: Duration::from_secs(30), ..good() }, "deadline"),
        (CarrierConfig { key_id: "a:b".to_owned(), ..good() }, "signing"),
        (CarrierConfig { secret: Zeroizing::new(b"short".to_vec()), ..good() }, "signing"),
        (CarrierConfig { prefixes: vec!["16x".to_owned()], ..good() }, "prefix"),
    ] {
        let error = start_with(&[config], &settings()).err().expect(expected).to_string();
        assert!(error.contains(expected) && !error.contains("secret@"), "{expected}: {error}");
    }
    let twice = start_with(&[good(), good()], &settings()).err().expect("refused");
    assert!(twice.to_string().contains("two with this id"));
}
