//! An appeal against one decision about one's own code, in the citizen's own words. Who answers it, and until when, is the registrar's.

use actix_web::http::StatusCode;
use actix_web::web;
use actors::registrar::MakeAppeal;
use actors::registrar::appeals::{APPEAL_CHARS_MAX, APPEAL_DAYS};
use maud::{Markup, html};
use serde::Deserialize;

use super::mine::{self, CodeForm, Mine, OwnCode};
use super::why;
use crate::portal::http::extract::Answer;
use crate::portal::http::layout::{beside, wrongs};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, both_with};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/why/{n}/appeal/{decision}", web::get().to(page)).route("/appeal", web::post().to(send));
}

/// Shows the form for an appeal against one decision about one of the visitor's codes.
async fn page(OwnCode { who, one, .. }: OwnCode, path: web::Path<(usize, i64)>) -> Answer {
    let (n, decision) = *path;
    let (why, _) = why::read(&who, &one)?;
    if why.decisions.iter().all(|row| row.id != decision) {
        return Ok(who.go(&format!("/why/{n}")));
    }
    let body = form(&who, &one, decision, "", None);
    Ok(who.page(who.frame(), "appeal-title", &body))
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
struct Appeal {
    decision: i64,
    text: String,
}

/// Takes an appeal in the visitor's own words.
async fn send(CodeForm { mut who, one, fields: Appeal { decision, text } }: CodeForm<Appeal>) -> Answer {
    who.is_at(format!("/why/{}/appeal/{decision}", one.index));
    // Browsers send lines with a return before each feed.
    let text = text.replace("\r\n", "\n");
    let problem = match text.trim().chars().count() {
        0 => Some("appeal-empty"),
        chars if chars > APPEAL_CHARS_MAX => Some("appeal-long"),
        _ => None,
    };
    if let Some(problem) = problem {
        let body = form(&who, &one, decision, &text, Some(problem));
        return Err(who.refused(StatusCode::UNPROCESSABLE_ENTITY, "appeal-title", &body));
    }
    let (code, now_s) = (one.holder.code, who.now_s);
    let made = who.portal.registrar.act(MakeAppeal { code, decision, text, now_s });
    made.await.map_err(|error| mine::failed(&who, &error))?;
    Ok(who.go(&format!("/why/{}", one.index)))
}
