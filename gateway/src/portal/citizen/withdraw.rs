//! Taking everything back: said first, ticked, then done, and what stays is said with the reason. The answer to the form is the page
//! itself: what stays is known only then, and sent again the form finds nobody.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::WithdrawPerson;
use maud::{Markup, html};
use registry::RetainedData;
use serde::Deserialize;

use super::mine::{self, Mine};
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

async fn page(visitor: Visitor, n: web::Path<usize>) -> HttpResponse {
    match mine::at(&visitor, *n, "/withdraw") {
        Ok((one, others)) => {
            let body = html! { (mine::others("/withdraw", &one, &others)) (form(&visitor, &one, false)) };
            visitor.page(visitor.frame(), "withdraw-title", &body)
        }
        Err(answer) => *answer,
    }
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
struct Sent {
    token: String,
    which: String,
    #[serde(default)]
    sure: Option<String>,
}

async fn withdraw(mut visitor: Visitor, sent: web::Form<Sent>) -> HttpResponse {
    let one = match mine::sent(&visitor, &sent.token, &sent.which) {
        Ok(one) => one,
        Err(answer) => return *answer,
    };
    if sent.sure.as_deref() != Some("yes") {
        visitor.is_at(format!("/withdraw/{}", one.index));
        let body = form(&visitor, &one, true);
        return visitor.page_with(StatusCode::UNPROCESSABLE_ENTITY, visitor.frame(), "withdraw-title", &body);
    }
    let Some(proven) = visitor.proven().cloned() else { return visitor.stale() };
    let (code, now_s) = (one.holder.code, visitor.now_s);
    match visitor.portal.registrar.act(WithdrawPerson { code, proven, now_s }).await {
        Ok(remains) => {
            if one.of == 1 {
                // Nobody is left whom this browser would have to know.
                visitor.change(|session| (session.phone, session.proven) = (None, None));
            }
            // What is left is said once; where the form stood there may be nobody any more.
            visitor.is_at("/".to_owned());
            visitor.page(visitor.frame(), "withdraw-done-title", &done(&remains))
        }
        Err(error) => mine::failed(&visitor, &error),
    }
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
