//! A carrier's server for tests, written by hand: it reads one request from each connection and does what the test says.

use std::sync::{Arc, Mutex};

use runtime::lock::lock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A request as it was received.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("no header {name}"))
    }

    pub(crate) fn field(&self, name: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        body[name].as_str().expect("text").to_owned()
    }
}

/// The server's reaction to a request.
pub(crate) enum Act {
    /// Answers with a trajectory without visits, all fourteen days.
    Clean,
    /// Answers with a status of the interface that has no trajectory.
    Say(&'static str),
    /// Sends this head and body.
    Raw(String),
    /// Answers once the test opens the gate.
    Gate,
    /// Answers with such a status once the test opens the gate.
    GatedSay(&'static str),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
    /// Sends a head and then a body without end.
    Flood(&'static str),
}

pub(crate) fn status(status: u16, headers: &str) -> Act {
    Act::Raw(format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n"))
}

type Rule = Arc<Mutex<Box<dyn Fn(&Seen) -> Act + Send>>>;

pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    rule: Rule,
    gate: watch::Sender<bool>,
    flooded: Arc<Mutex<Option<usize>>>,
}

impl Server {
    /// Starts a server on the current runtime.
    pub(crate) async fn start(rule: impl Fn(&Seen) -> Act + Send + 'static) -> Self {
        Self::serve(rule, None).await
    }

    /// Starts a server under TLS.
    pub(crate) async fn start_tls(
        rule: impl Fn(&Seen) -> Act + Send + 'static,
        tls: Arc<rustls::ServerConfig>,
    ) -> Self {
        Self::serve(rule, Some(tls.into())).await
    }

    async fn serve(
        rule: impl Fn(&Seen) -> Act + Send + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Self {
            url: format!("{scheme}://127.0.0.1:{port}"),
            seen: Arc::default(),
            rule: Arc::new(Mutex::new(Box::new(rule))),
            gate: watch::channel(false).0,
            flooded: Arc::default(),
        };
        let each = Each {
            seen: Arc::clone(&server.seen),
            rule: Arc::clone(&server.rule),
            gate: server.gate.clone(),
            flooded: Arc::clone(&server.flooded),
        };
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (each, tls) = (each.clone(), tls.clone());
                actix_rt::spawn(async move {
                    match tls {
                        None => each.talk(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                each.talk(stream).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    pub(crate) fn rule(&self, rule: impl Fn(&Seen) -> Act + Send + 'static) {
        *lock(&self.rule) = Box::new(rule);
    }

    pub(crate) fn open_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.seen).len()
    }

    /// Returns the bytes of a flood that were sent before it was cut off.
    pub(crate) fn flooded(&self) -> Option<usize> {
        *lock(&self.flooded)
    }
}

#[derive(Clone)]
struct Each {
    seen: Arc<Mutex<Vec<Seen>>>,
    rule: Rule,
    gate: watch::Sender<bool>,
    flooded: Arc<Mutex<Option<usize>>>,
}

impl Each {
    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some(seen) = request(&mut stream).await else { return };
        let act = lock(&self.rule)(&seen);
        lock(&self.seen).push(seen.clone());
        let answer = match act {
            Act::Clean => clean(&seen),
            Act::Say(status) => json(&body(&seen, status, "")),
            Act::Raw(text) => text,
            Act::Gate => {
                let _ = self.gate.subscribe().wait_for(|open| *open).await;
                clean(&seen)
            }
            Act::GatedSay(status) => {
                let _ = self.gate.subscribe().wait_for(|open| *open).await;
                json(&body(&seen, status, ""))
            }
            Act::Hang => std::future::pending().await,
            Act::Close => return,
            Act::Flood(head) => return self.flood(stream, head).await,
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    /// Sends one chunk after the other, up to 100 MB.
    async fn flood(&self, mut stream: impl AsyncWrite + Unpin, head: &str) {
        let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
        let mut sent = 0;
        let _ = stream.write_all(head.as_bytes()).await;
        while sent < 100_000_000 && stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        *lock(&self.flooded) = Some(sent);
    }
}

pub(crate) fn json(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncarrier-time-ms: 1500\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn body(seen: &Seen, status: &str, rest: &str) -> String {
    let (request, msisdn) = (seen.header("changtong-request"), seen.field("msisdn"));
    format!(r#"{{"request":"{request}","msisdn":"{msisdn}","status":"{status}"{rest}}}"#)
}

fn clean(seen: &Seen) -> String {
    let (first, last) = (seen.field("first_day"), seen.field("last_day"));
    let rest = format!(r#","covered":{{"first_day":"{first}","last_day":"{last}"}},"visits":[]"#);
    json(&body(seen, "trajectory", &rest))
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let seen = Seen { head: head.to_owned(), body: body.to_owned() };
        if seen.header("content-length").parse() == Ok(body.len()) {
            return Some(seen);
        }
    }
}
