//! My code: the colour and a QR that is renewed every half minute, one's wards' beside it. One read of the registry, nothing
//! written; the QR is sealed anew for each answer. A code whose standing is not known has no QR and is not drawn in a colour.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use protocol::limits::TOKEN_GOOD_FOR_S;
use protocol::token::{Token, to_text};
use protocol::{Basis, Class, Colour};
use serde::Deserialize;

use super::after;
use super::mine::{self, Mine};
use crate::portal::citizen::form;
use crate::portal::http::extract::{Answer, Role, SignedIn};
use crate::portal::http::layout::{Frame, notice, status, wrong};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with, en, line, zh};
use crate::portal::http::{qr, when};

/// The interval at which a code is renewed: half of what it is good for.
pub(crate) const RENEW_S: u32 = 30;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/code", web::get().to(page)).route("/code/qr", web::get().to(fragment));
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    did: Option<String>,
}

/// Shows the visitor's codes.
async fn page(who: SignedIn, done: web::Query<Done>) -> Answer {
    let mine = mine::all(&who)?;
    if mine.is_empty() {
        return Ok(none_yet(&who));
    }
    let frame = Frame { script: Some("card.js"), refresh_s: Some(RENEW_S), ..who.frame() };
    let body = html! {
        @if let Some(did) = &done.did { @if let Some(told) = form::told(did) { (told) } }
        div.swipe #passes tabindex="0" role="region" aria-label=(line("card-region")) data-at=(who.now_s)
            data-renew=(RENEW_S) data-good=(TOKEN_GOOD_FOR_S) {
            @for one in &mine { (pass(&who, one)) }
        }
        @if mine.len() > 1 { p.hint.centre { (both("card-swipe")) } }
        template #expired { (status(Colour::Unknown, Basis::Nothing)) (wrong("card-expired")) }
        nav.links aria-label=(line("card-more")) {
            a href="/modify" { (both("card-modify")) }
            a href="/apply/ward" { (both("card-add-ward")) }
            a href="/confirm" { (both("card-confirm")) }
            a href="/looked" { (both("card-looked")) }
            a href="/unit" { (both("home-unit")) }
        }
    };
    Ok(who.page(frame, "card-title", &body))
}

/// Gives the script what it puts in the place of each code's picture: the same as in the page, colours and all.
async fn fragment(visitor: Visitor) -> HttpResponse {
    // Signed out: the page is to be loaded again, and leads to the sign-in.
    let Ok(who) = SignedIn::of(visitor) else { return HttpResponse::Unauthorized().finish() };
    match mine::all(&who) {
        Ok(mine) if !mine.is_empty() => {
            let parts = html! { @for one in &mine { (live(&who, one)) } };
            let mut answer = HttpResponse::Ok();
            answer.insert_header((header::CACHE_CONTROL, "no-store"));
            answer.content_type("text/html; charset=utf-8").body(parts.into_string())
        }
        Ok(_) => HttpResponse::NotFound().finish(),
        Err(error) => match error.as_response_error().status_code() {
            StatusCode::SEE_OTHER => HttpResponse::Unauthorized().finish(),
            status => HttpResponse::build(status).finish(),
        },
    }
}

fn pass(visitor: &Visitor, one: &Mine) -> Markup {
    let at = (one.index + 1).to_string();
    let place =
        [("n", at.as_str()), ("of", &one.of.to_string())].map(|(name, value)| (name, value.to_owned()));
    let place = place.each_ref().map(|(name, value)| (*name, value.as_str()));
    html! {
        section.card.pass aria-label={ (one.name()) " " (line(if one.holder.is_ward { "card-ward" } else { "card-own" })) } {
            div.head {
                p.who { (one.who()) }
                span.time data-clock="" { (when::second(visitor.now_s)) }
            }
            (live(visitor, one))
            @if one.of > 1 { p.hint.centre { (both_with("card-place", &place)) } }
            div.row {
                a.button.quiet href={ "/why/" (one.index) } { (both("card-why")) }
                a.button.quiet href={ "/code/paper/" (one.index) } { (both("card-paper")) }
            }
            form method="post" action="/code/digits" {
                (one.fields(visitor))
                button.quiet type="submit" { (both("digits-title")) }
            }
            (after::card(visitor, one))
        }
    }
}

/// The part of a pass that is good for a minute.
fn live(visitor: &Visitor, one: &Mine) -> Markup {
    let (colour, basis) = one.standing();
    let picture = one.entry.and_then(|entry| {
        qr::picture(&token(visitor, one, entry.class())?, qr::Wear::Screen, &line("card-qr"))
    });
    html! {
        div data-live="" {
            (status(colour, basis))
            @match picture {
                Some(picture) => {
                    div.qr { (picture) }
                    p.age role="timer" {
                        span data-still="" { (both_with("card-made", &[("time", &when::second(visitor.now_s))])) }
                        span data-ticking="" hidden {
                            (zh("card-age-before")) " " b data-age="" { "0" } " " (zh("card-age-after"))
                            span.en lang="en" { (en("card-age-before")) " " span data-age="" { "0" } " " (en("card-age-after")) }
                        }
                    }
                    @if one.holder.is_ward { p.hint.centre { (both("card-ward-document")) } }
                }
                None => (notice("card-not-loaded")),
            }
        }
    }
}

/// A sealed text for the screen, made now.
fn token(visitor: &Visitor, one: &Mine, class: Class) -> Option<String> {
    let (keys, code) = (&visitor.portal.keys, one.holder.code);
    let token = Token { code, issued_at_s: u32::try_from(visitor.now_s).ok()?, class };
    Some(to_text(&keys.token_keys().get(keys.current_token(visitor.now_s))?.seal(token)))
}

/// Shows the ways to a code. It says nothing about codes of the number that it does not open.
fn none_yet(visitor: &Visitor) -> HttpResponse {
    let body = html! {
        p { (both("card-none")) }
        a.button href="/apply" { (both("card-apply")) }
        div.card.apart {
            h2 { (both("card-before-title")) }
            p.hint { (both("card-before")) }
            a.button.quiet href="/confirm" { (both("card-before-go")) }
        }
    };
    visitor.page(visitor.frame(), "card-title", &body)
}
