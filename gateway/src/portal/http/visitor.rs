//! The visitor of a page: the sealed session of the cookie, or a new one. Every page gets one of these, and every form is checked against
//! it before anything is read of it.

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use actors::session::Session;
use actors::sms::{Asker, KNOWN_S_MAX, ProvenPhone};
use maud::Markup;
use registry::Phone;
use runtime::clock;

use super::extract::early;
use super::guard;
use super::layout::{self, Frame};
use super::paths::Page;
use crate::leading::Lead;
use crate::portal::Portal;

/// The session: sent by this origin only, over TLS or on this machine, and hidden from scripts.
const COOKIE: &str = "__Host-session";
/// The phones that this browser has proven; it opens nothing.
const KNOWN_COOKIE: &str = "__Host-known";

/// The time after which a visitor tries again when no gateway leads: another one leads within about as much, in seconds.
const LEADS_AGAIN_S: u32 = 5;

/// Paths that forms are sent to and no page can be asked for, each with a page where such a form stands.
const FORMS: [(&str, &str); 8] = [
    ("/appeal", "/why"),
    ("/code/digits", "/code"),
    ("/code/paper", "/code/paper/0"),
    ("/in/again", "/in/code"),
    ("/privacy/consent", "/privacy"),
    ("/staff/form", "/staff"),
    ("/staff/end", "/staff"),
    ("/travel/", "/code"),
];

/// The visitor of one request.
pub(crate) struct Visitor {
    pub(crate) portal: web::Data<Portal>,
    pub(crate) session: Session,
    pub(crate) now_s: u64,
    /// The place where the request comes from.
    pub(crate) client: IpAddr,
    /// The address of the page, for a way back to it.
    here: String,
    /// The page to which a sign-in leads back.
    pub(crate) way_back: String,
    /// True if the browser has the session as it is now.
    kept: bool,
    /// The browser's memory of phones that it has proven, and whether it has to be told.
    known: (String, bool),
}

/// Returns the address of the client, as far as it can be believed.
pub(crate) fn client_of(request: &HttpRequest, portal: &Portal) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.ip());
    portal.shares.client(peer, request.headers())
}

/// Gives the address of the page, for a way back to it. What a form was answered with is seen again where the form stood, of which the form's
/// handler knows more.
fn here(request: &HttpRequest) -> String {
    let (path, query) = (request.path(), request.query_string());
    if *request.method() == Method::GET {
        return if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    }
    let page =
        path.strip_prefix("/travel/").and_then(|rest| Page::parse(rest.split('/').next()?)?.form_path());
    let form = FORMS.iter().find(|(sent_to, _)| path.starts_with(sent_to));
    page.unwrap_or_else(|| form.map_or(path, |(_, stands_at)| stands_at).to_owned())
}

/// Gives the page to which a sign-in leads back, without what names one of its subjects.
fn way_back(request: &HttpRequest) -> String {
    let form =
        FORMS.iter().find(|(sent_to, _)| *request.method() == Method::POST && request.path() == *sent_to);
    let pattern = request.match_pattern().unwrap_or_default();
    let page = pattern.split("/{").next().unwrap_or_default();
    form.map_or(page, |(_, stands_at)| stands_at).to_owned()
}

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::open(request))
    }
}

impl Visitor {
    /// Opens the visitor's session, and counts a form for the phone that it has proven; the error is the answer to one too many.
    pub(crate) fn open(request: &HttpRequest) -> Result<Self, Error> {
        let portal = request.app_data::<web::Data<Portal>>().expect("every page has the portal").clone();
        let now_s = clock::now_s();
        let cookie = request.cookie(COOKIE);
        let known = cookie.and_then(|cookie| portal.sessions.open(cookie.value(), now_s));
        let kept = known.is_some();
        let session = known.unwrap_or_else(|| portal.sessions.fresh(now_s));
        let phone = session.proven(now_s).and_then(|proven| proven.phone(now_s));
        if let Some(phone) = phone.filter(|_| *request.method() == Method::POST)
            && let Err(after_s) = portal.shares.post(phone, now_s)
        {
            return Err(early(guard::too_often(after_s)));
        }
        let (client, here, way_back) = (client_of(request, &portal), here(request), way_back(request));
        let known = request.cookie(KNOWN_COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
        Ok(Self { portal, session, now_s, client, here, way_back, kept, known: (known, false) })
    }

    /// Returns the visitor as the sender of a request for a code to that phone, or of a code that was typed.
    pub(crate) fn asker(&self, phone: &Phone) -> Asker {
        let known = self.portal.sms.is_known(&self.known.0, phone, self.now_s);
        Asker { session: self.session.id(), client: self.client, known }
    }

    /// Notes that the browser has proven the phone; the answer sets the cookie.
    pub(crate) fn knows(&mut self, proven: &ProvenPhone) {
        self.known = (self.portal.sms.known(&self.known.0, proven, self.now_s), true);
    }

    /// The proof of the phone, if the visitor is signed in.
    pub(crate) fn proven(&self) -> Option<&ProvenPhone> {
        self.session.proven(self.now_s)
    }

    /// Returns the hidden field `token` of every form of this visitor.
    pub(crate) fn token(&self) -> String {
        self.portal.sessions.form_token(&self.session)
    }

    /// The hidden field of a form.
    pub(crate) fn field(&self) -> Markup {
        maud::html! { input type="hidden" name="token" value=(self.token()); }
    }

    /// True if a form with that token is one of this visitor's.
    pub(crate) fn sent(&self, token: &str) -> bool {
        self.portal.sessions.is_form_of(&self.session, token)
    }

    /// The frame of a page for this visitor.
    pub(crate) fn frame(&self) -> Frame {
        Frame { elder: self.session.elder, signed_in: self.proven().is_some(), ..Frame::default() }
    }

    /// Sets the page of the form whose answer is a page as well, for a way back: the answer's own address is none.
    pub(crate) fn is_at(&mut self, path: String) {
        self.here = path;
    }

    /// Changes the session; the browser gets it with the answer.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Session)) {
        change(&mut self.session);
        self.kept = false;
    }

    /// Answers with a page.
    pub(crate) fn page(&self, frame: Frame, title: &str, body: &Markup) -> HttpResponse {
        self.page_with(StatusCode::OK, frame, title, body)
    }

    /// Answers with a page and a status.
    pub(crate) fn page_with(
        &self,
        status: StatusCode,
        frame: Frame,
        title: &str,
        body: &Markup,
    ) -> HttpResponse {
        let mut answer = HttpResponse::build(status);
        self.keep(&mut answer);
        // A page that is not there is no mistake in a form.
        let is_error =
            (status.is_client_error() || status.is_server_error()) && status != StatusCode::NOT_FOUND;
        let frame = Frame { wrong: frame.wrong || is_error, ..frame };
        let not_here = self.not_here(status).inspect(|_| {
            answer.insert_header((header::RETRY_AFTER, LEADS_AGAIN_S));
        });
        let body = maud::html! { @if let Some(not_here) = not_here { (not_here) } (body) };
        answer
            .content_type("text/html; charset=utf-8")
            .body(layout::page(frame, &self.here, title, &body).into_string())
    }

    /// Returns the notice of a page that nothing can be recorded, because this gateway does not lead its fleet, with the way to the one that does.
    fn not_here(&self, status: StatusCode) -> Option<Markup> {
        let leading = &self.portal.leading;
        if status != StatusCode::SERVICE_UNAVAILABLE || leading.now() == Lead::Here {
            return None;
        }
        Some(match leading.origin_elsewhere() {
            Some(origin) => layout::is_elsewhere(&origin, &self.here),
            None => layout::notice("leads-nobody"),
        })
    }

    /// Answers with a page that says why there is no other.
    pub(crate) fn refused(&self, status: StatusCode, title: &str, body: &Markup) -> Error {
        early(self.page_with(status, self.frame(), title, body))
    }

    /// Sends the browser to another page of ours, by GET.
    pub(crate) fn go(&self, path: &str) -> HttpResponse {
        let mut answer = HttpResponse::SeeOther();
        self.keep(&mut answer);
        answer.insert_header((header::LOCATION, path)).finish()
    }

    /// Sends the browser to sign in first, and then back to `path`.
    pub(crate) fn sign_in_first(&self, path: &str) -> Error {
        early(self.go(&format!("/in?next={path}")))
    }

    /// Forgets the session in this browser.
    pub(crate) fn leave(&self, path: &str) -> HttpResponse {
        let mut gone = cookie(String::new());
        gone.make_removal();
        HttpResponse::SeeOther().cookie(gone).insert_header((header::LOCATION, path)).finish()
    }

    /// Answers a form that is not this visitor's: too old, or another site's.
    pub(crate) fn stale(&self) -> Error {
        self.refused(StatusCode::FORBIDDEN, "stale-title", &layout::wrong("stale"))
    }

    fn keep(&self, answer: &mut HttpResponseBuilder) {
        if !self.kept {
            answer.cookie(cookie(self.portal.sessions.seal(&self.session)));
        }
        if let (known, true) = &self.known {
            answer.cookie(kept_for(KNOWN_COOKIE, known.clone(), KNOWN_S_MAX));
        }
    }
}

fn cookie(value: String) -> Cookie<'static> {
    kept_for(COOKIE, value, registry::periods::PROVEN_S_MAX)
}

fn kept_for(name: &'static str, value: String, seconds: u64) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds as i64))
        .finish()
}
