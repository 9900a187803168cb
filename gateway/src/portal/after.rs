//! What people do now whose code is not green: until when it lasts, what to do, whom to call, how what was declared by mistake is taken
//! back, and how their appeal stands. Whoever may decide any of it is elsewhere.

use actors::policy::CauseKind;
use actors::registrar::Why;
use actors::registry::AppealRow;
use maud::{Markup, html};
use protocol::Colour;

use super::mine::Mine;
use super::modify;
use super::travel::Page;
use super::visitor::Visitor;
use super::when;
use super::why;
use super::words::{both, both_with};

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
    let until = Some(u64::from(why.entry.next_change_s())).filter(|&at_s| at_s > 0);
    let policy = visitor.portal.policy.get();
    html! {
        @match (why.entry.colour(), until) {
            (Colour::Green, _) => {},
            (Colour::Unknown, _) => p { (both("why-unknown")) },
            (Colour::Yellow | Colour::Red, Some(at_s)) => p { (both_with("after-until", &[("when", &when::minute(at_s))])) },
            (Colour::Yellow | Colour::Red, None) => p { (both("after-no-end")) },
        }
        @if matches!(why.entry.colour(), Colour::Yellow | Colour::Red) { p { (both("after-do")) } }
        @if let Some(phone) = policy.help_phone() {
            a.button.call href={ "tel:" (phone.replace(' ', "")) } { (both_with("after-call", &[("phone", phone)])) }
        }
        @if let Some(hint) = correction(visitor, why) {
            (hint)
            @if !is_corrected(visitor, why) && policy.correction_wait_hours().is_some() {
                a.button.quiet href=(modify::path(visitor, &one.holder)) { (both("after-correct-go")) }
            }
        }
        @for appeal in appeals.iter().filter(|appeal| appeal.answer.is_none()) {
            @let (number, due) = (appeal.id.to_string(), when::minute(appeal.due_s));
            p.notice { (both_with("appeal-open", &[("number", &number), ("due", &due)])) }
        }
    }
}

/// What a form says to whoever has declared a stay before.
pub(super) fn on_form(visitor: &Visitor, page: Page) -> Option<Markup> {
    let code = visitor.subject(page)?.code;
    let why = visitor.portal.read(|registrar| registrar.why(code))?.ok()??;
    correction(visitor, &why)
}

/// The way to take back a declared stay; `None` if none is in force.
fn correction(visitor: &Visitor, why: &Why) -> Option<Markup> {
    if is_corrected(visitor, why) {
        return Some(html! { p.notice.correct data-correction="waits" { (both("after-corrected")) } });
    }
    let mut force = why.causes.iter().filter(|row| row.is_in_force(visitor.now_s));
    force.find(|row| row.cause.kind == CauseKind::Declaration)?;
    Some(match visitor.portal.policy.get().correction_wait_hours() {
        Some(hours) => {
            let hours = hours.to_string();
            html! { p.notice.correct data-correction="wait" { (both_with("after-correct", &[("hours", &hours)])) } }
        }
        None => html! { p.notice.correct data-correction="appeal" { (both("after-correct-appeal")) } },
    })
}

/// Says if a declared stay was taken back and only its wait is left.
fn is_corrected(visitor: &Visitor, why: &Why) -> bool {
    let mut force = why.causes.iter().filter(|row| row.is_in_force(visitor.now_s));
    force.any(|row| row.cause.kind == CauseKind::Corrected)
}
