//! The page of a place's printed code, with a check-in button for each holder. Opening or reloading it records nothing; each button makes
//! one punch. The result has a page of its own (`done.rs`).

mod done;
pub(crate) mod poster;
mod units;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{Error, web};
use maud::{Markup, html};
use protocol::{CodeId, scanner};
use registry::{Holder, PlaceRow};
use runtime::clock;
use serde::Deserialize;

use crate::portal::http::extract::{Answer, OwnForm};
use crate::portal::http::layout::{notice, wrong};
use crate::portal::http::terms;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};
use crate::portal::punch::presses::{Claim, NonceError, PressOutcome, Presser};
use crate::portal::punch::punches::{Ask, AskSource};

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

/// Finds the place of a link, and the path of its page.
fn found(visitor: &Visitor, link: &str) -> Result<(PlaceRow, String), Error> {
    let none = || {
        let body = html! { (wrong("place-none")) a.button.quiet href="/" { (both("product")) } };
        visitor.refused(StatusCode::NOT_FOUND, "place-none-title", &body)
    };
    let code = scanner::place_code_of(link).ok_or_else(none)?;
    let path = format!("/p/{}", code.to_text());
    let place = visitor.portal.read(|registrar| registrar.place_of_link(code));
    let place = place.ok_or_else(|| busy(visitor, &path))?.map_err(|error| failed(visitor, &error, &path))?;
    Ok((place.ok_or_else(none)?, path))
}

/// Reads the holders whom the visitor may check in; a visitor who is not signed in comes back to `path` after that.
fn holders(visitor: &Visitor, path: &str) -> Result<Vec<Holder>, Error> {
    let proven = visitor.proven().ok_or_else(|| visitor.sign_in_first(path))?;
    let holders = visitor.portal.read(|registrar| registrar.holders(proven, visitor.now_s));
    holders.ok_or_else(|| busy(visitor, path))?.map_err(|error| failed(visitor, &error, path))
}

/// Answers that too many read or write at this moment.
fn busy(visitor: &Visitor, path: &str) -> Error {
    let body = html! { (wrong("place-busy")) a.button href=(path) { (both("place-again")) } };
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, "place-busy-title", &body)
}

fn failed(visitor: &Visitor, error: &dyn std::error::Error, path: &str) -> Error {
    tracing::error!(%error, "a place's page cannot be read");
    busy(visitor, path)
}

/// Shows the place of a link, with a button for each of the visitor's holders.
async fn page(visitor: Visitor, link: web::Path<String>) -> Answer {
    let (place, path) = found(&visitor, &link)?;
    let holders = holders(&visitor, &path)?;
    let body = if holders.is_empty() {
        no_code(&place, &path)
    } else {
        html! { (head(&place)) (buttons(&visitor, &place, &holders, &path)) }
    };
    Ok(visitor.page(visitor.frame(), "place-title", &body))
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

/// Draws one button for each holder, each with a nonce of its own.
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
    nonce: String,
}

/// Checks one of the visitor's holders in: one press, one punch. The browser is sent on to what it came to.
async fn press(link: web::Path<String>, form: OwnForm<PressForm>) -> Answer {
    let OwnForm { sender: visitor, fields: PressForm { nonce }, .. } = form;
    let (place, path) = found(&visitor, &link)?;
    let holders = holders(&visitor, &path)?;
    let codes: Vec<CodeId> = holders.iter().map(|holder| holder.code).collect();
    let (presses, session) = (&visitor.portal.presses, visitor.session.id());
    let read = presses.read(&nonce, (session, place.id), &codes, visitor.now_s);
    let (press, code) = read.map_err(|stale| worthless(&visitor, stale, &path))?;
    // A press that came before costs nothing, and one too many is not remembered.
    let is_first = presses.came(press, session).is_none();
    if is_first && visitor.portal.shares.press(code, visitor.now_s).is_err() {
        return Err(busy(&visitor, &path));
    }
    let mut came = match presses.claim(press, session, visitor.now_s) {
        Claim::Full => return Err(busy(&visitor, &path)),
        Claim::Again(came) => came,
        Claim::First(came) => {
            let ask = Ask {
                whose: AskSource::Citizen { press, code },
                place: place.id,
                pressed_ms: clock::now_ms(),
            };
            if !visitor.portal.punches.send(place.region, ask) {
                presses.land(press, PressOutcome::Refused);
            }
            came
        }
    };
    let came = tokio::time::timeout(WAIT, came.wait_for(|&came| came != PressOutcome::Waiting)).await;
    match came.map(|came| came.map(|came| *came)) {
        Ok(Ok(PressOutcome::Refused) | Err(_)) => Err(not_recorded(&visitor, &place, &holders, &path)),
        Ok(Ok(PressOutcome::Recorded(_) | PressOutcome::Unsure | PressOutcome::Waiting)) | Err(_) => {
            Ok(visitor.go(&format!("{path}/done/{}", press.to_text())))
        }
    }
}

fn worthless(visitor: &Visitor, stale: NonceError, path: &str) -> Error {
    let key = match stale {
        NonceError::Restarted => "place-restarted",
        NonceError::Late => "place-late",
        NonceError::Foreign => "place-foreign",
    };
    let body = html! { (wrong(key)) a.button href=(path) { (both("place-open-again")) } };
    visitor.refused(StatusCode::FORBIDDEN, "stale-title", &body)
}

/// Answers that the check-in is recorded or not, which is unknown. There is no button, which could record it twice.
fn unsure(visitor: &Visitor, place: &PlaceRow) -> Error {
    let body = html! {
        (wrong("place-unsure")) (head(place))
        a.button.quiet href="/code" { (both("card-back")) }
    };
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, "place-unsure-title", &body)
}

fn not_recorded(visitor: &Visitor, place: &PlaceRow, holders: &[Holder], path: &str) -> Error {
    let body = html! { (wrong("place-not-recorded")) (head(place)) (buttons(visitor, place, holders, path)) };
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, "place-busy-title", &body)
}
