//! The message service over HTTP: one signed POST for one message, TLS under the configured authority alone, no redirects, and never
//! sent twice: who gets no message asks for another code. What the service answers beside its status is not read.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use registry::Phone;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{CODE_S_MAX, CodeToSend, SmsError};

/// A shorter key could be tried out.
const SECRET_BYTES_MIN: usize = 16;
/// A citizen who waits for longer asks again.
const DEADLINE_MAX: Duration = Duration::from_secs(30);
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// The place where messages go, and how they are signed.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSmsConfig {
    /// `https://HOST/PATH`; plain http only on this machine.
    pub url: String,
    /// The authority of the service's certificate, PEM.
    pub authority_pem: Option<Vec<u8>>,
    /// By which the service knows the key.
    pub key_id: String,
    /// The key, 16 bytes at least.
    pub secret: Zeroizing<Vec<u8>>,
    /// From connecting to the answer.
    pub deadline: Duration,
}

impl std::fmt::Debug for HttpSmsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpSmsConfig(…)")
    }
}

/// The configuration of the message service cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message service: {0}")]
pub struct SmsConfigError(&'static str);

/// The client of a message service.
pub struct HttpSms {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authority: String,
    path: String,
    key_id: String,
    key: hmac::Key,
    deadline: Duration,
    random: SystemRandom,
}

impl HttpSms {
    /// A client by that configuration.
    ///
    /// # Errors
    /// Names what in the configuration cannot be used.
    pub fn new(config: &HttpSmsConfig) -> Result<Self, SmsConfigError> {
        let uri: Uri = config.url.parse().map_err(|_| SmsConfigError("the url cannot be read"))?;
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(SmsConfigError("the url names no host"));
        };
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(SmsConfigError("the url has a query, or a name before its host"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(tls(config, &host)?), 443),
            Some("http") if is_loopback(&host) => (None, 80),
            Some("http") => return Err(SmsConfigError("plain http is for this machine alone")),
            Some(_) | None => return Err(SmsConfigError("the url is not https")),
        };
        let key_id_good = !config.key_id.is_empty()
            && config.key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !key_id_good || config.secret.len() < SECRET_BYTES_MIN {
            return Err(SmsConfigError("the key id or the secret cannot be used for signing"));
        }
        if config.deadline.is_zero() || config.deadline > DEADLINE_MAX {
            return Err(SmsConfigError("the deadline is not within half a minute"));
        }
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            host,
            tls,
            authority: authority.as_str().to_owned(),
            path: uri.path().to_owned(),
            key_id: config.key_id.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &config.secret),
            deadline: config.deadline,
            random: SystemRandom::new(),
        })
    }

    /// Says whether the service takes connections under the configured authority; no message is sent.
    ///
    /// # Errors
    /// [`SmsError::Unavailable`] when it does not within its deadline.
    pub async fn reach(&self) -> Result<(), SmsError> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
            match &self.tls {
                None => Some(()),
                Some((connector, name)) => connector.connect(name.clone(), stream).await.ok().map(|_| ()),
            }
        };
        let reached = tokio::time::timeout(self.deadline, connect).await;
        reached.ok().flatten().ok_or(SmsError::Unavailable)
    }

    pub(super) async fn send(&self, code: &CodeToSend, now_s: u64) -> Result<(), SmsError> {
        let request = self.request(code.phone(), code.digits(), now_s)?;
        let status = tokio::time::timeout(self.deadline, self.exchange(request)).await;
        match status {
            Ok(Some(200..=299)) => Ok(()),
            Ok(Some(_) | None) | Err(_) => Err(SmsError::Unavailable),
        }
    }

    fn request(&self, phone: &Phone, digits: &str, now_s: u64) -> Result<Request<String>, SmsError> {
        let mut id = [0; 16];
        self.random.fill(&mut id).map_err(|_| SmsError::Unavailable)?;
        let id = hex::encode(id);
        let body = serde_json::json!({
            "msisdn": phone.reveal(),
            "code": digits,
            "good_for_s": CODE_S_MAX,
        });
        let body = body.to_string();
        let signature = self.signature(&body, &id, now_s);
        let request = Request::post(self.path.as_str())
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .header("changtong-date", now_s)
            .header("changtong-request", id)
            .header("changtong-signature", signature);
        Ok(request.body(body).expect("the parts were checked when the client was made"))
    }

    /// As the carrier interface signs, under a name of its own.
    fn signature(&self, body: &str, id: &str, now_s: u64) -> String {
        let body = hex::encode(digest::digest(&digest::SHA256, body.as_bytes()));
        let signed = format!("changtong-sms 1\nPOST\n{}\n{now_s}\n{id}\n{body}", self.path);
        format!("{}:{}", self.key_id, hex::encode(hmac::sign(&self.key, signed.as_bytes())))
    }

    async fn exchange(&self, request: Request<String>) -> Option<u16> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
        match &self.tls {
            None => speak(stream, request).await,
            Some((connector, name)) => {
                speak(connector.connect(name.clone(), stream).await.ok()?, request).await
            }
        }
    }
}

/// HTTP over a connection that is there, which is driven here, beside the exchange: nothing outlives it.
async fn speak<S>(stream: S, request: Request<String>) -> Option<u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = http1::Builder::new().max_buf_size(READ_BUFFER_BYTES).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.ok()?;
    let driver = async {
        let _ = pin!(connection).await;
        pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        response = sender.send_request(request) => response.ok().map(|response| response.status().as_u16()),
        never = driver => match never {},
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn tls(config: &HttpSmsConfig, host: &str) -> Result<(TlsConnector, ServerName<'static>), SmsConfigError> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| SmsConfigError("the url's host is no name for TLS"))?;
    let pem = config.authority_pem.as_deref().ok_or(SmsConfigError("https needs an authority"))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or(SmsConfigError("the authority holds what is no certificate"))?;
    }
    if roots.is_empty() {
        return Err(SmsConfigError("the authority holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| SmsConfigError("TLS has no version in common with itself"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(tls)), name))
}
