//! Advice to people whose code is not green: until when it lasts, what to do, a phone number, the correction of a mistaken declaration, and
//! the state of their appeals.

use actors::registrar::Why;
use maud::{Markup, html};
use protocol::Colour;
use registry::AppealRow;

use super::mine::Mine;
use super::{form, why};
use crate::portal::http::paths::Page;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when::{self, NEVER_S};
use crate::portal::http::words::{both, both_with};
use crate::portal::travel::Offer;

/// The card beside a code that is not green; nothing beside one that is, or while nothing can be read.
pub(super) fn card(visitor: &Visitor, one: &Mine) -> Markup {
    match one.standing().0 {
        Colour::Green => return html! {},
        Colour::Yellow | Colour::Red | Colour::Unknown => {}
    }
    let Ok((why, appeals)) = why::read(visitor, one) else { return html! {} };
    html! {
        section.card.after {
            h2 { (both("after-title")) }
            (what_now(visitor, one, &why, &appeals))
            a.button.quiet href={ "/why/" (one.index) } { (both("after-why")) }
        }
    }
}

/// The same on the page that says why.
pub(super) fn what_now(visitor: &Visitor, one: &Mine, why: &Why, appeals: &[AppealRow]) -> Markup {
    let policy = visitor.portal.policy.get();
    let page = Page::Modify(visitor.number_of(one.holder.code));
    let offer = Offer::of(visitor, page, why);
    html! {
        @match why.entry.colour() {
            Colour::Green => {},
            Colour::Unknown => p { (both("why-unknown")) },
            Colour::Yellow | Colour::Red => { (until(why, visitor.now_s)) p { (both("after-do")) } },
        }
        @if let Some(phone) = policy.help_phone() {
            a.button.call href={ "tel:" (phone.replace(' ', "")) } { (both_with("after-call", &[("phone", phone)])) }
        }
        @if let Some(offer) = offer {
            (offer.said(visitor))
            @if offer.correction.is_by_form() {
                a.button.quiet href=(form::path(visitor, &one.holder)) { (both("after-correct-go")) }
            }
        }
        @for appeal in appeals.iter().filter(|appeal| appeal.answer.is_none()) {
            @let (number, due) = (appeal.id.to_string(), when::minute(appeal.due_s));
            p.notice { (both_with("appeal-open", &[("number", &number), ("due", &due)])) }
        }
    }
}

/// Draws the time when the colour ends by itself, and the next colour if it is not green.
fn until(why: &Why, now_s: u64) -> Markup {
    let Some(turn) = why.next_colour_change(now_s).filter(|turn| turn.at_s < NEVER_S) else {
        return html! { p { (both("after-no-end")) } };
    };
    let (when, colour) = (when::minute(turn.at_s), turn.to.name());
    let words = if turn.is_worse { "after-worse" } else { "after-until" };
    html! {
        p data-turns=(colour) { (both_with(words, &[("when", &when)])) }
        @if turn.to != Colour::Green { p { (both_with("after-then", &[("colour", colour)])) } }
    }
}
