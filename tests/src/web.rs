//! A browser without a script at a running city's pages: GET and POST of forms over plain HTTP on loopback, one connection for each
//! request, with a cookie jar that keeps the session. What a page looks like is tested elsewhere.

pub mod shift;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use loadtest::http::{self, Connection, FORM, Full, HeaderMap, HttpError};
use registry::Phone;
use serde_json::Value;

use crate::{City, wait_for};

/// The proxy that a development city trusts.
pub const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The response to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Returns the first header with that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the target of a redirect; empty for any other answer.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// Returns the value of the page's first attribute with that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()
    }

    /// Returns the values of the inputs with that name, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.body.split(&mark).skip(1);
        rest.map(|rest| rest.split('"').next().unwrap_or_default()).collect()
    }

    /// Returns the first of [`Self::values`].
    ///
    /// # Panics
    /// There is none.
    pub fn value(&self, name: &str) -> &str {
        self.values(name).first().copied().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }
}

/// A request: any method, headers and bytes that HTTP can carry.
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
    /// The address that the city's proxy names; `None` without a proxy.
    client: Option<IpAddr>,
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Makes a browser without cookies.
    pub fn new(city: &City) -> Self {
        let address = city.fleet().pages.expect("a development city has pages");
        Self { address, client: None, cookies: Vec::new() }
    }

    /// Makes a browser without cookies at those pages.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address, client: None, cookies: Vec::new() }
    }

    /// Returns the browser with its cookies at other pages: browsers keep them for a host, whatever the port.
    pub fn moved_to(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Makes a browser at that address, behind the city's proxy.
    pub fn elsewhere(city: &City, client: IpAddr) -> Self {
        Self { client: Some(client), ..Self::new(city) }
    }

    /// Makes a browser with that cookie.
    pub fn with_cookie(city: &City, name: &str, value: String) -> Self {
        Self { cookies: vec![(name.to_owned(), value)], ..Self::new(city) }
    }

    /// Makes a browser and signs it in.
    pub fn signed_in(city: &City, phone: &str) -> Self {
        let mut browser = Self::new(city);
        browser.sign_in(city, phone, "/apply");
        browser
    }

    /// Signs in with the code that development shows, on the way to `next`. Each phone gets one code a minute.
    pub fn sign_in(&mut self, city: &City, phone: &str, next: &str) {
        self.sign_in_by(|| message(city, phone), phone, next);
    }

    /// Does what [`Self::sign_in`] does, with the code that `message` returns.
    pub fn sign_in_by(&mut self, message: impl FnOnce() -> String, phone: &str, next: &str) {
        let asked = self.submit("/in", &[("phone", phone), ("next", next)]);
        assert_eq!(
            (asked.status, asked.location()),
            (303, &*format!("/in/code?next={next}")),
            "{}",
            asked.body
        );
        let code = message();
        let token = self.token(asked.location());
        let checked = self.post("/in/code", &[("token", &token), ("code", &code), ("next", next)]);
        assert_eq!((checked.status, checked.location()), (303, next), "{}", checked.body);
    }

    /// Loads a page and returns its form's token.
    pub fn token(&mut self, path: &str) -> String {
        self.get(path).value("token").to_owned()
    }

    /// Loads a page.
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
        self.try_post(path, fields).expect("an answer")
    }

    /// Sends a form to pages that may be gone.
    ///
    /// # Errors
    /// There is no answer.
    pub fn try_post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, HttpError> {
        let origin = self.origin();
        let headers = [("Content-Type", FORM), ("Origin", origin.as_str())];
        self.send(&Request { method: "POST", path, headers: &headers, body: http::form(fields).as_bytes() })
    }

    /// Returns the pages' origin, as browsers write it.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Sends any request.
    ///
    /// # Errors
    /// There is no answer.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Answer, HttpError> {
        let Request { method, path, headers, body } = request;
        let host = format!("localhost:{}", self.address.port());
        let mut builder = http::Request::builder().method(*method).uri(*path).header("Host", host);
        for (name, value) in *headers {
            builder = builder.header(*name, *value);
        }
        if let Some(client) = self.client {
            builder = builder.header("X-Forwarded-For", client.to_string());
        }
        if !self.cookies.is_empty() {
            let all: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            builder = builder.header("Cookie", all.join("; "));
        }
        let request = builder.body(Full::from(body.to_vec())).expect("a request");
        let from = self.client.map(|_| PROXY);
        let response =
            http::block_on(async { Connection::open(self.address, from).await?.send(request).await })?;
        let (head, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body).into_owned();
        self.keep(&head.headers);
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for set in headers.get_all("set-cookie") {
            let pair = set.to_str().ok().and_then(|set| set.split(';').next()?.split_once('='));
            let Some((name, value)) = pair else { continue };
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Waits for the newest code that development shows for that phone.
pub fn message(city: &City, phone: &str) -> String {
    message_of(phone, || city.get("/dev/sms"))
}

/// Waits for the newest code for that phone among the messages that `shown` returns, with a status.
pub fn message_of(phone: &str, shown: impl Fn() -> Option<(u16, String)>) -> String {
    let masked = Phone::parse(phone).expect("a number").masked();
    wait_for("a message", || {
        let messages: Value = serde_json::from_str(&shown()?.1).ok()?;
        let mine = messages.as_array()?.iter().find(|message| message["phone"] == masked.as_str())?;
        Some(mine["code"].as_str()?.to_owned())
    })
}
