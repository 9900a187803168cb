//! The page with the eight digits that stand for a code, for a screen that no camera can read.

use actix_web::http::StatusCode;
use actix_web::web;
use maud::html;
use protocol::token::{Token, to_text};

use super::mine::CodeForm;
use crate::portal::http::extract::{Answer, NoFields};
use crate::portal::http::layout::wrong;
use crate::portal::http::words::both;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/code/digits", web::post().to(show));
}

/// Shows eight digits for one of the visitor's codes. Nothing is recorded: the page loaded again shows others.
async fn show(CodeForm { who, one, fields: NoFields {} }: CodeForm<NoFields>) -> Answer {
    let portal = &who.portal;
    let digits = one.entry.and_then(|entry| {
        let issued_at_s = u32::try_from(who.now_s).ok()?;
        let token = Token { code: one.holder.code, issued_at_s, class: entry.class() };
        let keys = portal.keys.token_keys();
        let sealed = to_text(&keys.get(portal.keys.current_token(who.now_s))?.seal(token));
        portal.staff.digits.give(one.holder.code, sealed, who.now_s)
    });
    let Some(digits) = digits else {
        let body = html! { (wrong("digits-none")) a.button href="/code" { (both("digits-back")) } };
        return Err(who.refused(StatusCode::SERVICE_UNAVAILABLE, "digits-title", &body));
    };
    let body = html! {
        section.card { p { (both("digits-what")) } output.clock #digits { (digits) } p.hint { (both("digits-good")) } }
        a.button href="/code" { (both("digits-back")) }
    };
    Ok(who.page(who.frame(), "digits-title", &body))
}
