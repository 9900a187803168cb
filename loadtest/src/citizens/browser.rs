//! A citizen's browser as far as load needs one: it signs in with the code that development shows, applies, consents, and looks at
//! pages. One session on one connection; it runs no script, loads no pictures and asks no carrier.

use std::net::{Ipv4Addr, SocketAddr};

use protocol::receipt;

use super::Receipt;
use super::error::BrowserError;
use super::inbox::Inbox;
use super::line::{Answer, Line, LineError, encoded};

/// The mark that stands on the page of one's own code and on no other.
pub(crate) const CODE_MARK: &str = "id=\"passes\"";
/// The same for a place's page.
pub(crate) const PLACE_MARK: &str = "name=\"nonce\"";

/// The state of a browser that is signed in: another one goes on with it.
#[derive(Clone)]
pub(crate) struct Session {
    cookie: String,
    /// The token of the session's forms.
    token: String,
}

/// The fields of a form of application beside the phone.
pub(crate) struct Form<'a> {
    pub(crate) name: &'a str,
    /// An identity card's number.
    pub(crate) document: &'a str,
    /// Its number in the table of regions.
    pub(crate) district: &'a str,
}

/// One browser, on one connection.
pub(crate) struct Browser {
    line: Line,
    host: String,
    session: Session,
}

/// The answer of a page.
struct Page {
    status: u16,
    location: String,
    body: String,
}

impl Browser {
    /// A browser that was never there, at an address of its own if one is given.
    pub(crate) async fn open(pages: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self, LineError> {
        let nothing = Session { cookie: String::new(), token: String::new() };
        Ok(Self::resume(Line::connect(pages, from).await?, pages, nothing))
    }

    /// One that goes on with a session.
    pub(crate) fn resume(line: Line, pages: SocketAddr, session: Session) -> Self {
        Self { line, host: format!("localhost:{}", pages.port()), session }
    }

    /// The session so far, and the connection for somebody else's use.
    pub(crate) fn end(self) -> (Line, Session) {
        (self.line, self.session)
    }

    /// A whole GET of this visitor's.
    pub(crate) fn request(&self, path: &str) -> Vec<u8> {
        let (host, cookie) = (&self.host, &self.session.cookie);
        let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n").into_bytes()
    }

    /// Says whether that page is there, and says that. Its bytes.
    pub(crate) async fn check(&mut self, path: &str, mark: &str) -> Result<usize, BrowserError> {
        let page = self.page(path).await?;
        if page.body.contains(mark) { Ok(page.body.len()) } else { Err(wrong(path)) }
    }

    /// Proves the phone; the way leads on to `next`.
    pub(crate) async fn sign_in(
        &mut self,
        inbox: &Inbox,
        phone: &str,
        next: &str,
    ) -> Result<(), BrowserError> {
        self.form(&format!("/in?next={next}")).await?;
        let asked = self.send("/in", &[("phone", phone), ("next", next)]).await?;
        let code = inbox.code_of(phone).await?;
        self.form(&asked).await?;
        let checked = self.send("/in/code", &[("code", &code), ("next", next)]).await?;
        if checked == next { Ok(()) } else { Err(wrong("/in/code")) }
    }

    /// Sends the form of application; where that leads.
    pub(crate) async fn apply(&mut self, form: &Form<'_>, back: &str) -> Result<String, BrowserError> {
        self.form("/apply").await?;
        let fields = [
            ("back", back),
            ("name", form.name),
            ("kind", "id-card"),
            ("number", form.document),
            ("district", form.district),
            ("declared", "no"),
        ];
        self.send("/apply", &fields).await
    }

    /// Checks in at the place with that link; the travel module's place on the page that follows.
    pub(crate) async fn check_in(&mut self, link: &str) -> Result<String, BrowserError> {
        let path = format!("/p/{link}");
        let page = self.page(&path).await?;
        let nonce = page.named("nonce").ok_or_else(|| wrong(&path))?.to_owned();
        page.named("token").ok_or_else(|| wrong(&path))?.clone_into(&mut self.session.token);
        let done = self.send(&path, &[("nonce", &nonce)]).await?;
        let page = self.page(&done).await?;
        let source = page.attribute("data-source").ok_or_else(|| wrong(&path))?;
        let visit = source.trim_start_matches("/travel/").split('?').next().unwrap_or_default();
        Ok(visit.to_owned())
    }

    /// Consents to one query by a device at a gate. `visit` is the travel module's place: one consent each.
    pub(crate) async fn consent(&mut self, visit: &str) -> Result<(), BrowserError> {
        let path = format!("/travel/{visit}/receipt");
        self.send(&path, &[("back", "/code"), ("agree", "yes")]).await.map(drop)
    }

    /// The receipt of that consent, drawn anew; `None` if there is none (any more).
    pub(crate) async fn receipt(&mut self, visit: &str) -> Result<Option<Receipt>, BrowserError> {
        let path = format!("/travel/{visit}?back=/code");
        let page = match self.page(&path).await {
            // The passage that it belongs to is forgotten after ten minutes.
            Err(BrowserError::Status { status: 404, .. }) => return Ok(None),
            page => page?,
        };
        let Some(text) = page.attribute("data-receipt") else { return Ok(None) };
        receipt::from_text(&text.replace("&amp;", "&")).map(Some).ok_or_else(|| wrong("/travel"))
    }

    /// Says whether a page is there, and has that in it.
    pub(crate) async fn says(&mut self, path: &str, mark: &str) -> Result<bool, BrowserError> {
        Ok(self.page(path).await?.body.contains(mark))
    }

    /// Loads the page of a form.
    async fn form(&mut self, path: &str) -> Result<(), BrowserError> {
        let page = self.page(path).await?;
        page.named("token").ok_or_else(|| wrong(path))?.clone_into(&mut self.session.token);
        Ok(())
    }

    async fn page(&mut self, path: &str) -> Result<Page, BrowserError> {
        let page = self.exchange(&self.request(path)).await?;
        if page.status == 200 {
            Ok(page)
        } else {
            Err(BrowserError::Status { path: path.to_owned(), status: page.status })
        }
    }

    /// Sends the form of this session at that path; where the answer leads.
    async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<String, BrowserError> {
        let token = ("token", self.session.token.as_str());
        let body = encoded(&[&[token], fields].concat());
        let (host, cookie, bytes) = (&self.host, &self.session.cookie, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
            Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {bytes}\r\n\r\n{body}"
        );
        let page = self.exchange(request.as_bytes()).await?;
        if page.status == 303 {
            Ok(page.location)
        } else {
            Err(BrowserError::Status { path: path.to_owned(), status: page.status })
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Page, LineError> {
        let answer = self.line.ask(request).await?;
        if let Some(cookie) = answer.header("set-cookie").and_then(|set| set.split(';').next()) {
            // The session's comes first.
            cookie.clone_into(&mut self.session.cookie);
        }
        Page::of(&answer)
    }
}

impl Page {
    fn of(answer: &Answer<'_>) -> Result<Self, LineError> {
        let location = answer.header("location").unwrap_or_default().to_owned();
        Ok(Self { status: answer.status, location, body: answer.text()?.to_owned() })
    }

    /// The value of the first field with that name.
    fn named(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }

    /// The first attribute with that name.
    fn attribute(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    }
}

fn wrong(path: &str) -> BrowserError {
    BrowserError::WrongPage { path: path.to_owned() }
}
