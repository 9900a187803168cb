//! The printed code of oneself or a ward, and its end: who has lost the paper withdraws every one that was printed. No colour is
//! printed, because it changes; staff check the document.

use actix_web::{HttpResponse, web};
use actors::registrar::WithdrawPapers;
use maud::html;
use protocol::token::to_text;
use registry::lookups::masked;
use serde::Deserialize;

use super::mine;
use crate::portal::http::layout::{Frame, notice};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with, line};
use crate::portal::http::{qr, terms, when};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/code/paper", web::get().to(first))
        .route("/code/paper/{n}", web::get().to(page))
        .route("/code/paper", web::post().to(withdraw));
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    withdrawn: Option<String>,
}

async fn first(visitor: Visitor) -> HttpResponse {
    visitor.go("/code/paper/0")
}

async fn page(visitor: Visitor, n: web::Path<usize>, done: web::Query<Done>) -> HttpResponse {
    let (one, others) = match mine::at(&visitor, *n, "/code/paper") {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let Some(proven) = visitor.proven() else { return mine::busy(&visitor) };
    let (code, now_s) = (one.holder.code, visitor.now_s);
    let paper = match visitor.portal.read(|registrar| registrar.paper(code, proven, now_s)) {
        None => return mine::busy(&visitor),
        Some(Err(error)) => return mine::failed(&visitor, &error),
        Some(Ok(paper)) => paper,
    };
    let keys = &visitor.portal.keys;
    let sealed = keys.token_keys().get(keys.current_paper()).map(|key| to_text(&paper.seal(key)));
    let picture = sealed.and_then(|text| qr::picture(&text, qr::Wear::Paper, &line("paper-qr")));
    let Some(picture) = picture else { return mine::busy(&visitor) };
    let document = &one.holder.person.document;
    let frame = Frame { script: Some("print.js"), ..visitor.frame() };
    let body = html! {
        div.noprint {
            (mine::others("/code/paper", &one, &others))
            @if done.withdrawn.is_some() { (notice("paper-withdrawn")) }
            p { (both("paper-what")) }
        }
        section.card.paper {
            p.product { (line("product")) " · " (line("paper-title")) }
            div.qr { (picture) }
            p.who { b translate="no" { (masked(&one.holder.person.name)) } " " (terms::whose(&one.holder)) }
            p.document { (terms::end_of(document.kind(), document.tail())) }
            p { (both_with("paper-made", &[("day", &when::day(now_s).to_string())])) }
            p.check { (both("paper-check")) }
        }
        div.noprint {
            button #print type="button" hidden { (both("paper-print")) }
            noscript { p.hint { (both("paper-print-menu")) } }
            form.card.apart method="post" action="/code/paper" {
                h2 { (both("paper-lost-title")) }
                p.hint { (both("paper-lost")) }
                (one.fields(&visitor))
                button.danger type="submit" { (both("paper-withdraw")) }
            }
        }
    };
    visitor.page(frame, "paper-title", &body)
}

#[derive(Deserialize)]
struct Lost {
    token: String,
    which: String,
}

async fn withdraw(mut visitor: Visitor, form: web::Form<Lost>) -> HttpResponse {
    let one = match mine::sent(&visitor, &form.token, &form.which) {
        Ok(one) => one,
        Err(answer) => return *answer,
    };
    visitor.is_at(format!("/code/paper/{}", one.index));
    let Some(proven) = visitor.proven().cloned() else { return visitor.stale() };
    let (code, now_s) = (one.holder.code, visitor.now_s);
    match visitor.portal.registrar.act(WithdrawPapers { code, proven, now_s }).await {
        Ok(()) => visitor.go(&format!("/code/paper/{}?withdrawn=yes", one.index)),
        Err(error) => mine::failed(&visitor, &error),
    }
}
