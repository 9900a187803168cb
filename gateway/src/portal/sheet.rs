//! How the form of an application or a modification looks: its fields, each with its label and what is wrong beside it. Reads what it
//! needs to draw; takes nothing.

use actors::policy::{Field, Outcome};
use actors::registry::DocumentKind;
use actors::residence::{self, Districts, NAME_CHARS_MAX};
use actors::trajectory::day_of;
use maud::{Markup, html};

use super::form::{Fields, Problem, Subject};
use super::layout::wrong;
use super::travel;
use super::visitor::Visitor;
use super::words::{both, both_with, en, line, zh};

/// Areas that are named before a reader gives up.
const AREAS_SHOWN_MAX: usize = 60;
/// An identity number has 18 characters, a passport's at most 20.
const NUMBER_CHARS_MAX: usize = 24;

/// What differs from form to form.
pub(crate) struct Sheet {
    pub(crate) title: &'static str,
    /// What stands above the fields.
    pub(crate) above: Markup,
    /// The button's key.
    pub(crate) send: &'static str,
    /// What the fields hold before anything is typed.
    pub(crate) registered: Fields,
}

/// The form. What was typed before goes before what is registered.
pub(crate) fn draw(visitor: &Visitor, subject: &Subject, problems: &[Problem]) -> Markup {
    let (page, sheet) = (subject.page, &subject.sheet);
    let draft = visitor.portal.travels.draft(visitor.session.id(), page, visitor.now_s);
    let fields = draft.as_ref().unwrap_or(&sheet.registered);
    let path = page.form_path().unwrap_or_default();
    let problem =
        |field: &str| problems.iter().find(|problem| problem.field == field).map(|problem| problem.key);
    let phone = visitor.session.phone.as_ref().map(actors::registry::Phone::masked).unwrap_or_default();
    html! {
        @if let Some(key) = problem("") { (wrong(key)) }
        @else if !problems.is_empty() { (wrong("form-look-again")) }
        form method="post" action=(path) {
            // The return key sends the form, not the query.
            button.away type="submit" tabindex="-1" aria-hidden="true" { (zh(sheet.send)) }
            (visitor.field())
            input type="hidden" name="back" value=(subject.back);
            div.until {
                (sheet.above)
                div.card {
                    h2 { (both("form-who")) }
                    (text(&Input { name: "name", label: "form-name", hint: None, chars_max: NAME_CHARS_MAX, complete: "name" },
                        &fields.name, problem("name")))
                    @match &subject.document {
                        Some(document) => dl.facts {
                            dt { (zh(kind_key(document.kind()))) } dd { (document.masked()) }
                            dt { (zh("form-phone")) } dd { (phone) }
                        },
                        None => {
                            (document_fields(fields, problem("number")))
                            dl.facts.gap { dt { (zh("form-phone")) } dd { (phone) } }
                        }
                    }
                }
                div.card { h2 { (both("form-where")) } (where_fields(visitor, fields, &problem)) }
            }
            div.card #history-card {
                @if let Some(key) = problem("declared") { p.field-wrong #declared-wrong role="alert" { (both(key)) } }
                (travel::module(visitor, page, &path))
            }
            div.until { button type="submit" { (both(sheet.send)) } }
        }
    }
}

/// A line that is typed.
struct Input {
    name: &'static str,
    label: &'static str,
    hint: Option<&'static str>,
    chars_max: usize,
    complete: &'static str,
}

fn text(input: &Input, value: &str, problem: Option<&str>) -> Markup {
    let Input { name, label, hint, chars_max, complete } = *input;
    html! {
        label for=(name) { (both(label)) }
        input id=(name) type="text" name=(name) value=(value) maxlength=(chars_max) autocomplete=(complete)
            aria-describedby=[described(name, hint.is_some(), problem.is_some())]
            aria-invalid=[problem.map(|_| "true")];
        @if let Some(hint) = hint { p.hint id={ (name) "-hint" } { (both(hint)) } }
        (beside(name, problem))
    }
}

/// What is wrong with a field, beside it.
fn beside(name: &str, problem: Option<&str>) -> Markup {
    html! { @if let Some(key) = problem { p.field-wrong id={ (name) "-wrong" } { (both(key)) } } }
}

fn described(name: &str, hint: bool, wrong: bool) -> Option<String> {
    let mut ids = Vec::new();
    if hint {
        ids.push(format!("{name}-hint"));
    }
    if wrong {
        ids.push(format!("{name}-wrong"));
    }
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// The document's kind and number.
pub(crate) fn document_fields(fields: &Fields, problem: Option<&str>) -> Markup {
    let chosen = DocumentKind::from_name(&fields.kind).unwrap_or(DocumentKind::IdCard);
    let number = Input {
        name: "number",
        label: "form-number",
        hint: None,
        chars_max: NUMBER_CHARS_MAX,
        complete: "off",
    };
    html! {
        label for="kind" { (both("form-kind")) }
        select #kind name="kind" {
            @for kind in DocumentKind::ALL {
                option value=(kind.name()) selected[kind == chosen] { (line(kind_key(kind))) }
            }
        }
        (text(&number, &fields.number, problem))
    }
}

const fn kind_key(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::IdCard => "kind-id-card",
        DocumentKind::HkMacauPermit => "kind-hk-macau-permit",
        DocumentKind::TaiwanPermit => "kind-taiwan-permit",
        DocumentKind::Passport => "kind-passport",
        DocumentKind::ForeignPrCard => "kind-foreign-pr-card",
    }
}

fn where_fields<'a>(
    visitor: &Visitor,
    fields: &Fields,
    problem: &impl Fn(&str) -> Option<&'a str>,
) -> Markup {
    let districts = visitor.portal.read(|registrar| registrar.districts().ok()).flatten();
    let districts = districts.unwrap_or_else(|| Districts::new(Vec::new()));
    let community = Input {
        name: "community",
        label: "form-community",
        hint: Some("form-community-hint"),
        chars_max: NAME_CHARS_MAX,
        complete: "off",
    };
    html! {
        label for="district" { (both("form-district")) }
        select #district name="district"
            aria-describedby=[described("district", false, problem("district").is_some())]
            aria-invalid=[problem("district").map(|_| "true")] {
            option value="" { (line("form-choose")) }
            @for (code, name, name_en) in districts.all() {
                option value=(code) selected[code == fields.district] { (name) " " (name_en) }
            }
        }
        (beside("district", problem("district")))
        label for="street" { (both("form-street")) }
        select #street name="street"
            aria-describedby=[described("street", false, problem("street").is_some())]
            aria-invalid=[problem("street").map(|_| "true")] {
            option value="" { (line("form-choose-none")) }
            @for (code, name, _) in districts.all() {
                @let streets = residence::streets(code);
                @if !streets.is_empty() {
                    optgroup label=(name) data-district=(code) {
                        @for (street, name) in streets {
                            option value=(street) selected[street == fields.street] { (name) }
                        }
                    }
                }
            }
        }
        (beside("street", problem("street")))
        (text(&community, &fields.community, problem("community")))
    }
}

/// The field "history of living in epidemic areas": locked, preset, or for the citizen to say.
pub(crate) fn history(visitor: &Visitor, outcome: &Outcome, declared: &str) -> Markup {
    let field = outcome.field();
    let locked = field == Field::LockedYes;
    let yes = locked || declared == "yes";
    let no = !yes && (field == Field::No || declared == "no");
    let policy = visitor.portal.policy.get();
    let areas: Vec<&str> = policy.areas_in_effect(day_of(visitor.now_s)).take(AREAS_SHOWN_MAX).collect();
    html! {
        fieldset.history.until data-field=(name(field)) {
            legend { (both("form-history")) }
            @match outcome {
                Outcome::Stay(stay) => p.notice #history-why {
                    (both_with("form-history-locked", &[("area", &stay.area), ("day", &stay.last_day.to_string())]))
                },
                Outcome::Clean => p.hint #history-why { (both("form-history-no")) },
                Outcome::Partial { .. } | Outcome::NewNumber | Outcome::Unanswerable | Outcome::Unavailable(_)
                    | Outcome::NotAsked => p.hint #history-why { (both("form-history-say")) },
            }
            @for (value, key, checked) in [("no", "form-no", no), ("yes", "form-yes", yes)] {
                label.choice {
                    input type="radio" name="declared" value=(value) checked[checked] disabled[locked]
                        aria-describedby="history-why";
                    span { (zh(key)) " " span.inline lang="en" { (en(key)) } }
                }
            }
            @if !areas.is_empty() {
                details { summary { (both("form-areas")) } ul.hint { @for area in areas { li { (both_with("area-name", &[("area", area)])) } } } }
            }
        }
    }
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::LockedYes => "locked",
        Field::No => "no",
        Field::Declare => "declare",
    }
}
