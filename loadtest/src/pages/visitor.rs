//! A citizen's browser as far as this load needs one: it signs in with the code that development shows, applies if the phone has
//! no code yet, and lends its session to the connections that are measured. It runs no script and asks no carrier.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::line::{Answer, Line};
use crate::clock;
use crate::fleet::Fleet;

/// A message is there before its form is answered; this is for a busy machine.
const MESSAGE: Duration = Duration::from_secs(10);
/// Between two looks at the inbox.
const LOOK: Duration = Duration::from_millis(50);

/// One browser, on one connection.
pub(super) struct Visitor {
    line: Line,
    host: String,
    cookie: String,
}

/// What a page said.
struct Page {
    status: u16,
    location: String,
    body: String,
}

#[derive(Deserialize)]
struct Message {
    phone: String,
    code: String,
}

impl Visitor {
    /// A browser whose visitor is signed in with that phone and has a code.
    pub(super) async fn with_code(
        (fleet, pages): (&Fleet, SocketAddr),
        phone: &str,
        document: &str,
    ) -> anyhow::Result<Self> {
        let line = Line::connect(pages).await.context("connecting to the pages")?;
        let host = format!("localhost:{}", pages.port());
        let mut visitor = Self { line, host, cookie: String::new() };
        visitor.sign_in(fleet.http, phone).await.context("signing in")?;
        if !visitor.get("/code").await?.body.contains("id=\"passes\"") {
            visitor.apply(document).await.context("applying")?;
        }
        Ok(visitor)
    }

    /// A whole GET of this visitor's.
    pub(super) fn request(&self, path: &str) -> Vec<u8> {
        let cookie =
            if self.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", self.cookie) };
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n", self.host).into_bytes()
    }

    /// Whether that page is there, and says that. Its bytes.
    pub(super) async fn check(&mut self, path: &str, expected: &str) -> anyhow::Result<usize> {
        let page = self.get(path).await?;
        ensure!(
            page.status == 200 && page.body.contains(expected),
            "{path} answers {} and is not the page that is to be measured",
            page.status
        );
        Ok(page.body.len())
    }

    async fn sign_in(&mut self, inbox: SocketAddr, phone: &str) -> anyhow::Result<()> {
        let token = self.get("/in").await?.token()?;
        let asked = self.post("/in", &[("token", &token), ("phone", phone), ("next", "/code")]).await?;
        ensure!(
            asked.status == 303,
            "no code is sent ({}): a phone gets one a minute and ten a day, so wait, or give another with --phone and --document",
            asked.status
        );
        let code = message(inbox, phone).await?;
        let token = self.get(&asked.location).await?.token()?;
        let fields = [("token", token.as_str()), ("code", &code), ("next", "/code")];
        let checked = self.post("/in/code", &fields).await?;
        ensure!(
            checked.status == 303 && checked.location == "/code",
            "the code is not taken ({})",
            checked.status
        );
        Ok(())
    }

    async fn apply(&mut self, document: &str) -> anyhow::Result<()> {
        let token = self.get("/apply").await?.token()?;
        let fields = [
            ("token", token.as_str()),
            ("back", "/code"),
            ("name", "做试验"),
            ("kind", "id-card"),
            ("number", document),
            ("district", "360102"),
            ("declared", "no"),
        ];
        let applied = self.post("/apply", &fields).await?;
        ensure!(
            applied.status == 303,
            "the form is not taken ({}): is --document that of --phone?",
            applied.status
        );
        Ok(())
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Page> {
        let request = self.request(path);
        self.send(&request).await.with_context(|| format!("GET {path}"))
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let (host, cookie, body) = (&self.host, &self.cookie, encoded(fields));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
            Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes()).await.with_context(|| format!("POST {path}"))
    }

    async fn send(&mut self, request: &[u8]) -> anyhow::Result<Page> {
        let answer = self.line.ask(request).await?;
        if let Some(cookie) = answer.header("set-cookie").and_then(|set| set.split(';').next()) {
            // The pages have one cookie only.
            cookie.clone_into(&mut self.cookie);
        }
        Page::of(&answer)
    }
}

impl Page {
    fn of(answer: &Answer<'_>) -> anyhow::Result<Self> {
        let location = answer.header("location").unwrap_or_default().to_owned();
        Ok(Self { status: answer.status, location, body: answer.text()?.to_owned() })
    }

    /// What this session's forms carry.
    fn token(&self) -> anyhow::Result<String> {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").context("a page without a form")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }
}

/// The code that was sent to that phone; the inbox shows the newest first, and numbers masked.
async fn message(inbox: SocketAddr, phone: &str) -> anyhow::Result<String> {
    let masked = phone.get(..3).zip(phone.get(7..)).context("a phone number has 11 digits")?;
    let masked = format!("{}****{}", masked.0, masked.1);
    let request = format!("GET /dev/sms HTTP/1.1\r\nHost: {inbox}\r\n\r\n");
    let mut line = Line::connect(inbox).await.context("connecting to the inbox")?;
    let asked = clock::now();
    loop {
        let answer = line.ask(request.as_bytes()).await?;
        ensure!(answer.status == 200, "this city shows no messages ({})", answer.status);
        let messages: Vec<Message> = serde_json::from_str(answer.text()?).context("reading the inbox")?;
        if let Some(message) = messages.into_iter().find(|message| message.phone == masked) {
            return Ok(message.code);
        }
        if clock::since(asked) > MESSAGE {
            bail!("no message came");
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
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
