//! The target of a place's printed code: a page that changes nothing, with one button that punches once. A forwarded link punches for
//! nobody, a reload punches for nobody twice, and what the punch came to is another page's.

mod done;
pub(crate) mod poster;
mod units;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use protocol::{CodeId, scanner};
use registry::{Holder, PlaceRow};
use runtime::clock;
use serde::Deserialize;

use crate::portal::http::layout::{notice, wrong};
use crate::portal::http::terms;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};
use crate::portal::punch::presses::{Came, Claim, Presser, Stale};
use crate::portal::punch::punches::{Ask, Whose};

/// A press waits here for its punch to be durable; after that the success page goes on waiting.
const WAIT: Duration = Duration::from_secs(4);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.configure(done::routes).configure(units::routes).configure(poster::routes);
    config.route("/p/{link}", web::get().to(page)).route("/p/{link}", web::post().to(press));
    // Some scanners close a link with a slash, some write all of it in capitals.
    for spelling in ["/p/{link}/", "/P/{link}", "/P/{link}/"] {
        config.route(spelling, web::get().to(page));
    }
}

/// The place of a link, or what to answer.
pub(super) fn found(visitor: &Visitor, link: &str) -> Result<(PlaceRow, String), HttpResponse> {
    let none = || {
        let body = html! { (wrong("place-none")) a.button.quiet href="/" { (both("product")) } };
        visitor.page_with(StatusCode::NOT_FOUND, visitor.frame(), "place-none-title", &body)
    };
    let code = scanner::place_code_of(link).ok_or_else(none)?;
    match visitor.portal.read(|registrar| registrar.place_of_link(code)) {
        Some(Ok(Some(place))) => Ok((place, format!("/p/{}", code.to_text()))),
        Some(Ok(None)) => Err(none()),
        Some(Err(error)) => Err(failed(visitor, &error, &format!("/p/{}", code.to_text()))),
        None => Err(busy(visitor, &format!("/p/{}", code.to_text()))),
    }
}

/// The holders whom the visitor may check in, or what to answer.
pub(super) fn holders(visitor: &Visitor, path: &str) -> Result<Vec<Holder>, HttpResponse> {
    let Some(proven) = visitor.proven() else { return Err(visitor.sign_in_first(path)) };
    match visitor.portal.read(|registrar| registrar.holders(proven, visitor.now_s)) {
        Some(Ok(holders)) => Ok(holders),
        Some(Err(error)) => Err(failed(visitor, &error, path)),
        None => Err(busy(visitor, path)),
    }
}

pub(super) fn busy(visitor: &Visitor, path: &str) -> HttpResponse {
    let body = html! { (wrong("place-busy")) a.button href=(path) { (both("place-again")) } };
    visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "place-busy-title", &body)
}

fn failed(visitor: &Visitor, error: &dyn std::error::Error, path: &str) -> HttpResponse {
    tracing::error!(%error, "a place's page cannot be read");
    busy(visitor, path)
}

async fn page(visitor: Visitor, link: web::Path<String>) -> HttpResponse {
    let read = found(&visitor, &link).and_then(|(place, path)| Ok((holders(&visitor, &path)?, place, path)));
    let (holders, place, path) = match read {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    if holders.is_empty() {
        return visitor.page(visitor.frame(), "place-title", &no_code(&place, &path));
    }
    let body = html! { (head(&place)) (buttons(&visitor, &place, &holders, &path)) };
    visitor.page(visitor.frame(), "place-title", &body)
}

fn head(place: &PlaceRow) -> Markup {
    html! { section.card.place { h2.where translate="no" { (place.name) } p.hint { (both("place-here")) } } }
}

fn no_code(place: &PlaceRow, path: &str) -> Markup {
    html! {
        (head(place))
        (notice("place-no-code"))
        a.button href={ "/apply?next=" (path) } { (both("place-no-code-apply")) }
        a.button.quiet href={ "/confirm?next=" (path) } { (both("place-no-code-held")) }
    }
}

/// One button for each person, each with a nonce of its own.
fn buttons(visitor: &Visitor, place: &PlaceRow, holders: &[Holder], path: &str) -> Markup {
    let nonce = |holder: &Holder| {
        let presser = Presser { session: visitor.session.id(), place: place.id, code: holder.code };
        visitor.portal.presses.nonce(presser, visitor.now_s)
    };
    html! {
        @if holders.len() > 1 { h2 { (both("place-who")) } }
        @for holder in holders {
            form.press method="post" action=(path) {
                (visitor.field())
                input type="hidden" name="nonce" value=(nonce(holder));
                button.big type="submit" {
                    @if holders.len() == 1 { span { (both("place-check-in")) } }
                    @else { span { (both_with("place-check-in-of", &[("name", &holder.person.name)])) " " (terms::whose(holder)) } }
                }
            }
        }
        p.hint { (both("place-hint")) }
    }
}

#[derive(Deserialize)]
struct PressForm {
    token: String,
    nonce: String,
}

/// One press, one punch; the browser is sent on to what it came to.
async fn press(visitor: Visitor, link: web::Path<String>, form: web::Form<PressForm>) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    let read = found(&visitor, &link).and_then(|(place, path)| Ok((holders(&visitor, &path)?, place, path)));
    let (holders, place, path) = match read {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let codes: Vec<CodeId> = holders.iter().map(|holder| holder.code).collect();
    let (presses, session) = (&visitor.portal.presses, visitor.session.id());
    let (press, code) = match presses.read(&form.nonce, (session, place.id), &codes, visitor.now_s) {
        Ok(read) => read,
        Err(stale) => return worthless(&visitor, stale, &path),
    };
    // A press that came before costs nothing, and one too many is not remembered.
    let is_first = presses.came(press, session).is_none();
    if is_first && visitor.portal.shares.press(code, visitor.now_s).is_err() {
        return busy(&visitor, &path);
    }
    let mut came = match presses.claim(press, session, visitor.now_s) {
        Claim::Full => return busy(&visitor, &path),
        Claim::Again(came) => came,
        Claim::First(came) => {
            let ask =
                Ask { whose: Whose::Citizen { press, code }, place: place.id, pressed_ms: clock::now_ms() };
            if !visitor.portal.punches.send(place.region, ask) {
                presses.land(press, Came::Refused);
            }
            came
        }
    };
    let came = tokio::time::timeout(WAIT, came.wait_for(|&came| came != Came::Waiting)).await;
    match came.map(|came| came.map(|came| *came)) {
        Ok(Ok(Came::Refused) | Err(_)) => not_recorded(&visitor, &place, &holders, &path),
        Ok(Ok(Came::Recorded(_) | Came::Unsure | Came::Waiting)) | Err(_) => {
            visitor.go(&format!("{path}/done/{}", press.to_text()))
        }
    }
}

fn worthless(visitor: &Visitor, stale: Stale, path: &str) -> HttpResponse {
    let key = match stale {
        Stale::Restarted => "place-restarted",
        Stale::Late => "place-late",
        Stale::Foreign => "place-foreign",
    };
    let body = html! { (wrong(key)) a.button href=(path) { (both("place-open-again")) } };
    visitor.page_with(StatusCode::FORBIDDEN, visitor.frame(), "stale-title", &body)
}

/// Nobody knows whether it is recorded: it is not said to be, and there is no button that would record it twice.
pub(super) fn unsure(visitor: &Visitor, place: &PlaceRow) -> HttpResponse {
    let body = html! {
        (wrong("place-unsure")) (head(place))
        a.button.quiet href="/code" { (both("card-back")) }
    };
    visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "place-unsure-title", &body)
}

pub(super) fn not_recorded(
    visitor: &Visitor,
    place: &PlaceRow,
    holders: &[Holder],
    path: &str,
) -> HttpResponse {
    let body = html! { (wrong("place-not-recorded")) (head(place)) (buttons(visitor, place, holders, path)) };
    visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "place-busy-title", &body)
}
