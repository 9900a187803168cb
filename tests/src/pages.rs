//! A citizen's browser without a script, at a running city's pages: one cookie, one request on one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use registry::Phone;
use serde_json::Value;

use crate::{City, wait_for};

const COOKIE: &str = "__Host-session=";

/// The answer of a page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The place where it leads, if it leads on.
    pub location: Option<String>,
    /// The page.
    pub body: String,
}

impl Page {
    /// The values of the inputs of that name, in order.
    pub fn values(&self, name: &str) -> Vec<String> {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.body.split(&mark).skip(1);
        rest.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    }

    /// The first of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn value(&self, name: &str) -> String {
        let values = self.values(name);
        values.into_iter().next().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }
}

/// One browser.
#[derive(Clone)]
pub struct Visitor {
    pages: SocketAddr,
    cookie: Option<String>,
}

impl Visitor {
    /// A browser that was never here.
    pub fn new(city: &City) -> Self {
        Self { pages: city.fleet().pages.expect("a development city has pages"), cookie: None }
    }

    /// Loads a page.
    pub fn get(&mut self, path: &str) -> Page {
        self.ask("GET", path, "").expect("the pages answer")
    }

    /// Sends a form.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.try_post(path, fields).expect("the pages answer")
    }

    /// Sends a form to pages that may be gone.
    pub fn try_post(&mut self, path: &str, fields: &[(&str, &str)]) -> Option<Page> {
        let field = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
        self.ask("POST", path, &fields.iter().map(field).collect::<Vec<_>>().join("&"))
    }

    /// Signs in with the code that development shows; the page to which that leads.
    pub fn sign_in(&mut self, city: &City, phone: &str, next: &str) -> Page {
        let token = self.get(&format!("/in?next={next}")).value("token");
        let sent = self.post("/in", &[("token", &token), ("phone", phone), ("next", next)]);
        assert_eq!(sent.status, 303, "{}", sent.body);
        let masked = Phone::parse(phone).expect("a number").masked();
        let code = wait_for("a message", || {
            let messages: Value = serde_json::from_str(&city.get("/dev/sms")?.1).ok()?;
            let mine = messages.as_array()?.iter().find(|message| message["phone"] == masked.as_str())?;
            Some(mine["code"].as_str()?.to_owned())
        });
        let token = self.get(&sent.location.expect("a next step")).value("token");
        let signed = self.post("/in/code", &[("token", &token), ("code", &code), ("next", next)]);
        assert_eq!((signed.status, signed.location.as_deref()), (303, Some(next)), "{}", signed.body);
        self.get(next)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Option<Page> {
        let mut stream = TcpStream::connect_timeout(&self.pages, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let host = format!("localhost:{}", self.pages.port());
        let path = path.split('#').next().unwrap_or(path);
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {COOKIE}{cookie}\r\n");
        }
        if method == "POST" {
            let length = body.len();
            head += &format!(
                "Origin: http://{host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
            );
        }
        write!(stream, "{head}\r\n{body}").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line.split_once(": ").map(|(_, value)| value.to_owned())
        };
        if let Some(set) = header("set-cookie:")
            && let Some(value) = set.strip_prefix(COOKIE)
        {
            self.cookie = value.split(';').next().map(ToOwned::to_owned);
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Page { status, location: header("location:"), body: body.to_owned() })
    }
}

fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(byte).collect()
}
