//! The first sign-in of a holder who was imported, or the first after a long time: phone and document of one person. A document that
//! does not belong to the phone says nothing about anybody.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::{ConfirmDocument, Confirmed, DOCUMENT_TRIES_MAX};
use maud::{Markup, html};

use super::sheet;
use crate::portal::http::layout::wrongs;
use crate::portal::http::paths::Next;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};
use crate::portal::travel::Fields;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/confirm", web::get().to(show)).route("/confirm", web::post().to(send));
}

async fn show(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    if visitor.proven().is_none() {
        return visitor.sign_in_first("/confirm");
    }
    visitor.page(visitor.frame(), "confirm-title", &drawn(&visitor, &Fields::default(), next.path(), None))
}

fn drawn(visitor: &Visitor, fields: &Fields, back: &str, problem: Option<&str>) -> Markup {
    let tries = DOCUMENT_TRIES_MAX.to_string();
    html! {
        @if let Some(problem) = problem { (wrongs(&[("number", both(problem))])) }
        p { (both("confirm-what")) }
        form.card method="post" action="/confirm" novalidate {
            (visitor.field())
            input type="hidden" name="back" value=(back);
            (sheet::document_fields(fields, problem))
            p.hint { (both_with("confirm-hint", &[("tries", &tries)])) }
            button type="submit" { (both("confirm-send")) }
        }
        a.button.quiet href="/apply" { (both("confirm-apply")) }
    }
}

async fn send(mut visitor: Visitor, fields: web::Form<Fields>) -> HttpResponse {
    if !visitor.sent(&fields.token) {
        return visitor.stale();
    }
    let Some(proven) = visitor.proven().cloned() else { return visitor.sign_in_first("/confirm") };
    let back = fields.back();
    visitor.is_at(format!("/confirm?next={back}"));
    let again = |status, key: &'static str| {
        visitor.page_with(
            status,
            visitor.frame(),
            "confirm-title",
            &drawn(&visitor, &fields.typed(), &back, Some(key)),
        )
    };
    let Some(document) = super::document(&fields) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, super::number_problem(&fields));
    };
    let now_s = visitor.now_s;
    match visitor.portal.registrar.act(ConfirmDocument { proven, document, now_s }).await {
        Ok(Confirmed::Code(_)) if back != "/" => visitor.go(&back),
        Ok(Confirmed::Code(_)) => visitor.go("/code?did=confirmed"),
        Ok(Confirmed::No) => again(StatusCode::UNPROCESSABLE_ENTITY, "confirm-no"),
        Err(error) => {
            let (status, problem) = super::problem_of(&error);
            again(status, problem.key)
        }
    }
}
