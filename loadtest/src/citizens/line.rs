//! One HTTP/1.1 connection that is kept: a request goes out, its whole answer comes back. As much of HTTP as the pages and the
//! development inbox speak, and no redirect is followed; it is lean, so that what is measured is the server.

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A page has some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const TOO_LONG: LineError = LineError::Nonsense("it is longer than a megabyte");
/// Connecting, or a request with its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// Nothing within the patience.
    #[error("{0} took too long")]
    Late(&'static str),
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Broken(#[from] io::Error),
    /// It was to be kept.
    #[error("the server closed a connection that was to be kept")]
    Closed,
    /// Not what is read here.
    #[error("an answer that cannot be read: {0}")]
    Nonsense(&'static str),
}

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a str,
    body: Cow<'a, [u8]>,
}

/// The length of the body.
#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunks,
}

impl Line {
    /// Connects, `from` that address of this machine: whoever limits what one address may do sees a visitor of its own.
    pub(crate) async fn connect(address: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self, LineError> {
        let connecting = async {
            match from.filter(|_| address.is_ipv4()) {
                None => TcpStream::connect(address).await,
                Some(from) => {
                    let socket = TcpSocket::new_v4()?;
                    socket.bind((from, 0).into())?;
                    socket.connect(address).await
                }
            }
        };
        let connected = tokio::time::timeout(PATIENCE, connecting).await;
        let stream = connected.map_err(|_| LineError::Late("connecting"))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends those bytes, one whole request, and reads the answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, LineError> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        asked.map_err(|_| LineError::Late("an answer"))?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, LineError> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            match self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at,
                None => self.read().await?,
            }
        };
        let length = length(text(&self.buffer[..head])?)?;
        let start = head + 4;
        let body = loop {
            let so_far = &self.buffer[start..];
            let whole = match length {
                Length::Bytes(bytes) => (so_far.len() >= bytes).then(|| (start..start + bytes, None)),
                Length::Chunks => unchunked(so_far)?.map(|body| (0..0, Some(body))),
            };
            match whole {
                Some(body) => break body,
                None => self.read().await?,
            }
        };
        let (range, chunks) = body;
        let head = text(&self.buffer[..head])?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(LineError::Nonsense("no status"))?;
        Ok(Answer { status, head, body: chunks.map_or(Cow::Borrowed(&self.buffer[range]), Cow::Owned) })
    }

    async fn read(&mut self) -> Result<(), LineError> {
        if self.buffer.len() >= ANSWER_BYTES_MAX {
            return Err(TOO_LONG);
        }
        self.buffer.reserve(16 * 1024);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(LineError::Closed);
        }
        Ok(())
    }
}

impl Answer<'_> {
    /// The first header with that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn text(&self) -> Result<&str, LineError> {
        text(&self.body)
    }
}

fn text(bytes: &[u8]) -> Result<&str, LineError> {
    std::str::from_utf8(bytes).map_err(|_| LineError::Nonsense("it is no text"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn length(head: &str) -> Result<Length, LineError> {
    if header(head, "transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
        return Ok(Length::Chunks);
    }
    let bytes = header(head, "content-length").map_or(Ok(0), str::parse);
    let bytes = bytes.map_err(|_| LineError::Nonsense("a length that is none"))?;
    if bytes <= ANSWER_BYTES_MAX { Ok(Length::Bytes(bytes)) } else { Err(TOO_LONG) }
}

/// The whole body; `None` while its end is not there.
fn unchunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, LineError> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") else { return Ok(None) };
        let size = text(&rest[..end])?.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).map_err(|_| LineError::Nonsense("a chunk without a size"))?;
        if size > ANSWER_BYTES_MAX {
            return Err(TOO_LONG);
        }
        rest = &rest[end + 2..];
        if rest.len() < size + 2 {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

/// A form's body.
pub(super) fn encoded(fields: &[(&str, &str)]) -> String {
    let percent = |text: &str| -> String {
        let each = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        each.collect()
    };
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_whole_in_whatever_pieces_it_comes() {
        let pieces: [&[&str]; 4] = [
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
            &["HTTP/1.1 404 Not Found\r\ncontent-le", "ngth: 5\r\n\r", "\nhel", "lo"],
            &["HTTP/1.1 303 See Other\r\nLocation: /in\r\n\r\n"],
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nh",
                "el\r\n2",
                "\r\nlo\r\n0\r",
                "\n\r\n",
            ],
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let from = Ipv4Addr::new(127, 64, 3, 9);
        let server = tokio::spawn(async move {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip(), from, "each visitor has an address of its own");
            stream.set_nodelay(true).unwrap();
            for answer in pieces {
                assert_eq!(stream.read_u8().await.unwrap(), b'?');
                for piece in answer {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut line = Line::connect(address, Some(from)).await.unwrap();
        for (status, body) in [(200, "hello"), (404, "hello"), (303, ""), (200, "hello")] {
            let answer = line.ask(b"?").await.unwrap();
            assert_eq!((answer.status, answer.text().unwrap()), (status, body));
            assert_eq!(answer.header("location"), (status == 303).then_some("/in"));
        }
        server.await.unwrap();
        assert!(matches!(line.ask(b"?").await, Err(LineError::Closed | LineError::Broken(_))));
        let gone = Line::connect(address, Some(from)).await.map(drop);
        assert!(matches!(gone, Err(LineError::Broken(_))), "{gone:?}");
    }

    #[test]
    fn chunks_are_whole_or_not_yet_and_nonsense_is_an_error() {
        let whole = b"3\r\nabc\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(unchunked(&whole[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(unchunked(whole).unwrap().unwrap(), b"abc");
        assert!(unchunked(b"x\r\n").is_err() && unchunked(b"ffffffff\r\n").is_err());
    }
}
