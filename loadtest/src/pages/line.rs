//! One HTTP/1.1 connection that is kept: a request goes out, its whole answer comes back. As much of HTTP as the pages and the
//! development inbox speak, and no redirect is followed; it is lean, so that what is measured is the server.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A page has some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Connecting, or a request with its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub(super) struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    head: &'a str,
    body: Cow<'a, [u8]>,
}

/// How long the body is.
#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunks,
}

impl Line {
    pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect(address));
        let stream = connecting.await.context("connecting took too long")??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends those bytes, one whole request, and reads the answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.context("an answer took too long")?
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
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
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(Answer { status, head, body: chunks.map_or(Cow::Borrowed(&self.buffer[range]), Cow::Owned) })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.buffer.len() < ANSWER_BYTES_MAX, "an answer of more than {ANSWER_BYTES_MAX} bytes");
        self.buffer.reserve(16 * 1024);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed a connection that was to be kept");
        }
        Ok(())
    }
}

impl Answer<'_> {
    /// The first header with that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn text(&self) -> anyhow::Result<&str> {
        text(&self.body)
    }
}

fn text(bytes: &[u8]) -> anyhow::Result<&str> {
    std::str::from_utf8(bytes).context("an answer that is no text")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn length(head: &str) -> anyhow::Result<Length> {
    if header(head, "transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
        return Ok(Length::Chunks);
    }
    let bytes = header(head, "content-length").map_or(Ok(0), str::parse).context("a length that is none")?;
    ensure!(bytes <= ANSWER_BYTES_MAX, "an answer of {bytes} bytes");
    Ok(Length::Bytes(bytes))
}

/// The whole body; `None` while its end is not there.
fn unchunked(mut rest: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") else { return Ok(None) };
        let size = text(&rest[..end])?.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
        ensure!(size <= ANSWER_BYTES_MAX, "a chunk of {size} bytes");
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
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in pieces {
                assert_eq!(stream.read_u8().await.unwrap(), b'?');
                for piece in answer {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut line = Line::connect(address).await.unwrap();
        for (status, body) in [(200, "hello"), (404, "hello"), (303, ""), (200, "hello")] {
            let answer = line.ask(b"?").await.unwrap();
            assert_eq!((answer.status, answer.text().unwrap()), (status, body));
            assert_eq!(answer.header("location"), (status == 303).then_some("/in"));
        }
        server.await.unwrap();
        assert!(line.ask(b"?").await.is_err(), "closed");
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
