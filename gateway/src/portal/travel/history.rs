//! The field "history of living in epidemic areas": what it says comes from the stored answer, whatever a form sends.

use maud::{Markup, html};
use policy::trajectory::day_of;
use policy::{Applicant, QueryOutcome, Stay, StayField};
use registry::Beneficiary;

use super::correction;
use super::fields::ALONG;
use crate::portal::http::paths::Page;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with, en, zh};

/// Areas that are named before a reader gives up.
const AREAS_SHOWN_MAX: usize = 60;
/// Reads what the field "history" of that page rests on, and whose form it is; `None` while too many read the registry.
pub(crate) fn outcome(visitor: &Visitor, page: Page) -> Option<(QueryOutcome, Applicant)> {
    let (now_s, phone) = (visitor.now_s, visitor.session.phone.as_ref()?);
    let consent = visitor.portal.travels.consent(visitor.session.id(), page, now_s);
    if let Some(holder) = visitor.subject(page) {
        let rests_on = (consent, phone);
        return visitor.portal.read(|registrar| registrar.form_of(holder.code, rests_on, now_s).ok())?;
    }
    let beneficiary = visitor.beneficiary(page)?;
    let whose =
        if beneficiary == Beneficiary::Owner { Applicant::Owner } else { Applicant::Ward { along: false } };
    let outcome = visitor.portal.read(|registrar| {
        let found = registrar.outcome(consent, (phone, beneficiary), now_s);
        // A consent that is no longer good is none.
        found.or_else(|_| registrar.outcome(None, (phone, beneficiary), now_s)).ok()
    })?;
    Some((outcome?, whose))
}

/// The field "history of living in epidemic areas", as the stored answer leaves it.
pub(crate) fn shown(visitor: &Visitor, page: Page) -> Markup {
    let typed = visitor.portal.travels.draft(visitor.session.id(), page, visitor.now_s);
    let declared = typed.map(|typed| typed.declared).unwrap_or_default();
    let rests_on = outcome(visitor, page).unwrap_or((QueryOutcome::NotAsked, Applicant::Owner));
    draw(visitor, page, &rests_on, &declared)
}

/// The state of the field "history" on the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HistoryField {
    /// As the policy has it for the phone's owner, or for a ward of whose guardian's phone nothing was found.
    Field(StayField),
    /// The guardian's phone was in an epidemic area: was the ward with it?
    Along,
}

/// The field "history of living in epidemic areas": locked, preset, or for the citizen to say; and what each answer leads to.
fn draw(
    visitor: &Visitor,
    page: Page,
    (outcome, whose): &(QueryOutcome, Applicant),
    declared: &str,
) -> Markup {
    let is_ward = *whose != Applicant::Owner;
    let (asked, found) = match outcome {
        QueryOutcome::Stay(stay) if is_ward => (HistoryField::Along, Some(stay)),
        QueryOutcome::Stay(stay) => (HistoryField::Field(StayField::LockedYes), Some(stay)),
        QueryOutcome::Clean if !is_ward => (HistoryField::Field(StayField::No), None),
        QueryOutcome::Clean
        | QueryOutcome::Partial { .. }
        | QueryOutcome::NewNumber
        | QueryOutcome::Unanswerable
        | QueryOutcome::Unavailable(_)
        | QueryOutcome::NotAsked => (HistoryField::Field(StayField::Declare), None),
    };
    let locked = asked == HistoryField::Field(StayField::LockedYes);
    let yes = locked || declared == "yes";
    let no = !yes && (asked == HistoryField::Field(StayField::No) || declared == "no");
    let choice = |value: &str, key: &str, checked: bool, then: Markup| {
        html! {
            label.choice {
                input id=[(value == "no").then_some("declared")] type="radio" name="declared" value=(value) checked[checked] disabled[locked]
                    aria-describedby="history-why";
                span { (zh(key)) " " span.inline lang="en" { (en(key)) } @if locked && checked { " " (lock()) } (then) }
            }
        }
    };
    let declares = if locked { found } else { None };
    html! {
        fieldset.history.until data-field=(name(asked)) {
            legend { (both("form-history")) }
            @match (asked, found) {
                (HistoryField::Field(StayField::LockedYes), Some(stay)) => p.notice #history-why {
                    (both_with("form-history-locked", &[("area", &stay.area), ("day", &stay.last_day.to_string())]))
                },
                (HistoryField::Field(StayField::No), _) => p.hint #history-why { (both("form-history-no")) },
                (HistoryField::Along, _) => p.notice #history-why { (both("form-history-along")) },
                _ => p.hint #history-why { (both(if is_ward { "form-history-ward" } else { "form-history-say" })) },
            }
            @if asked == HistoryField::Along {
                (choice(ALONG, "form-along", declared == ALONG, then(visitor, found)))
                (choice("no", "form-not-along", declared == "no", html! {}))
                (choice("yes", "form-not-along-yes", declared == "yes", then(visitor, None)))
            } @else {
                (choice("no", "form-no", no, html! {}))
                (choice("yes", "form-yes", yes, then(visitor, declares)))
            }
            @if let Some(hint) = correction::on_form(visitor, page) { (hint) }
            (areas(visitor))
        }
    }
}

/// Draws a closed padlock: this cannot be changed.
fn lock() -> Markup {
    html! {
        svg.lock viewBox="0 0 24 24" aria-hidden="true" {
            path d="M7 10V7a5 5 0 0 1 10 0v3M5 10h14v11H5z" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linejoin="round" {}
        }
    }
}

/// Draws what a yes leads to, before it is sent.
fn then(visitor: &Visitor, found: Option<&Stay>) -> Markup {
    let foreseen = visitor.portal.policy.get().foreseen(found, day_of(visitor.now_s));
    html! {
        @if let Some((colour, day)) = foreseen {
            b.then { (both_with("form-then", &[("colour", colour.name()), ("day", &day.to_string())])) }
        }
    }
}

fn areas(visitor: &Visitor) -> Markup {
    let policy = visitor.portal.policy.get();
    let areas: Vec<&str> = policy.areas_in_effect(day_of(visitor.now_s)).take(AREAS_SHOWN_MAX).collect();
    html! {
        @if !areas.is_empty() {
            details { summary { (both("form-areas")) } ul.hint { @for area in areas { li { (both_with("area-name", &[("area", area)])) } } } }
        }
    }
}

const fn name(asked: HistoryField) -> &'static str {
    match asked {
        HistoryField::Field(StayField::LockedYes) => "locked",
        HistoryField::Field(StayField::No) => "no",
        HistoryField::Field(StayField::Declare) => "declare",
        HistoryField::Along => "along",
    }
}
