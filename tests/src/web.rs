//! A citizen's browser as far as pages need one: GET and POST of forms over plain HTTP on loopback, with a cookie jar that keeps the
//! session. It runs no script; what a page looks like is looked at elsewhere.

pub mod shift;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use registry::Phone;
use serde_json::Value;

use crate::{City, block_on, wait_for};

/// The outcome of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first header with that name, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Says where it sends the browser.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// The value of the page's first attribute with that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()
    }
}

/// A request, as bytes: what a hostile client sends may be anything.
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// Headers beside Host, Content-Length and the cookie.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// A browser with its cookies.
#[derive(Clone)]
pub struct Browser {
    address: SocketAddr,
    /// Its place, as the city's proxy says; `None` without one between.
    client: Option<IpAddr>,
    cookies: Vec<(String, String)>,
}

/// The proxy that a development city trusts.
const PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

impl Browser {
    /// One that has never been there.
    pub fn new(city: &City) -> Self {
        let address = city.fleet().pages.expect("a development city has pages");
        Self { address, client: None, cookies: Vec::new() }
    }

    /// The same somewhere else, with the city's proxy between.
    pub fn elsewhere(city: &City, client: IpAddr) -> Self {
        Self { client: Some(client), ..Self::new(city) }
    }

    /// Signs in with the code that development shows. Each phone gets one a minute.
    pub fn signed_in(city: &City, phone: &str) -> Self {
        let mut browser = Self::new(city);
        let asked = browser.submit("/in", &[("phone", phone), ("next", "/apply")]);
        assert_eq!((asked.status, asked.location()), (303, "/in/code?next=/apply"), "{}", asked.body);
        let code = message(city, phone);
        let code = [("code", code.as_str()), ("next", "/apply")];
        let token = browser.token("/in/code");
        let checked = browser.post("/in/code", &[&[("token", token.as_str())], &code[..]].concat());
        assert_eq!((checked.status, checked.location()), (303, "/apply"), "{}", checked.body);
        browser
    }

    /// Says what this session's forms carry, from that page.
    pub fn token(&mut self, path: &str) -> String {
        let page = self.get(path);
        let (_, rest) = page.body.split_once("name=\"token\" value=\"").expect("a page with a form");
        rest.split('"').next().expect("a token").to_owned()
    }

    /// GET.
    pub fn get(&mut self, path: &str) -> Answer {
        let path = path.split('#').next().unwrap_or_default();
        self.send(&Request { method: "GET", path, headers: &[], body: b"" }).expect("an answer")
    }

    /// Loads the form at that path and sends it with these fields, as its page does.
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token(path);
        self.post(path, &[&[("token", token.as_str())], fields].concat())
    }

    /// Sends a form from a page of the same origin.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = self.origin();
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", origin.as_str())];
        let body = encoded(fields);
        let request = Request { method: "POST", path, headers: &headers, body: body.as_bytes() };
        self.send(&request).expect("an answer")
    }

    /// The pages' origin, as browsers write it.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Sends anything; an error is why there was no answer.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Answer, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = self.connect().map_err(text)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(text)?;
        let Request { method, path, headers, body } = request;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\n", self.address.port());
        head += &format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
        if let Some(client) = self.client {
            head += &format!("X-Forwarded-For: {client}\r\n");
        }
        for (name, value) in *headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.cookies.is_empty() {
            let all: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("Cookie: {}\r\n", all.join("; "));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).map_err(text)?;
        // A server that has seen enough of a body that is too long does not read the rest.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return Err(read.err().map_or("no answer".to_owned(), text));
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        let answer = Answer { status, head: head.to_owned(), body };
        self.keep(&answer.head);
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        if self.client.is_none() {
            return TcpStream::connect_timeout(&self.address, Duration::from_secs(5));
        }
        let stream = block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(PROXY)?;
            socket.connect(self.address).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn keep(&mut self, head: &str) {
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// The newest code that development shows for that phone, once there is one.
pub fn message(city: &City, phone: &str) -> String {
    let masked = Phone::parse(phone).expect("a number").masked();
    wait_for("a message", || {
        let messages: Value = serde_json::from_str(&city.get("/dev/sms")?.1).ok()?;
        let mine = messages.as_array()?.iter().find(|message| message["phone"] == masked.as_str())?;
        Some(mine["code"].as_str()?.to_owned())
    })
}

/// A form's body.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let percent = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
                _ => out += &format!("%{byte:02X}"),
            }
        }
        out
    };
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    pairs.join("&")
}

fn unchunked(body: &str) -> String {
    let mut rest = body;
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        out += chunk;
        rest = after.get(size + 2..).unwrap_or_default();
    }
    out
}
