//! The first sign-in of a holder who was imported, or the first after a long time: phone and document of one person. A document that
//! does not belong to the phone says nothing about anybody.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::{ConfirmDocument, Confirmed, DOCUMENT_TRIES_MAX};
use maud::{Markup, html};

use super::{Problem, sheet};
use crate::portal::http::extract::{OwnForm, SignedIn};
use crate::portal::http::layout::wrongs;
use crate::portal::http::paths::Next;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};
use crate::portal::travel::Fields;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/confirm", web::get().to(show)).route("/confirm", web::post().to(send));
}

/// Shows the form for the document of a holder of before.
async fn show(visitor: SignedIn, next: web::Query<Next>) -> HttpResponse {
    visitor.page(visitor.frame(), "confirm-title", &drawn(&visitor, &Fields::default(), next.path(), None))
}

fn drawn(visitor: &Visitor, fields: &Fields, back: &str, problem: Option<Problem>) -> Markup {
    let tries = DOCUMENT_TRIES_MAX.to_string();
    let of_number = problem.filter(|problem| problem.field == "number").map(|problem| problem.key);
    html! {
        @if let Some(problem) = problem { (wrongs(&[(problem.field, both(problem.key))])) }
        p { (both("confirm-what")) }
        form.card method="post" action="/confirm" novalidate {
            (visitor.field())
            input type="hidden" name="back" value=(back);
            (sheet::document_fields(fields, of_number))
            p.hint { (both_with("confirm-hint", &[("tries", &tries)])) }
            button type="submit" { (both("confirm-send")) }
        }
        a.button.quiet href="/apply" { (both("confirm-apply")) }
    }
}

/// Opens the code of a holder of before to the phone, if the document is the one that belongs to it.
async fn send(OwnForm { sender: mut visitor, fields, .. }: OwnForm<Fields, SignedIn>) -> HttpResponse {
    let back = fields.back();
    visitor.is_at(format!("/confirm?next={back}"));
    let again = |status, problem| {
        visitor.page_with(
            status,
            visitor.frame(),
            "confirm-title",
            &drawn(&visitor, &fields.typed(), &back, Some(problem)),
        )
    };
    let number = |key| Problem { field: "number", key };
    let Some(document) = super::document(&fields) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, number(super::number_problem(&fields)));
    };
    let (proven, now_s) = (visitor.proven.clone(), visitor.now_s);
    match visitor.portal.registrar.act(ConfirmDocument { proven, document, now_s }).await {
        Ok(Confirmed::Code(_)) if back != "/" => visitor.go(&back),
        Ok(Confirmed::Code(_)) => visitor.go("/code?did=confirmed"),
        Ok(Confirmed::No) => again(StatusCode::UNPROCESSABLE_ENTITY, number("confirm-no")),
        Err(error) => {
            let (status, problem) = super::problem_of(&error);
            again(status, problem)
        }
    }
}
