//! The result page of a check-in, for staff to look at: the recorded colour and advice, a clock that moves, the holder, the place, and the
//! carriers' answer. Only the session that checked in sees it. Reloading it records nothing.

use actix_web::http::StatusCode;
use actix_web::web;
use maud::{Markup, html};
use protocol::{Advice, Verdict};
use registry::PlaceRow;
use registry::lookups::masked;

use crate::portal::http::extract::Answer;
use crate::portal::http::layout::{Frame, notice, status, wrong};
use crate::portal::http::paths::{Page, PressId};
use crate::portal::http::terms;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with, en, zh};
use crate::portal::place;
use crate::portal::punch::presses::{PressOutcome, Recorded};
use crate::portal::travel;

/// The interval at which a page without a script reloads itself, seconds.
const REFRESH_S: u32 = 20;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/p/{link}/done/{press}", web::get().to(page));
}

/// Shows what a press of this visitor's came to.
async fn page(visitor: Visitor, path: web::Path<(String, String)>) -> Answer {
    let (link, press) = path.into_inner();
    let (place, path) = place::found(&visitor, &link)?;
    let press = PressId::from_text(&press);
    let came = press.and_then(|press| visitor.portal.presses.came(press, visitor.session.id()));
    match press.zip(came) {
        Some((press, PressOutcome::Recorded(recorded))) if recorded.place == place.id => {
            let page = format!("{path}/done/{}", press.to_text());
            success(&visitor, &place, (&path, &page), Page::Place(press), recorded)
        }
        Some((_, PressOutcome::Waiting)) => {
            let frame = Frame { refresh_s: Some(1), ..visitor.frame() };
            let body = html! { div.spin aria-hidden="true" {} (notice("place-done-waiting")) };
            Ok(visitor.page(frame, "place-done-waiting-title", &body))
        }
        Some((_, PressOutcome::Refused)) => {
            let holders = place::holders(&visitor, &path)?;
            Err(place::not_recorded(&visitor, &place, &holders, &path))
        }
        Some((_, PressOutcome::Unsure)) => Err(place::unsure(&visitor, &place)),
        Some((_, PressOutcome::Recorded(_))) | None => {
            let body =
                html! { (wrong("place-done-gone")) a.button href=(path) { (both("place-open-again")) } };
            Err(visitor.refused(StatusCode::NOT_FOUND, "place-done-gone-title", &body))
        }
    }
}

fn success(
    visitor: &Visitor,
    place: &PlaceRow,
    (path, page): (&str, &str),
    travel: Page,
    recorded: Recorded,
) -> Answer {
    let holders = place::holders(visitor, path)?;
    let holder = holders.iter().find(|holder| holder.code == recorded.code);
    let Recorded { at_ms, verdict, .. } = recorded;
    let body = html! {
        link rel="stylesheet" href="/s/panel.css";
        section.card.panel #panel {
            div.verdict { (status(verdict.colour, verdict.basis)) (advice(verdict)) }
            div.now {
                div {
                    time.clock #clock data-now=(visitor.now_s) { (when::second(visitor.now_s)) }
                    div.moving aria-hidden="true" { span {} }
                }
                @if let Some(holder) = holder { p.who { b translate="no" { (masked(&holder.person.name)) } " " (terms::whose(holder)) } }
            }
            p.where { span translate="no" { (place.name) } span.at { (both_with("place-at", &[("time", &when::second(at_ms / 1000))])) } }
            (travel::module(visitor, travel, page))
        }
        p.hint #moves hidden { (both("place-moving")) }
        a.button.quiet href=(path) { (both("place-another")) }
        script src="/s/clock.js" defer {}
    };
    let frame = travel::frame(visitor, travel);
    // Without a script the page looks again, and staff still see the whole panel.
    let (refresh_s, refresh_at) = (frame.refresh_s.or(Some(REFRESH_S)), Some(("panel", visitor.now_s)));
    let frame = Frame { refresh_s, refresh_at, ..frame };
    Ok(visitor.page(frame, "place-done-title", &body))
}

/// Draws the policy's advice.
fn advice(verdict: Verdict) -> Markup {
    let key = match verdict.advice {
        Advice::Pass => "place-pass",
        Advice::Stop => "place-stop",
        Advice::CheckDocument => "place-check-document",
        Advice::AskStaff => "place-ask-staff",
        Advice::NotAPassCode => "place-not-registered",
    };
    html! { p.advice data-advice=(verdict.advice.name()) { b { (zh(key)) } span.en lang="en" { (en(key)) } } }
}
