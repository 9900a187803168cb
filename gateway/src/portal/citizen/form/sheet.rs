//! The look of the form of an application or a modification: its fields, each with its label and what is wrong beside it. Reads what it
//! needs to draw; takes nothing.

use actors::residence::{self, Districts, NAME_CHARS_MAX};
use maud::{Markup, html};
use registry::DocumentKind;

use super::{Problem, Subject};
use crate::portal::http::layout::{beside, wrongs};
use crate::portal::http::paths::Page;
use crate::portal::http::terms::kind_key;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, line, zh};
use crate::portal::travel::{self, Fields};

/// An identity number has 18 characters, a passport's at most 20; people group them, and pasted text brings marks along.
const NUMBER_CHARS_MAX: usize = 48;

/// The parts that differ from form to form.
pub(crate) struct Sheet {
    pub(crate) title: &'static str,
    /// The part that stands above the fields.
    pub(crate) above: Markup,
    /// The button's key.
    pub(crate) send: &'static str,
    /// The content that the fields hold before anything is typed.
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
    let phone = visitor.session.phone.as_ref().map(registry::Phone::masked).unwrap_or_default();
    html! {
        (all_wrong(problems))
        form #sheet method="post" action=(path) novalidate {
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
                            dt { (both(kind_key(document.kind()))) } dd { (document.masked()) }
                            dt { (both("form-phone")) } dd { (phone) }
                        },
                        None => {
                            (document_fields(fields, problem("number")))
                            dl.facts.gap { dt { (both("form-phone")) } dd { (phone) } }
                        }
                    }
                }
                div.card { h2 { (both("form-where")) } (where_fields(visitor, page, fields, &problem)) }
            }
            div.card #history-card {
                (beside("declared", problem("declared").map(both).as_ref()))
                (travel::module(visitor, page, &path))
            }
            div.until { button type="submit" { (both(sheet.send)) } }
        }
        script src="/s/streets.js" defer {}
    }
}

/// Draws all that is wrong, above a form.
fn all_wrong(problems: &[Problem]) -> Markup {
    let all: Vec<_> = problems.iter().map(|problem| (problem.field, both(problem.key))).collect();
    html! { @if !all.is_empty() { (wrongs(&all)) } }
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
        (beside(name, problem.map(both).as_ref()))
    }
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

fn where_fields<'a>(
    visitor: &Visitor,
    page: Page,
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
        (beside("district", problem("district").map(both).as_ref()))
        noscript { (travel::button(page, "streets", "form-streets")) }
        label for="street" { (both("form-street")) }
        select #street name="street"
            aria-describedby=[described("street", false, problem("street").is_some())]
            aria-invalid=[problem("street").map(|_| "true")] {
            option value="" { (line("form-choose-none")) }
            (streets(&fields.district, &fields.street))
        }
        (beside("street", problem("street").map(both).as_ref()))
        (text(&community, &fields.community, problem("community")))
    }
}

/// Draws the streets of a district, to choose from; their names are Chinese only.
pub(crate) fn streets(district: &str, chosen: &str) -> Markup {
    html! {
        @for (street, name) in residence::streets(district) {
            option value=(street) selected[street == chosen] translate="no" { (name) }
        }
    }
}
