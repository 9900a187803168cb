//! A minimal carrier client: signs one query, posts it over TLS on its own connection, and reads the answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runtime::clock;
use rustls::pki_types::CertificateDer;

use super::super::wire;
use super::*;

pub(super) const SECRET: &[u8] = b"a secret of thirty-two bytes or so";
pub(super) const CONSENT: &str = "0123456789abcdef0123456789abcdef";

/// A certificate authority for one test, with a certificate that it has issued.
pub(super) struct Authority {
    pub(super) der: CertificateDer<'static>,
    pub(super) own: TlsIdentity,
    pub(super) other_host: TlsIdentity,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der().clone();
        let issuer = Issuer::new(params, key);
        let sign = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap().pem();
            TlsIdentity { certificate, key: Zeroizing::new(key.serialize_pem()) }
        };
        Self { own: sign("localhost"), other_host: sign("elsewhere.example"), der }
    }

    pub(super) fn config(&self) -> SimulatorConfig {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        SimulatorConfig {
            seed: 2020,
            control: loopback,
            tls: self.own.clone(),
            other_host: self.other_host.clone(),
            carriers: SimulatedCarrier::ALL.map(|carrier| SimulatedConfig {
                carrier,
                address: loopback,
                key_id: "gateway-1".to_owned(),
                secret: Zeroizing::new(SECRET.to_vec()),
                latency: Latency::NONE,
            }),
        }
    }
}

/// The answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A query before it is signed.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) body: serde_json::Value,
    pub(super) request: String,
    pub(super) date_s: u64,
    pub(super) key_id: &'static str,
    pub(super) secret: &'static [u8],
    /// A body that is sent in place of the signed one.
    pub(super) forged: Option<String>,
}

impl Query {
    pub(super) fn about(msisdn: &str) -> Self {
        let now_s = clock::now_s();
        let asked = policy().window(policy::trajectory::day_of(now_s));
        let body = serde_json::json!({
            "msisdn": msisdn, "first_day": asked.first, "last_day": asked.last, "purpose": "apply", "consent": CONSENT
        });
        let mut random = [0; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random).unwrap();
        let request = hex::encode(random);
        Self { body, request, date_s: now_s, key_id: "gateway-1", secret: SECRET, forged: None }
    }

    /// Returns the request as it is sent.
    fn bytes(&self) -> Vec<u8> {
        let body = self.body.to_string();
        let text = wire::signing_text(&self.date_s.to_string(), &self.request, body.as_bytes());
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.secret);
        let tag = hex::encode(ring::hmac::sign(&key, text.as_bytes()));
        let body = self.forged.clone().unwrap_or(body);
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Changtong-Date: {}\r\nChangtong-Request: {}\r\nChangtong-Signature: {}:{tag}\r\nConnection: close\r\n\r\n{body}",
            wire::PATH, body.len(), self.date_s, self.request, self.key_id
        )
        .into_bytes()
    }

    /// Sends the query and reads at most `bytes_max` of the answer. An error means that the connection ended without an answer.
    pub(super) fn send(&self, authority: &Authority, url: &str, bytes_max: u64) -> std::io::Result<Answer> {
        let port: u16 = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        let name = "localhost".try_into().expect("a name");
        let mut tls = rustls::ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        stream.write_all(&self.bytes())?;
        let mut answer = Vec::new();
        let read = stream.take(bytes_max).read_to_end(&mut answer);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            read?;
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(Answer { status, head, body: answer.split_off(end + 4) })
    }
}

/// Sends one request to the control interface; returns status and body.
pub(super) fn control(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(serde_json::Value::Null))
}
