//! The view of a query that a punch's page shows to staff: yes, no or unknown, and why, and no more unless the citizen taps for it; beside it a
//! receipt by which the checkpoint's device has the same answer from the gateway. Instead of asking here, the citizen may let that device
//! ask. Nothing of either is kept, and no colour follows from it.

use actix_web::{HttpResponse, web};
use actors::query::QueryAnswer;
use actors::registrar::{AtGate, RECEIPT_S_MAX, Receipt};
use maud::{Markup, html};
use policy::place_names::name_zh;
use protocol::receipt;
use protocol::trajectory::StayAnswer;
use registry::lookups::masked;
use registry::{Beneficiary, ConsentId, Phone};

use super::links;
use crate::portal::http::layout::wrong;
use crate::portal::http::paths::Page;
use crate::portal::http::qr::{self, Wear};
use crate::portal::http::terms::travel_key;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with, line};
use crate::portal::travel::{self, Pressed, State};
use crate::trajectory;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/travel/{page}/receipt", web::post().to(offer));
}

/// Shows the answer to staff: the answer, whose phone it is about, and the receipt by which their device has the same answer from the gateway.
/// The cities stand behind a tap of the citizen's.
pub(super) fn came(visitor: &Visitor, page: Page, answered: &QueryAnswer, back: &str) -> Markup {
    let consent = visitor.portal.travels.consent(visitor.session.id(), page, visitor.now_s);
    html! {
        (shown(visitor, page, Some(answered), consent.and_then(|consent| at_gate(visitor, consent)), back))
        @if answered.outcome.offers_travel_page() { (links::drawn(visitor)) }
        @if !answered.areas.is_empty() {
            details { summary { (both("showing-cities")) } p data-areas translate="no" { @for area in &answered.areas { (name_zh(*area)) " " } } }
        }
        (travel::button(page, "withdraw", "travel-withdraw"))
    }
}

/// The receipt of an open consent; once staff have scanned it, what their device was told. Each picture is good for two minutes; one use
/// of any ends them all.
pub(super) fn offered(visitor: &Visitor, page: Page, consent: ConsentId, back: &str) -> Markup {
    let answered = visitor.portal.queries.answer(consent);
    html! {
        @match at_gate(visitor, consent) {
            None => (wrong("showing-over")),
            Some(at_gate) => (shown(visitor, page, answered.as_ref(), Some(at_gate), back)),
        }
        (travel::button(page, "withdraw", "travel-withdraw"))
    }
}

fn at_gate(visitor: &Visitor, consent: ConsentId) -> Option<AtGate> {
    let phone = visitor.session.phone.as_ref()?;
    visitor.portal.read(|registrar| registrar.receipt(consent, phone, visitor.now_s).ok())?
}

fn shown(
    visitor: &Visitor,
    page: Page,
    answered: Option<&QueryAnswer>,
    at_gate: Option<AtGate>,
    back: &str,
) -> Markup {
    let answer = answered.map(|answered| trajectory::answer(&answered.outcome, answered.days, &[]));
    let stay = answer.as_ref().map(|answer| answer.stay());
    let word = match stay {
        Some(StayAnswer::Yes) => Some("staff-travel-yes"),
        Some(StayAnswer::No) => Some("staff-travel-no"),
        Some(StayAnswer::Unknown) => Some("staff-travel-unknown"),
        None => None,
    };
    html! {
        div.showing data-said data-shows[matches!(at_gate, Some(AtGate::Open(_))) || answer.is_none()] data-stay=[stay.map(StayAnswer::name)]
            data-reason=[answer.as_ref().map(|answer| answer.reason.name())] {
            div.said {
                @if let Some(word) = word { p.word { (both(word)) } }
                @if let Some(answer) = &answer { p { (both(travel_key(answer.reason))) } }
                (owner(visitor, page))
            }
            @match at_gate {
                Some(AtGate::Open(receipt)) => (receipt_picture(&receipt, back)),
                Some(AtGate::Scanned(at_s)) => p.scanned data-scanned { (both_with("showing-scanned", &[("time", &when::of_day(at_s))])) },
                None => {}
            }
            @if matches!(at_gate, Some(AtGate::Open(_))) {
                @let key = if answer.is_some() { "showing-genuine" } else { "showing-scan" };
                p.hint { (both_with(key, &[("seconds", &RECEIPT_S_MAX.to_string())])) }
            }
            @if let Some(answer) = answer.as_ref().filter(|answer| answer.first_day.number() > 0) {
                p.hint { (both_with("staff-travel-days", &[("first", &answer.first_day.to_string()), ("last", &answer.last_day.to_string())])) }
            }
            p.hint { (both("staff-preliminary")) }
        }
    }
}

fn receipt_picture(receipt: &Receipt, back: &str) -> Markup {
    let text = receipt::to_text(receipt);
    html! {
        div.genuine {
            div.qr data-receipt=(text) { @if let Some(picture) = qr::picture(&text, Wear::Screen, &line("showing-qr")) { (picture) } }
            noscript { a href={ (back) "#travel" } { (both("showing-new")) } }
        }
    }
}

/// Draws the name of the phone's owner: a receipt may be another person's, and staff compare.
fn owner(visitor: &Visitor, page: Page) -> Markup {
    let holdings = visitor.holdings().unwrap_or_default();
    let name = holdings.first().map(|holder| masked(&holder.person.name)).unwrap_or_default();
    let phone = visitor.session.phone.as_ref().map(Phone::masked).unwrap_or_default();
    let key = if visitor.beneficiary(page) == Some(Beneficiary::Owner) {
        "showing-owner"
    } else {
        "showing-guardian"
    };
    html! { p.who { (both_with(key, &[("name", &name), ("phone", &phone)])) } }
}

/// Records the visitor's consent; nothing is asked until a device brings its receipt.
async fn offer(pressed: Pressed) -> HttpResponse {
    let Pressed { who, page, .. } = &pressed;
    // A form rests on what its own page asks.
    if page.form_path().is_some() {
        return pressed.shows(State::NotTicked);
    }
    match pressed.consent().await {
        Err(state) => return pressed.shows(state),
        Ok(None) => {}
        Ok(Some(consent)) => who.portal.travels.offered(who.session.id(), *page, consent, who.now_s),
    }
    pressed.back()
}
