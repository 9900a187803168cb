//! The page with the eight digits that stand for a code, for a screen that no camera can read.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::html;
use protocol::token::{Token, to_text};
use serde::Deserialize;

use super::mine;
use crate::portal::http::layout::wrong;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/code/digits", web::post().to(show));
}

#[derive(Deserialize)]
struct Wanted {
    token: String,
    /// The mark of one of the visitor's codes.
    which: String,
}

/// Digits for one of the visitor's codes. Nothing is recorded: whoever loads the page again gets others.
async fn show(visitor: Visitor, wanted: web::Form<Wanted>) -> HttpResponse {
    let one = match mine::sent(&visitor, &wanted.token, &wanted.which) {
        Ok(one) => one,
        Err(answer) => return *answer,
    };
    let portal = &visitor.portal;
    let digits = one.entry.and_then(|entry| {
        let issued_at_s = u32::try_from(visitor.now_s).ok()?;
        let token = Token { code: one.holder.code, issued_at_s, class: entry.class() };
        let keys = portal.keys.token_keys();
        let sealed = to_text(&keys.get(portal.keys.current_token())?.seal(token));
        portal.staff.digits.give(one.holder.code, sealed, visitor.now_s)
    });
    let Some(digits) = digits else {
        let body = html! { (wrong("digits-none")) a.button href="/code" { (both("digits-back")) } };
        return visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "digits-title", &body);
    };
    let body = html! {
        section.card { p { (both("digits-what")) } output.clock #digits { (digits) } p.hint { (both("digits-good")) } }
        a.button href="/code" { (both("digits-back")) }
    };
    visitor.page(visitor.frame(), "digits-title", &body)
}
