//! A citizen's browser for load: it signs in with the code that development shows, applies, consents, and loads
//! pages. One session on one connection; it runs no script, loads no images and asks no carrier.

use std::net::{Ipv4Addr, SocketAddr};

use protocol::receipt;

use super::Receipt;
use super::error::BrowserError;
use super::inbox::Inbox;
use crate::http::{self, Bytes, Connection, Full, HttpError, Request};

/// A text that is on the citizen's code page and on no other.
pub(crate) const CODE_MARK: &str = "id=\"passes\"";
/// A text that is on a place's page and on no other.
pub(crate) const PLACE_MARK: &str = "name=\"nonce\"";

/// The state of a signed-in browser, which another one can resume.
#[derive(Clone)]
pub(crate) struct Session {
    cookie: String,
    /// The token of the session's forms.
    token: String,
}

/// The fields of an application form beside the phone.
pub(crate) struct Form<'a> {
    pub(crate) name: &'a str,
    /// An identity card's number.
    pub(crate) document: &'a str,
    /// The district's number in the table of regions.
    pub(crate) district: &'a str,
}

/// One browser, on one connection.
pub(crate) struct Browser {
    connection: Connection,
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
    /// Opens a browser without a session, from that address of this machine if one is given.
    pub(crate) async fn open(pages: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self, HttpError> {
        let nothing = Session { cookie: String::new(), token: String::new() };
        Ok(Self::resume(Connection::open(pages, from).await?, pages, nothing))
    }

    /// Resumes a session on that connection.
    pub(crate) fn resume(connection: Connection, pages: SocketAddr, session: Session) -> Self {
        Self { connection, host: format!("localhost:{}", pages.port()), session }
    }

    /// Returns the connection, to be kept, and the session.
    pub(crate) fn end(self) -> (Connection, Session) {
        (self.connection, self.session)
    }

    /// Returns the session.
    pub(crate) fn session(&self) -> Session {
        self.session.clone()
    }

    /// Makes a GET of this session.
    pub(crate) fn request(&self, path: &str) -> Request<Full<Bytes>> {
        self.with_cookie(http::get(&self.host, path))
    }

    fn with_cookie(&self, request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        let cookie = &self.session.cookie;
        if cookie.is_empty() { request } else { http::with(request, "cookie", cookie) }
    }

    /// Loads a page and checks that it contains `mark`; returns its size in bytes.
    pub(crate) async fn check(&mut self, path: &str, mark: &str) -> Result<usize, BrowserError> {
        let page = self.page(path).await?;
        if page.body.contains(mark) { Ok(page.body.len()) } else { Err(wrong(path)) }
    }

    /// Signs in with that phone, on the way to `next`.
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

    /// Sends the application form; returns the redirect target.
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

    /// Checks in at the place with that link; returns the visit's id in the travel module's path.
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

    /// Consents to one query by a device at a gate, for that visit: each has one consent.
    pub(crate) async fn consent(&mut self, visit: &str) -> Result<(), BrowserError> {
        let path = format!("/travel/{visit}/receipt");
        self.send(&path, &[("back", "/code"), ("agree", "yes")]).await.map(drop)
    }

    /// Loads the receipt of that visit's consent; `None` if there is none, or not any more.
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

    /// Loads a page and tells if it contains `mark`.
    pub(crate) async fn says(&mut self, path: &str, mark: &str) -> Result<bool, BrowserError> {
        Ok(self.page(path).await?.body.contains(mark))
    }

    /// Loads the page of a form and keeps its token.
    async fn form(&mut self, path: &str) -> Result<(), BrowserError> {
        let page = self.page(path).await?;
        page.named("token").ok_or_else(|| wrong(path))?.clone_into(&mut self.session.token);
        Ok(())
    }

    async fn page(&mut self, path: &str) -> Result<Page, BrowserError> {
        let page = self.exchange(self.request(path)).await?;
        if page.status == 200 {
            Ok(page)
        } else {
            Err(BrowserError::Status { path: path.to_owned(), status: page.status })
        }
    }

    /// Sends a form of this session to that path; returns the redirect target.
    async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<String, BrowserError> {
        let token = ("token", self.session.token.as_str());
        let request = http::post(&self.host, path, http::FORM, http::form(&[&[token], fields].concat()));
        let request = http::with(request, "origin", &format!("http://{}", self.host));
        let page = self.exchange(self.with_cookie(request)).await?;
        if page.status == 303 {
            Ok(page.location)
        } else {
            Err(BrowserError::Status { path: path.to_owned(), status: page.status })
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Page, BrowserError> {
        let path = request.uri().path().to_owned();
        let response = self.connection.send(request).await?;
        // The session's comes first.
        if let Some(cookie) =
            http::header(&response, "set-cookie").split(';').next().filter(|it| !it.is_empty())
        {
            cookie.clone_into(&mut self.session.cookie);
        }
        let location = http::header(&response, "location").to_owned();
        let status = response.status().as_u16();
        let body = String::from_utf8(response.into_body().into()).map_err(|_| wrong(&path))?;
        Ok(Page { status, location, body })
    }
}

impl Page {
    /// Returns the value of the first field with that name.
    fn named(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }

    /// Returns the first attribute with that name.
    fn attribute(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    }
}

fn wrong(path: &str) -> BrowserError {
    BrowserError::WrongPage { path: path.to_owned() }
}
