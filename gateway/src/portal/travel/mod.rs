//! The travel module: consent, the query while it runs, what came of it in words, the carriers' own pages, and taking the consent
//! back. One component on three pages; what an outcome means for a form or for staff is said elsewhere.

mod correction;
mod fields;
mod history;
mod holdings;
mod links;
mod showing;
pub(super) mod visits;

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use actors::query::QueryError;
use actors::registrar::{GiveConsent, RegistrarError, WithdrawConsent};
use maud::{Markup, html};
use policy::QueryOutcome;
use policy::trajectory::Unavailable;
use registry::{Beneficiary, ConsentId};
use serde::Deserialize;

use crate::portal::http::extract::{OwnForm, SignedIn, early};
use crate::portal::http::layout::{Frame, wrong};
use crate::portal::http::paths::{Next, Page};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};

pub(super) use correction::Offer;
pub(super) use fields::{ALONG, Fields};
pub(super) use visits::State;

/// The carriers' own pages are offered from then on: a page without a script looks again every two seconds, and sees it at four.
const LINK_AFTER_S: u64 = 3;
/// The interval at which a page without a script looks for an answer.
const LOOK_S: u32 = 2;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/travel/{page}", web::get().to(fragment))
        .route("/travel/{page}/ask", web::post().to(ask))
        .route("/travel/{page}/look", web::post().to(look))
        .route("/travel/{page}/streets", web::post().to(streets))
        .route("/travel/{page}/view", web::post().to(view))
        .route("/travel/{page}/withdraw", web::post().to(withdraw));
    showing::routes(config);
}

/// Returns the state of the query of that page.
pub(crate) fn state(visitor: &Visitor, page: Page) -> State {
    visitor.portal.travels.state(visitor.session.id(), page, visitor.now_s)
}

/// The frame of a page on which the module stands: with the script that brings the answer into the page, and without a script the
/// page looks again by itself.
pub(crate) fn frame(visitor: &Visitor, page: Page) -> Frame {
    let refresh_s = match state(visitor, page) {
        // A form that is being filled in is not thrown away by looking again; it has a button for that.
        State::Waiting { since_s } if page.form_path().is_some() && is_long(visitor, since_s) => None,
        State::Waiting { .. } => Some(LOOK_S),
        State::NotAsked
        | State::NotTicked
        | State::Offered(_)
        | State::Came(_)
        | State::Failed(_)
        | State::Withdrawn => None,
    };
    let refresh_at = Some(("travel", visitor.now_s));
    let wrong = matches!(state(visitor, page), State::NotTicked | State::Failed(_));
    let keeps = Some(page).filter(|page| page.form_path().is_some());
    Frame { script: Some("travel.js"), refresh_s, refresh_at, keeps, wrong, ..visitor.frame() }
}

/// The module, for a signed-in visitor. On a form's page it stands inside of the form and sends its fields along; elsewhere it has a
/// form of its own, and `back` is the page's path. Beside it stands what the script has read out when an answer comes.
pub(crate) fn module(visitor: &Visitor, page: Page, back: &str) -> Markup {
    let state = state(visitor, page);
    let inner = html! {
        h2 #travel-title tabindex="-1" { (both("travel-title")) }
        @match &state {
            State::NotAsked => (consent(visitor, page)),
            State::NotTicked => { (problem("travel-tick-first")) (consent(visitor, page)) },
            State::Withdrawn => { p.notice data-said { (both("travel-withdrawn")) } (consent(visitor, page)) },
            State::Waiting { since_s } => (waiting(visitor, page, *since_s)),
            State::Offered(consent) => (showing::offered(visitor, page, *consent, back)),
            State::Came(answered) => {
                @if page.form_path().is_some() { (came(visitor, page, &answered.outcome)) }
                @else { (showing::came(visitor, page, answered, back)) }
                // Who had no answer is told to try again, and can.
                @if state.may_ask() { (consent(visitor, page)) }
            },
            State::Failed(error) => {
                (problem(problem_of(page, *error)))
                (links::drawn(visitor))
                (consent(visitor, page))
            },
        }
    };
    let source = format!("/travel/{}?back={back}", page.name());
    let waits = matches!(state, State::Waiting { .. });
    html! {
        section #travel.travel aria-labelledby="travel-title" data-source=(source) data-waits[waits] {
            @if page.form_path().is_some() { (inner) (history::shown(visitor, page)) }
            @else {
                form method="post" action={ "/travel/" (page.name()) "/ask" } {
                    (visitor.field())
                    input type="hidden" name="back" value=(back);
                    (inner)
                }
            }
        }
        p.away #travel-said role="status" {}
    }
}

fn consent(visitor: &Visitor, page: Page) -> Markup {
    let (what, agree) = match visitor.beneficiary(page).unwrap_or(Beneficiary::Owner) {
        Beneficiary::Owner if page.form_path().is_some() => ("travel-what", "travel-agree"),
        Beneficiary::Owner => ("travel-what-place", "travel-agree"),
        Beneficiary::Ward(_) if page.form_path().is_some() => ("travel-what-ward", "travel-agree-ward"),
        Beneficiary::Ward(_) => ("travel-what-ward-gate", "travel-agree-ward"),
    };
    html! {
        p.hint { (both(what)) }
        label.choice { input type="checkbox" name="agree" value="yes"; span { (both(agree)) } }
        (button(page, "ask", "travel-ask"))
        @if page.form_path().is_none() { (button(page, "receipt", "showing-offer")) }
    }
}

/// A button of the module, beside those of the form around it.
pub(super) fn button(page: Page, act: &str, key: &str) -> Markup {
    html! {
        button.quiet type="submit" formaction={ "/travel/" (page.name()) "/" (act) } formnovalidate data-travel { (both(key)) }
    }
}

fn waiting(visitor: &Visitor, page: Page, since_s: u64) -> Markup {
    html! {
        div.spin aria-hidden="true" {}
        p data-said { (both("travel-waiting")) }
        @if is_long(visitor, since_s) {
            p.notice { (both("travel-waiting-long")) }
            @if page.form_path().is_some() { p.hint { (both("travel-waiting-form")) } }
            (links::drawn(visitor))
            @if page.form_path().is_some() { noscript { (button(page, "look", "travel-look")) } }
        }
        (button(page, "withdraw", "travel-withdraw"))
    }
}

fn is_long(visitor: &Visitor, since_s: u64) -> bool {
    visitor.now_s.saturating_sub(since_s) >= LINK_AFTER_S
}

fn came(visitor: &Visitor, page: Page, outcome: &QueryOutcome) -> Markup {
    html! {
        p.notice data-said data-outcome=(name(outcome)) { (said(outcome)) }
        @if outcome.offers_travel_page() { (links::drawn(visitor)) }
        (button(page, "withdraw", "travel-withdraw"))
        @if matches!(outcome, QueryOutcome::Stay(_)) && page.form_path().is_some() {
            p.hint { (both(if visitor.beneficiary(page) == Some(Beneficiary::Owner) { "travel-withdraw-stay" } else { "travel-phone-only" })) }
        }
    }
}

/// Draws an outcome in words: always a preliminary result.
pub(crate) fn said(outcome: &QueryOutcome) -> Markup {
    match outcome {
        QueryOutcome::Stay(stay) => {
            let day = stay.last_day.to_string();
            both_with("travel-stay", &[("area", &stay.area), ("day", &day)])
        }
        QueryOutcome::Clean => both("travel-clean"),
        QueryOutcome::Partial { covered: Some(days) } => {
            let (first, last) = (days.first.to_string(), days.last.to_string());
            both_with("travel-partial", &[("first", &first), ("last", &last)])
        }
        QueryOutcome::Partial { covered: None } => both("travel-partial-nothing"),
        QueryOutcome::NewNumber => both("travel-new-number"),
        QueryOutcome::Unanswerable => both("travel-unanswerable"),
        QueryOutcome::Unavailable(Unavailable::TimedOut) => both("travel-timed-out"),
        QueryOutcome::Unavailable(Unavailable::Refused) => both("travel-refused"),
        QueryOutcome::Unavailable(Unavailable::Busy) => both("travel-busy"),
        QueryOutcome::Unavailable(Unavailable::Unreachable) => both("travel-unreachable"),
        QueryOutcome::Unavailable(Unavailable::Garbage) => both("travel-garbage"),
        QueryOutcome::Unavailable(Unavailable::Paused) => both("travel-paused"),
        QueryOutcome::NotAsked => both("travel-not-asked"),
    }
}

/// For scripts and tests.
const fn name(outcome: &QueryOutcome) -> &'static str {
    match outcome {
        QueryOutcome::Stay(_) => "stay",
        QueryOutcome::Clean => "clean",
        QueryOutcome::Partial { .. } => "partial",
        QueryOutcome::NewNumber => "new-number",
        QueryOutcome::Unanswerable => "unanswerable",
        QueryOutcome::Unavailable(_) => "unavailable",
        QueryOutcome::NotAsked => "not-asked",
    }
}

fn problem(key: &str) -> Markup {
    html! { p.field-wrong data-said { (both(key)) } }
}

/// Names the words for a failure; on a punch's page there is nothing to declare with.
fn problem_of(page: Page, error: QueryError) -> &'static str {
    let is_form = page.form_path().is_some();
    match error {
        QueryError::Consent | QueryError::Receipt | QueryError::ReceiptExpired => "travel-consent-over",
        QueryError::Busy if is_form => "travel-busy",
        QueryError::Busy => "travel-busy-place",
        QueryError::Failed if is_form => "travel-failed",
        QueryError::Failed => "travel-failed-place",
    }
}

#[derive(Deserialize)]
struct Back {
    back: Option<String>,
}

/// True if that page was given to this session; a made-up name is no page.
fn is_given(visitor: &Visitor, page: Page) -> bool {
    match page {
        Page::Apply | Page::Ward => true,
        Page::Modify(_) => visitor.subject(page).is_some(),
        Page::Place(press) => visitor.portal.presses.came(press, visitor.session.id()).is_some(),
    }
}

/// The page with that name, of those that were given to this session.
fn given(visitor: &Visitor, name: &str) -> Option<Page> {
    Page::parse(name).filter(|&page| visitor.proven().is_some() && is_given(visitor, page))
}

/// Gives the module alone, for the script.
async fn fragment(visitor: Visitor, page: web::Path<String>, back: web::Query<Back>) -> HttpResponse {
    let Some(page) = given(&visitor, &page) else { return HttpResponse::NotFound().finish() };
    let back = Next::of(back.into_inner().back);
    let body = module(&visitor, page, back.path()).into_string();
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body)
}

/// A pressed button of the module, with the form's fields as far as they are filled in; these are kept.
struct Pressed {
    who: SignedIn,
    page: Page,
    /// The page of the module, where the visitor goes afterwards.
    path: String,
    fields: Fields,
}

impl Pressed {
    fn of(name: &str, form: OwnForm<Fields>) -> Result<Self, Error> {
        let OwnForm { sender: visitor, fields, .. } = form;
        let Some(page) = Page::parse(name) else { return Err(early(visitor.go("/"))) };
        let back = fields.back();
        let path = match page.form_path() {
            None => back,
            Some(path) if back == "/" => path,
            Some(path) => format!("{path}?next={back}"),
        };
        let who = SignedIn::or_first(visitor, &path)?;
        if !is_given(&who, page) {
            return Err(who.refused(StatusCode::NOT_FOUND, "missing-title", &wrong("missing")));
        }
        if page.form_path().is_some() {
            who.portal.travels.keep(who.session.id(), page, fields.typed(), who.now_s);
        }
        Ok(Self { who, page, path, fields })
    }

    /// Sends the browser back to the page, to the module.
    fn back(&self) -> HttpResponse {
        self.who.go(&format!("{}#travel", self.path))
    }

    /// Notes another state of the query, which the page shows.
    fn shows(&self, state: State) -> HttpResponse {
        self.who.portal.travels.is_now(self.who.session.id(), self.page, state, self.who.now_s);
        self.back()
    }

    /// Records the consent to one query; `None` while one is under way. The error is the state that the page shows instead.
    async fn consent(&self) -> Result<Option<ConsentId>, State> {
        let (who, page, now_s) = (&self.who, self.page, self.who.now_s);
        // Sent twice: one consent is one query.
        if !state(who, page).may_ask() {
            return Ok(None);
        }
        if self.fields.agree != "yes" {
            return Err(State::NotTicked);
        }
        if !who.portal.travels.claim(who.session.id(), page, now_s) {
            return Ok(None);
        }
        let within = who.portal.shares.consent(&who.phone, now_s);
        let Some(agreed) = within.ok().and_then(|()| who.agreed(page)) else {
            return Err(State::Failed(QueryError::Busy));
        };
        let proven = who.proven.clone();
        let consent = who.portal.registrar.act(GiveConsent { proven, agreed, now_s });
        consent.await.map(Some).map_err(|error| {
            tracing::warn!(%error, "a consent was not recorded");
            let is_busy = matches!(error, RegistrarError::Busy | RegistrarError::NotNow(_));
            State::Failed(if is_busy { QueryError::Busy } else { QueryError::Failed })
        })
    }
}

impl FromRequest for Pressed {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let name = request.match_info().query("page").to_owned();
        let form = OwnForm::<Fields, Visitor>::from_request(request, payload);
        Box::pin(async move { Self::of(&name, form.await?) })
    }
}

/// Records the visitor's consent and begins the query; the page that follows shows how it goes.
async fn ask(pressed: Pressed) -> HttpResponse {
    let Pressed { who, page, path, .. } = &pressed;
    let (portal, session, page) = (who.portal.clone(), who.session.id(), *page);
    match pressed.consent().await {
        Err(state) => return pressed.shows(state),
        Ok(None) => {}
        Ok(Some(consent)) => {
            portal.travels.asked(session, page, consent, who.now_s);
            let phone = who.phone.clone();
            // Goes on when the visitor has left; the queries' own deadline ends it.
            actix_web::rt::spawn(async move {
                let came = portal.queries.ask(consent, &phone).await;
                portal.travels.came(session, page, consent, came);
            });
        }
    }
    // Looking again at a path with a fragment would only scroll, and while carriers are asked the module stands first.
    who.go(path)
}

/// Shows a visitor without a script the form as far as it is filled in, with the answer that has come meanwhile.
async fn look(pressed: Pressed) -> HttpResponse {
    pressed.back()
}

/// Shows a visitor without a script the form as far as it is filled in, with the streets of the district that was chosen.
async fn streets(Pressed { who, path, .. }: Pressed) -> HttpResponse {
    who.go(&format!("{path}#street"))
}

/// Shows a visitor without a script the other view, with the form as far as it is filled in.
async fn view(Pressed { mut who, path, fields, .. }: Pressed) -> HttpResponse {
    who.change(|session| session.elder = fields.elder == "on");
    who.go(&path)
}

/// Takes the visitor's consent back, as easily as it was given.
async fn withdraw(pressed: Pressed) -> HttpResponse {
    let who = &pressed.who;
    let (portal, phone) = (&who.portal, who.phone.clone());
    let Some(consent) = portal.travels.consent(who.session.id(), pressed.page, who.now_s) else {
        return pressed.back();
    };
    let taken = portal.registrar.act(WithdrawConsent { consent, phone }).await;
    portal.queries.forget(consent);
    if taken.is_err() {
        return pressed.shows(State::Failed(QueryError::Failed));
    }
    portal.travels.taken_back(consent);
    pressed.back()
}

#[cfg(test)]
mod tests;
