//! The withdrawal of a holder: what goes and what stays is shown first, a tick is required, and the answer names what stays and why. The
//! answer is a page and no redirect, because the form cannot be repeated.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::WithdrawPerson;
use maud::{Markup, html};
use registry::RetainedData;
use serde::Deserialize;

use super::mine::{self, CodeForm, Mine, OwnCode};
use crate::portal::http::extract::Answer;
use crate::portal::http::layout::{beside, notice, wrongs};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/withdraw", web::get().to(first))
        .route("/withdraw/{n}", web::get().to(page))
        .route("/withdraw", web::post().to(withdraw));
}

async fn first(visitor: Visitor) -> HttpResponse {
    visitor.go("/withdraw/0")
}

/// Shows what ends with one of the visitor's codes and what stays, with the form that ends it.
async fn page(OwnCode { who, one, others }: OwnCode) -> HttpResponse {
    let body = html! { (mine::others("/withdraw", &one, &others)) (form(&who, &one, false)) };
    who.page(who.frame(), "withdraw-title", &body)
}

fn form(visitor: &Visitor, one: &Mine, unticked: bool) -> Markup {
    let problem = unticked.then(|| both("withdraw-tick"));
    html! {
        @if let Some(problem) = &problem { (wrongs(&[("sure", problem.clone())])) }
        p.who { (one.who()) }
        section.card { h2 { (both("withdraw-goes-title")) } p { (both("withdraw-goes")) } }
        section.card { h2 { (both("withdraw-stays-title")) } p { (both("withdraw-stays")) } }
        form.card method="post" action="/withdraw" novalidate {
            (one.fields(visitor))
            label.choice for="sure" {
                input #sure type="checkbox" name="sure" value="yes" required
                    aria-describedby=[unticked.then_some("sure-wrong")];
                span { (both("withdraw-sure")) }
            }
            (beside("sure", problem.as_ref()))
            button.danger type="submit" { (both("withdraw-yes")) }
        }
        a.button.quiet href="/code" { (both("withdraw-no")) }
    }
}

#[derive(Deserialize)]
struct Withdrawal {
    #[serde(default)]
    sure: Option<String>,
}

/// Deletes the holder of one of the visitor's codes from the registry, and says what stays.
async fn withdraw(CodeForm { mut who, one, fields }: CodeForm<Withdrawal>) -> Answer {
    if fields.sure.as_deref() != Some("yes") {
        who.is_at(format!("/withdraw/{}", one.index));
        return Err(who.refused(StatusCode::UNPROCESSABLE_ENTITY, "withdraw-title", &form(&who, &one, true)));
    }
    let (code, proven, now_s) = (one.holder.code, who.proven.clone(), who.now_s);
    let withdrawal = WithdrawPerson { code, proven, now_s };
    let remains = who.portal.registrar.act(withdrawal).await.map_err(|error| mine::failed(&who, &error))?;
    if one.of == 1 {
        // No holder is left whom this browser would have to know.
        who.change(|session| (session.phone, session.proven) = (None, None));
    }
    // What is left is said once; the page of the form may be gone.
    who.is_at("/".to_owned());
    Ok(who.page(who.frame(), "withdraw-done-title", &done(&remains)))
}

fn done(remains: &RetainedData) -> Markup {
    let RetainedData { decisions, accesses, causes_until_s, stay_until_s } = remains;
    let line = |key: &str, number: u64| both_with(key, &[("number", &number.to_string())]);
    let until = |key: &str, at_s: u64| both_with(key, &[("day", &when::day(at_s).to_string())]);
    html! {
        (notice("withdraw-done"))
        section.card {
            h2 { (both("withdraw-remains")) }
            ul.list {
                li { (line("remains-decisions", *decisions)) }
                li { (line("remains-accesses", *accesses)) }
                @if let Some(at_s) = causes_until_s { li { (until("remains-causes", *at_s)) } }
                @if let Some(at_s) = stay_until_s { li { (until("remains-stay", *at_s)) } }
                li { (both("remains-punches")) }
            }
        }
        a.button.quiet href="/" { (both("card-home")) }
    }
}
