//! Advice to people whose code is not green: until when it lasts, what to do, whom to call, how what was declared by mistake is taken
//! back, and how their appeal stands. Whoever may decide any of it is elsewhere.

use actors::registrar::Why;
use maud::{Markup, html};
use policy::{CauseKind, Correction};
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
    Offer::of(visitor, page, &why).map(|offer| offer.said(visitor))
}

/// The effect that a form with No would have on a declared stay, told beforehand. The form itself goes by the same.
struct Offer {
    correction: Correction,
    /// All that was declared came from an earlier system: its record says so, and nobody has here.
    is_inherited: bool,
    /// Until when other causes keep the colour all the same, seconds since 1970 UTC.
    outlasted_until_s: Option<u64>,
}

impl Offer {
    /// `None` if no declared stay is in force.
    fn of(visitor: &Visitor, page: Page, why: &Why) -> Option<Self> {
        let (outcome, whose) = form::outcome(visitor, page)?;
        let (policy, now_s, field) = (visitor.portal.policy.get(), visitor.now_s, outcome.field(whose));
        let causes = why.in_force(now_s);
        let declared = causes.iter().filter(|&&cause| policy.correction(cause, field, now_s).is_some());
        Some(Self {
            correction: policy.correction_of(&causes, field, now_s)?,
            is_inherited: declared.into_iter().all(|cause| cause.kind == CauseKind::InheritedDeclared),
            outlasted_until_s: policy.outlasting(&causes, field, now_s),
        })
    }

    fn said(&self, visitor: &Visitor) -> Markup {
        let hours = visitor.portal.policy.get().correction_wait_hours().unwrap_or_default().to_string();
        let by = ("by", if self.is_inherited { "record" } else { "holder" });
        let (name, words) = match self.correction {
            Correction::Ends => ("at-once", both_with("after-correct-now", &[by])),
            Correction::EndsLater { .. } => ("wait", both_with("after-correct", &[by, ("hours", &hours)])),
            Correction::Locked => ("locked", both("after-correct-locked")),
            Correction::Appeal => ("appeal", both_with("after-correct-appeal", &[by])),
            Correction::Waits => ("waits", both("after-corrected")),
            Correction::EndsSooner => ("sooner", both_with("after-correct-sooner", &[by])),
        };
        html! {
            p.notice.correct data-correction=(name) { (words) }
            @if let Some(until_s) = self.outlasted_until_s {
                p.notice.correct data-outlasts {
                    @if until_s < NEVER_S { (both_with("after-outlasted", &[("when", &when::minute(until_s))])) }
                    @else { (both("after-outlasted-open")) }
                }
            }
        }
    }
}
