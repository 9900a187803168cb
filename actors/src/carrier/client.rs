//! The HTTP client of one carrier: connects, signs, sends, and reads up to a limit. One connection for each query, HTTP/1.1, TLS under the
//! configured authority alone; no redirects, no proxy. Deadlines and second attempts are the actor's.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use keys::random::{self, NoRandom};
use ring::digest;
use ring::hmac;
use runtime::clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::answer::{self, ANSWER_BYTES_MAX, Question, RawReply};
use super::{CarrierConfig, CarrierError};

const PATH: &str = "/v1/trajectory";
/// The buffer for an answer's headers; hyper's own limit is six times that.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// The shortest key that cannot be guessed by trying.
const SECRET_BYTES_MIN: usize = 16;

pub(super) struct Client {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authority: String,
    path: String,
    key_id: String,
    key: hmac::Key,
}

/// Makes a request id; the carrier refuses one that it has seen.
pub(super) fn request_id() -> Result<String, NoRandom> {
    random::bytes::<16>().map(hex::encode)
}

/// The result of one exchange: the reply, and the processing time that the carrier reports.
pub(super) struct Exchanged {
    pub(super) reply: RawReply,
    pub(super) own: Option<Duration>,
}

impl From<RawReply> for Exchanged {
    fn from(reply: RawReply) -> Self {
        Self { reply, own: None }
    }
}

impl Client {
    pub(super) fn new(config: &CarrierConfig) -> Result<Self, CarrierError> {
        let uri: Uri = config.url.parse().map_err(|_| config.wrong("the url cannot be read"))?;
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(config.wrong("the url names no host"));
        };
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(config.wrong("the url has a query, or a name before its host"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some((connector(config)?, server_name(config, &host)?)), 443),
            Some("http") if is_loopback(&host) => (None, 80),
            Some("http") => return Err(config.wrong("plain http is for this machine alone")),
            Some(_) | None => return Err(config.wrong("the url is not https")),
        };
        let key_id_good = !config.key_id.is_empty()
            && config.key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !key_id_good || config.secret.len() < SECRET_BYTES_MIN {
            return Err(config.wrong("the key id or the secret cannot be used for signing"));
        }
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            host,
            tls,
            authority: authority.as_str().to_owned(),
            path: format!("{}{PATH}", uri.path().trim_end_matches('/')),
            key_id: config.key_id.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &config.secret),
        })
    }

    /// Asks once. Dropping the future ends the connection.
    pub(super) async fn exchange(&self, question: &Question, request_id: &str) -> Exchanged {
        let Ok(stream) = TcpStream::connect((self.host.as_str(), self.port)).await else {
            return RawReply::NotSent.into();
        };
        let request = self.request(question, request_id, clock::now_s());
        match &self.tls {
            None => speak(stream, request).await,
            Some((connector, name)) => match connector.connect(name.clone(), stream).await {
                Ok(stream) => speak(stream, request).await,
                Err(_) => RawReply::NotSent.into(),
            },
        }
    }

    fn request(&self, question: &Question, request_id: &str, now_s: u64) -> Request<String> {
        let body = question.body();
        let request = Request::post(self.path.as_str())
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .header("changtong-date", now_s)
            .header("changtong-request", request_id)
            .header("changtong-signature", self.signature(&body, request_id, now_s));
        request.body(body).expect("the parts were checked when the client was made")
    }

    fn signature(&self, body: &str, request_id: &str, now_s: u64) -> String {
        let body = hex::encode(digest::digest(&digest::SHA256, body.as_bytes()));
        let signed = format!("changtong-carrier 1\nPOST\n{PATH}\n{now_s}\n{request_id}\n{body}");
        format!("{}:{}", self.key_id, hex::encode(hmac::sign(&self.key, signed.as_bytes())))
    }
}

/// Sends a request over an open connection and reads the answer. The connection is driven here: nothing outlives the call.
async fn speak<S>(stream: S, request: Request<String>) -> Exchanged
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake =
        http1::Builder::new().max_buf_size(READ_BUFFER_BYTES).handshake(TokioIo::new(stream)).await;
    let Ok((mut sender, connection)) = handshake else { return RawReply::NotSent.into() };
    let exchange = async {
        match sender.try_send_request(request).await {
            Ok(response) => hear(response).await,
            Err(mut error) => match error.take_message() {
                Some(_) => RawReply::NotSent.into(),
                None if error.error().is_parse() => RawReply::NotHttp.into(),
                None => RawReply::Lost.into(),
            },
        }
    };
    // The exchange notices the connection's end by itself.
    let driver = async {
        let _ = pin!(connection).await;
        pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        exchanged = exchange => exchanged,
        never = driver => match never {},
    }
}

async fn hear(response: Response<Incoming>) -> Exchanged {
    let own = response.headers().get("carrier-time-ms").and_then(|value| answer::own_time(value.as_bytes()));
    let reply = match response.status().as_u16() {
        200 if is_too_long(&response) => RawReply::NotHttp,
        200 => read_body(response.into_body()).await,
        other => RawReply::Status(other),
    };
    Exchanged { reply, own }
}

fn is_too_long(response: &Response<Incoming>) -> bool {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > ANSWER_BYTES_MAX as u64)
}

/// Reads a body up to the limit.
async fn read_body(mut body: Incoming) -> RawReply {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) if read.len() + bytes.len() <= ANSWER_BYTES_MAX => read.extend_from_slice(&bytes),
            Ok(Ok(_)) => return RawReply::NotHttp,
            // Trailers mean nothing here.
            Ok(Err(_)) => {}
            Err(error) if error.is_parse() => return RawReply::NotHttp,
            Err(_) => return RawReply::Lost,
        }
    }
    RawReply::Body(read)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn server_name(config: &CarrierConfig, host: &str) -> Result<ServerName<'static>, CarrierError> {
    ServerName::try_from(host.to_owned()).map_err(|_| config.wrong("the url's host is no name for TLS"))
}

/// Makes the TLS connector, which trusts the configured authority alone.
fn connector(config: &CarrierConfig) -> Result<TlsConnector, CarrierError> {
    let pem = config.authority_pem.as_deref().ok_or_else(|| config.wrong("https needs an authority"))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.ok().map(|certificate| roots.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(config.wrong("the authority holds something that is no certificate"));
        }
    }
    if roots.is_empty() {
        return Err(config.wrong("the authority holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| config.wrong("TLS has no version in common with itself"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}
