//! The travel module: consent, the query while it runs, what came of it in words, the carriers' own pages, and taking the consent
//! back. One component on three pages; what an outcome means for a form or for staff is said elsewhere.

mod correction;
mod fields;
mod history;
mod holdings;
mod links;
mod showing;
pub(super) mod visits;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::query::QueryError;
use actors::registrar::{GiveConsent, RegistrarError, WithdrawConsent};
use maud::{Markup, html};
use policy::QueryOutcome;
use policy::trajectory::Unavailable;
use registry::Beneficiary;
use serde::Deserialize;

use crate::portal::http::layout::{Frame, wrong};
use crate::portal::http::paths::{Next, Page};

pub(super) use correction::Offer;
pub(super) use fields::{ALONG, Fields};
pub(super) use visits::State;

use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};

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

/// Says where the query of that page stands.
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

/// Says what came, in words for people: always a preliminary result.
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

/// Says whether that page was given to this session: names that it made up itself are no pages, whoever is signed in.
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

/// The module alone, for the script.
async fn fragment(visitor: Visitor, page: web::Path<String>, back: web::Query<Back>) -> HttpResponse {
    let Some(page) = given(&visitor, &page) else { return HttpResponse::NotFound().finish() };
    let back = Next::of(back.into_inner().back);
    let body = module(&visitor, page, back.path()).into_string();
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body)
}

/// Says where the visitor goes after an act of the module; `None` for a form that is not the visitor's.
pub(super) fn begin(visitor: &Visitor, page: &str, fields: &Fields) -> Result<(Page, String), HttpResponse> {
    if !visitor.sent(&fields.token) {
        return Err(visitor.stale());
    }
    let Some(page) = Page::parse(page) else { return Err(visitor.go("/")) };
    let back = fields.back();
    let path = match page.form_path() {
        None => back,
        Some(path) if back == "/" => path,
        Some(path) => format!("{path}?next={back}"),
    };
    if visitor.proven().is_none() {
        return Err(visitor.sign_in_first(&path));
    }
    if !is_given(visitor, page) {
        return Err(visitor.page_with(
            StatusCode::NOT_FOUND,
            visitor.frame(),
            "missing-title",
            &wrong("missing"),
        ));
    }
    if page.form_path().is_some() {
        let travels = &visitor.portal.travels;
        travels.keep(visitor.session.id(), page, fields.typed(), visitor.now_s);
    }
    Ok((page, format!("{path}#travel")))
}

/// The consent is recorded and the query begins; the page that follows shows how it goes.
async fn ask(visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    let (page, path) = match begin(&visitor, &page, &fields) {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    // Looking again at a path with a fragment would only scroll, and while carriers are asked the module stands first.
    let waiting = path.trim_end_matches("#travel").to_owned();
    let (portal, session, now_s) = (visitor.portal.clone(), visitor.session.id(), visitor.now_s);
    // Sent twice: one consent is one query.
    if !state(&visitor, page).may_ask() {
        return visitor.go(&waiting);
    }
    if fields.agree != "yes" {
        portal.travels.is_now(session, page, State::NotTicked, now_s);
        return visitor.go(&path);
    }
    let (Some(proven), Some(phone)) = (visitor.proven().cloned(), visitor.session.phone.clone()) else {
        return visitor.sign_in_first("/");
    };
    if !portal.travels.claim(session, page, now_s) {
        return visitor.go(&waiting);
    }
    if portal.shares.consent(&phone, now_s).is_err() {
        portal.travels.is_now(session, page, State::Failed(QueryError::Busy), now_s);
        return visitor.go(&path);
    }
    let Some(agreed) = visitor.agreed(page) else {
        portal.travels.is_now(session, page, State::Failed(QueryError::Busy), now_s);
        return visitor.go(&path);
    };
    match portal.registrar.act(GiveConsent { proven, agreed, now_s }).await {
        Err(error) => {
            let busy = matches!(error, RegistrarError::Busy);
            let error = if busy { QueryError::Busy } else { QueryError::Failed };
            portal.travels.is_now(session, page, State::Failed(error), now_s);
        }
        Ok(consent) => {
            portal.travels.asked(session, page, consent, now_s);
            // Goes on when the visitor has left; the queries' own deadline ends it.
            actix_web::rt::spawn(async move {
                let came = portal.queries.ask(consent, &phone).await;
                portal.travels.came(session, page, consent, came);
            });
        }
    }
    visitor.go(&waiting)
}

/// Without a script: the form as far as it is filled in, with what has come meanwhile.
async fn look(visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    match begin(&visitor, &page, &fields) {
        Ok((_, path)) => visitor.go(&path),
        Err(answer) => answer,
    }
}

/// Shows, without a script, the form as far as it is filled in, with the streets of the district that was chosen.
async fn streets(visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    match begin(&visitor, &page, &fields) {
        Ok((_, path)) => visitor.go(&path.replace("#travel", "#street")),
        Err(answer) => answer,
    }
}

/// Without a script: the other view, with the form as far as it is filled in.
async fn view(mut visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    match begin(&visitor, &page, &fields) {
        Ok((_, path)) => {
            visitor.change(|session| session.elder = fields.elder == "on");
            visitor.go(path.trim_end_matches("#travel"))
        }
        Err(answer) => answer,
    }
}

/// As easy as giving it.
async fn withdraw(visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    let (page, path) = match begin(&visitor, &page, &fields) {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    let (portal, session, now_s) = (&visitor.portal, visitor.session.id(), visitor.now_s);
    let (Some(consent), Some(phone)) =
        (portal.travels.consent(session, page, now_s), visitor.session.phone.clone())
    else {
        return visitor.go(&path);
    };
    let taken = portal.registrar.act(WithdrawConsent { consent, phone }).await;
    portal.queries.forget(consent);
    match taken {
        Ok(()) => portal.travels.taken_back(consent),
        Err(_) => portal.travels.is_now(session, page, State::Failed(QueryError::Failed), now_s),
    }
    visitor.go(&path)
}

#[cfg(test)]
mod tests;
