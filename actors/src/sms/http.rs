//! The message service over HTTP: one signed POST for each message, TLS under the configured authority alone, no redirects. A message is
//! never sent twice: a citizen who gets none asks for another code. Of the answer only the status is read.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use registry::Phone;
use ring::{digest, hmac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{CODE_S_MAX, CodeToSend, SmsError};

/// The shortest key that cannot be guessed by trying.
const SECRET_BYTES_MIN: usize = 16;
/// The longest deadline: a citizen who waits longer asks again.
const DEADLINE_MAX: Duration = Duration::from_secs(30);
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// The configuration of a message service.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSmsConfig {
    /// The address: `https://HOST/PATH`, or plain http on this machine.
    pub url: String,
    /// The authority that issues the service's certificate, PEM.
    pub authority_pem: Option<Vec<u8>>,
    /// The id by which the service knows the key.
    pub key_id: String,
    /// The key that signs, 16 bytes at least.
    pub secret: Zeroizing<Vec<u8>>,
    /// The time from connecting to the answer, 30 s at most.
    pub deadline: Duration,
}

impl std::fmt::Debug for HttpSmsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpSmsConfig(…)")
    }
}

/// A configuration of the message service that cannot be used.
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
}

impl HttpSms {
    /// Makes a client.
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
        })
    }

    /// Connects to the service under the configured authority and sends no message.
    ///
    /// # Errors
    /// [`SmsError::Unavailable`] if the service takes no connection within the deadline.
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
        let id = keys::random::bytes::<16>().map(hex::encode).map_err(|_| SmsError::Unavailable)?;
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

    /// Returns the signature of a request, made as in the carrier interface but under a name of its own.
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

/// Sends a request over an open connection and returns the status. The connection is driven here: nothing outlives the call.
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
