//! Advice to people whose code is not green: until when it lasts, what to do, whom to call, how what was declared by mistake is taken
//! back, and how their appeal stands. Whoever may decide any of it is elsewhere.

use actors::registrar::Why;
use maud::{Markup, html};
use policy::Correction;
use protocol::Colour;
use registry::AppealRow;

use super::mine::Mine;
use super::travel::Page;
use super::visitor::Visitor;
use super::when::{self, NEVER_S};
use super::words::{both, both_with};
use super::{form, modify, why};

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
    let correction = correction(visitor, page, why);
    html! {
        @match why.entry.colour() {
            Colour::Green => {},
            Colour::Unknown => p { (both("why-unknown")) },
            Colour::Yellow | Colour::Red => { (until(why, visitor.now_s)) p { (both("after-do")) } },
        }
        @if let Some(phone) = policy.help_phone() {
            a.button.call href={ "tel:" (phone.replace(' ', "")) } { (both_with("after-call", &[("phone", phone)])) }
        }
        @if let Some(correction) = correction {
            (said(visitor, correction))
            @if correction.is_by_form() {
                a.button.quiet href=(modify::path(visitor, &one.holder)) { (both("after-correct-go")) }
            }
        }
        @for appeal in appeals.iter().filter(|appeal| appeal.answer.is_none()) {
            @let (number, due) = (appeal.id.to_string(), when::minute(appeal.due_s));
            p.notice { (both_with("appeal-open", &[("number", &number), ("due", &due)])) }
        }
    }
}

/// Says when the colour ends by itself, and what follows if that is not green.
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

/// Says what a form says to whoever has declared a stay before.
pub(super) fn on_form(visitor: &Visitor, page: Page) -> Option<Markup> {
    let code = visitor.subject(page)?.code;
    let why = visitor.portal.read(|registrar| registrar.why(code))?.ok()??;
    correction(visitor, page, &why).map(|correction| said(visitor, correction))
}

/// Tells what that form would make of a declared stay if it said no now; `None` if none is in force. The form itself goes by the same.
fn correction(visitor: &Visitor, page: Page, why: &Why) -> Option<Correction> {
    let (outcome, whose) = form::outcome(visitor, page)?;
    let (policy, now_s) = (visitor.portal.policy.get(), visitor.now_s);
    policy.correction_of(&why.in_force(now_s), outcome.field(whose), now_s)
}

fn said(visitor: &Visitor, correction: Correction) -> Markup {
    let hours = visitor.portal.policy.get().correction_wait_hours().unwrap_or_default().to_string();
    let (name, words) = match correction {
        Correction::Ends => ("at-once", both("after-correct-now")),
        Correction::EndsLater { .. } => ("wait", both_with("after-correct", &[("hours", &hours)])),
        Correction::Locked => ("locked", both("after-correct-locked")),
        Correction::Appeal => ("appeal", both("after-correct-appeal")),
        Correction::Waits => ("waits", both("after-corrected")),
        Correction::EndsSooner => ("sooner", both("after-correct-sooner")),
    };
    html! { p.notice.correct data-correction=(name) { (words) } }
}
