//! What a punch's page shows to staff of a query: yes, no or unknown, and why, and no more unless the citizen taps for it. Instead of
//! asking here, the citizen may let the checkpoint's device ask: it scans a receipt and knows that the answer is genuine. Nothing of
//! either is kept, and no colour follows from it.

use actix_web::{HttpResponse, web};
use actors::lookups::masked;
use actors::place_names::name_zh;
use actors::query::{Answered, QueryError};
use actors::registrar::RECEIPT_S_MAX;
use actors::registry::{Agreed, ConsentId, Detail};
use maud::{Markup, html};
use protocol::receipt;
use protocol::trajectory::StayAnswer;

use super::form::Fields;
use super::layout::wrong;
use super::qr::{self, Wear};
use super::sign_in;
use super::staff::sign::travel_key;
use super::travel::{self, Page, State};
use super::visitor::Visitor;
use super::words::{both, both_with, line};
use crate::trajectory;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/travel/{page}/receipt", web::post().to(offer));
}

/// What came, for staff. The cities stand behind a tap of the citizen's.
pub(super) fn came(visitor: &Visitor, page: Page, answered: &Answered) -> Markup {
    let answer = trajectory::answer(&answered.outcome, answered.days, &[]);
    let word = match answer.stay() {
        StayAnswer::Yes => "staff-travel-yes",
        StayAnswer::No => "staff-travel-no",
        StayAnswer::Unknown => "staff-travel-unknown",
    };
    html! {
        div.showing data-said data-stay=(answer.stay().name()) data-reason=(answer.reason.name()) {
            @if let Some(giver) = &answered.giver { p.who translate="no" { (giver.name) } }
            p.word { (both(word)) }
            p { (both(travel_key(answer.reason))) }
            @if answer.first_day.number() > 0 {
                p.hint { (both_with("staff-travel-days", &[("first", &answer.first_day.to_string()), ("last", &answer.last_day.to_string())])) }
            }
            p.hint { (both("staff-preliminary")) }
        }
        @if answered.outcome.offers_travel_page() { (travel::links(visitor)) }
        @if !answered.areas.is_empty() {
            details { summary { (both("showing-cities")) } p data-areas translate="no" { @for area in &answered.areas { (name_zh(*area)) " " } } }
        }
        (travel::button(page, "withdraw", "travel-withdraw"))
    }
}

/// The receipt of an open consent, as a picture and as text. Each is good for two minutes; one use of any ends them all.
pub(super) fn offered(visitor: &Visitor, page: Page, consent: ConsentId, back: &str) -> Markup {
    let phone = visitor.session.phone.clone();
    let made = phone.and_then(|phone| {
        visitor.portal.read(|registrar| registrar.receipt(consent, &phone, visitor.now_s).ok())?
    });
    let Some(text) = made.map(|receipt| receipt::to_text(&receipt)) else {
        return html! {
            (wrong("showing-over"))
            (travel::button(page, "withdraw", "travel-withdraw"))
        };
    };
    let seconds = RECEIPT_S_MAX.to_string();
    // A receipt can be a friend's: staff see whose it is.
    let holdings = visitor.holdings().unwrap_or_default();
    let name = holdings.first().map(|holder| masked(&holder.person.name));
    html! {
        @if let Some(name) = name { p.who translate="no" { (name) } }
        div data-said { p { (both_with("showing-scan", &[("seconds", &seconds)])) } }
        div.qr data-receipt=(text) { @if let Some(picture) = qr::picture(&text, Wear::Screen, &line("showing-qr")) { (picture) } }
        a.button.quiet href={ (back) "#travel" } { (both("showing-new")) }
        (travel::button(page, "withdraw", "travel-withdraw"))
    }
}

/// The consent is recorded; nothing is asked until a device brings its receipt.
async fn offer(visitor: Visitor, page: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    let (page, path) = match travel::begin(&visitor, &page, &fields) {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    let (portal, session, now_s) = (&visitor.portal, visitor.session.id(), visitor.now_s);
    match travel::state(&visitor, page) {
        State::Waiting { .. } | State::Came(_) | State::Offered(_) => return visitor.go(&path),
        State::NotAsked | State::NotTicked | State::Failed(_) | State::Withdrawn => {}
    }
    // A form rests on what this page asks itself.
    if fields.agree != "yes" || page.form_path().is_some() {
        portal.travels.is_now(session, page, State::NotTicked, now_s);
        return visitor.go(&path);
    }
    let (Some(proven), Some(phone)) = (visitor.proven().cloned(), &visitor.session.phone) else {
        return sign_in::first(&visitor, "/");
    };
    if !portal.travels.claim(session, page, now_s) {
        return visitor.go(&path);
    }
    if portal.shares.consent(phone, now_s).is_err() {
        portal.travels.is_now(session, page, State::Failed(QueryError::Busy), now_s);
        return visitor.go(&path);
    }
    let agreed = Agreed { flow: page.flow(), detail: Detail::Stay, text: travel::TEXT };
    match portal.registrar.act(move |registrar| registrar.consent(&proven, agreed, now_s)).await {
        Ok(consent) => portal.travels.offered(session, page, consent, now_s),
        Err(error) => {
            tracing::warn!(%error, "a consent was not recorded");
            portal.travels.is_now(session, page, State::Failed(QueryError::Busy), now_s);
        }
    }
    visitor.go(&path)
}
