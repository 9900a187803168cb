//! An HTTP/1.1 client over hyper: one connection that is kept. It follows no redirect, keeps no cookie and repeats no request; the
//! caller names the host. The tests use it too.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use bytes::Bytes;
pub use http_body_util::Full;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderName;
pub use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// The longest body: a page has some kilobytes, the metrics of a city some hundred.
const BODY_BYTES_MAX: usize = 16 << 20;
/// The time for connecting, and for a request with its response.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The content type of an HTML form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The time is over.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// No connection, or a closed one.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// The response is not HTTP, or too long.
    #[error("the response cannot be read: {0}")]
    Invalid(Box<dyn Error + Send + Sync>),
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        // To hyper a malformed chunk is an I/O error.
        let kind = error.source().and_then(|source| source.downcast_ref()).map(io::Error::kind);
        let is_malformed = matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
        if error.is_parse() || is_malformed {
            Self::Invalid(error.into())
        } else {
            Self::Connection(io::Error::other(error))
        }
    }
}

/// One connection. It ends with the value.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects from that address of this machine, so that each visitor can have one of their own; `None` leaves it to the system.
    ///
    /// # Errors
    /// Nothing listens there, or not within the time.
    pub async fn open(address: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self, HttpError> {
        let connecting = async {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(from) = from.filter(|_| address.is_ipv4()) {
                socket.bind((from, 0).into())?;
            }
            socket.connect(address).await
        };
        let stream: TcpStream =
            timeout(TIMEOUT, connecting).await.map_err(|_| HttpError::Timeout("connecting"))??;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// Speaks HTTP over a stream, for example TLS.
    ///
    /// # Errors
    /// None so far in hyper.
    pub async fn over<S>(stream: S) -> Result<Self, HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends one request and reads the whole response. After an error the connection is of no use any more.
    ///
    /// # Errors
    /// There is no response, or not within the time.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            self.0.ready().await?;
            read(self.0.send_request(request).await?).await
        };
        timeout(TIMEOUT, exchange).await.map_err(|_| HttpError::Timeout("the response"))?
    }
}

async fn read(response: Response<Incoming>) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = response.into_parts();
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) => {
            Err(error.downcast::<hyper::Error>().map_or_else(HttpError::Invalid, |error| (*error).into()))
        }
    }
}

/// Returns a GET of that path.
pub fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse().expect("a path");
    with(request, "host", host)
}

/// Returns a POST of that body.
pub fn post(host: &str, path: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = get(host, path);
    *request.method_mut() = hyper::Method::POST;
    *request.body_mut() = Full::new(body.into());
    with(request, "content-type", content_type)
}

/// Returns the request with one more header; its name is in small letters.
pub fn with(mut request: Request<Full<Bytes>>, name: &'static str, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().append(HeaderName::from_static(name), value.parse().expect("a header's value"));
    request
}

/// Returns the body of a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(fields).expect("pairs of texts")
}

/// Returns the first header of a response with that name; empty if there is none that is text.
pub fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// GET on a connection of its own: status and body.
///
/// # Errors
/// There is no response within that time.
pub async fn fetch(address: SocketAddr, path: &str, within: Duration) -> Result<(u16, String), HttpError> {
    let exchange = async { Connection::open(address, None).await?.send(get("localhost", path)).await };
    let response = timeout(within, exchange).await.map_err(|_| HttpError::Timeout("the response"))??;
    Ok((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned()))
}

/// Runs that exchange on a thread of its own, for callers that do not await.
pub fn block_on<T: Send>(exchange: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(exchange)
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("an exchange does not panic"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_kept_comes_from_its_own_address_and_names_what_fails() {
        let pieces: [&[&str]; 5] = [
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
            &["HTTP/1.1 404 Not Found\r\ncontent-le", "ngth: 5\r\n\r", "\nhel", "lo"],
            &["HTTP/1.1 303 See Other\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n"],
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nh",
                "el\r\n2",
                "\r\nlo\r\n0\r",
                "\n\r\n",
            ],
            &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let from = Ipv4Addr::new(127, 64, 3, 9);
        let server = tokio::spawn(async move {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip(), from, "each visitor has an address of its own");
            stream.set_nodelay(true).unwrap();
            for answer in pieces {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                for piece in answer {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut connection = Connection::open(address, Some(from)).await.unwrap();
        for (status, body) in [(200, "hello"), (404, "hello"), (303, ""), (200, "hello")] {
            let response = connection.send(get("localhost", "/")).await.unwrap();
            assert_eq!((response.status().as_u16(), &response.body()[..]), (status, body.as_bytes()));
            assert_eq!(header(&response, "location"), if status == 303 { "/in" } else { "" });
        }
        let invalid = connection.send(get("localhost", "/")).await;
        assert!(matches!(invalid, Err(HttpError::Invalid(_))), "{invalid:?}");
        server.await.unwrap();
        let closed = connection.send(get("localhost", "/")).await;
        assert!(matches!(closed, Err(HttpError::Connection(_))), "{closed:?}");
        let gone = Connection::open(address, Some(from)).await.map(drop);
        assert!(matches!(gone, Err(HttpError::Connection(_))), "{gone:?}");
    }
}
