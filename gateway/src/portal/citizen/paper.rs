//! The printed code of oneself or a ward, and its end: who has lost the paper withdraws every one that was printed. No colour is
//! printed, because it changes; staff check the document.

use actix_web::{HttpResponse, web};
use actors::registrar::WithdrawPapers;
use maud::html;
use protocol::token::to_text;
use registry::lookups::masked;
use serde::Deserialize;

use super::mine::{self, CodeForm, OwnCode};
use crate::portal::http::extract::{Answer, NoFields};
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

/// Shows the printed code of one of the visitor's holders, to print, and the form that ends those printed before.
async fn page(OwnCode { who, one, others }: OwnCode, done: web::Query<Done>) -> Answer {
    let now_s = who.now_s;
    let paper = who.portal.read(|registrar| registrar.paper(one.holder.code, &who.proven, now_s));
    let paper = paper.ok_or_else(|| mine::busy(&who))?.map_err(|error| mine::failed(&who, &error))?;
    let keys = &who.portal.keys;
    let sealed = keys.token_keys().get(keys.current_paper()).map(|key| to_text(&paper.seal(key)));
    let picture = sealed.and_then(|text| qr::picture(&text, qr::Wear::Paper, &line("paper-qr")));
    let picture = picture.ok_or_else(|| mine::busy(&who))?;
    let document = &one.holder.person.document;
    let frame = Frame { script: Some("print.js"), ..who.frame() };
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
                (one.fields(&who))
                button.danger type="submit" { (both("paper-withdraw")) }
            }
        }
    };
    Ok(who.page(frame, "paper-title", &body))
}

/// Ends all printed codes of one of the visitor's holders.
async fn withdraw(CodeForm { mut who, one, fields: NoFields {} }: CodeForm<NoFields>) -> Answer {
    who.is_at(format!("/code/paper/{}", one.index));
    let (code, proven, now_s) = (one.holder.code, who.proven.clone(), who.now_s);
    who.portal
        .registrar
        .act(WithdrawPapers { code, proven, now_s })
        .await
        .map_err(|error| mine::failed(&who, &error))?;
    Ok(who.go(&format!("/code/paper/{}?withdrawn=yes", one.index)))
}
