//! An appeal against one decision about one's own code, in the citizen's own words. Who answers it, and until when, is the registrar's.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::MakeAppeal;
use actors::registrar::appeals::{APPEAL_CHARS_MAX, APPEAL_DAYS};
use maud::{Markup, html};
use serde::Deserialize;

use super::mine::{self, Mine};
use super::why;
use crate::portal::http::layout::{beside, wrongs};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/why/{n}/appeal/{decision}", web::get().to(page)).route("/appeal", web::post().to(send));
}

async fn page(visitor: Visitor, path: web::Path<(usize, i64)>) -> HttpResponse {
    let (n, decision) = *path;
    let one = match mine::at(&visitor, n, "/why") {
        Ok((one, _)) => one,
        Err(answer) => return *answer,
    };
    match why::read(&visitor, &one) {
        Ok((why, _)) if why.decisions.iter().any(|row| row.id == decision) => {
            let body = form(&visitor, &one, decision, "", None);
            visitor.page(visitor.frame(), "appeal-title", &body)
        }
        Ok(_) => visitor.go(&format!("/why/{n}")),
        Err(answer) => *answer,
    }
}

fn form(visitor: &Visitor, one: &Mine, decision: i64, text: &str, problem: Option<&str>) -> Markup {
    let days = APPEAL_DAYS.to_string();
    let problem = problem.map(both);
    let described = if problem.is_some() { "words-hint words-wrong" } else { "words-hint" };
    html! {
        @if let Some(problem) = &problem { (wrongs(&[("words", problem.clone())])) }
        p { (both_with("appeal-what", &[("number", &decision.to_string()), ("days", &days)])) }
        form.card method="post" action="/appeal" novalidate {
            (one.fields(visitor))
            input type="hidden" name="decision" value=(decision);
            p.who { (one.who()) }
            label for="words" { (both("appeal-words")) }
            textarea #words name="text" rows="6" maxlength=(APPEAL_CHARS_MAX) required
                aria-describedby=(described) aria-invalid=[problem.as_ref().map(|_| "true")] { (text) }
            p.hint #words-hint { (both("appeal-words-hint")) }
            (beside("words", problem.as_ref()))
            button type="submit" { (both("appeal-send")) }
        }
        a.button.quiet href={ "/why/" (one.index) } { (both("card-back")) }
    }
}

#[derive(Deserialize)]
struct Sent {
    token: String,
    which: String,
    decision: i64,
    text: String,
}

async fn send(mut visitor: Visitor, sent: web::Form<Sent>) -> HttpResponse {
    let Sent { token, which, decision, text } = sent.into_inner();
    let one = match mine::sent(&visitor, &token, &which) {
        Ok(one) => one,
        Err(answer) => return *answer,
    };
    visitor.is_at(format!("/why/{}/appeal/{decision}", one.index));
    // Browsers send lines with a return before each feed.
    let text = text.replace("\r\n", "\n");
    let problem = match text.trim().chars().count() {
        0 => Some("appeal-empty"),
        chars if chars > APPEAL_CHARS_MAX => Some("appeal-long"),
        _ => None,
    };
    if let Some(problem) = problem {
        let body = form(&visitor, &one, decision, &text, Some(problem));
        return visitor.page_with(StatusCode::UNPROCESSABLE_ENTITY, visitor.frame(), "appeal-title", &body);
    }
    let (code, now_s) = (one.holder.code, visitor.now_s);
    match visitor.portal.registrar.act(MakeAppeal { code, decision, text, now_s }).await {
        Ok(_) => visitor.go(&format!("/why/{}", one.index)),
        Err(error) => mine::failed(&visitor, &error),
    }
}
