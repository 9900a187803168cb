//! Why a code has its colour: what is in force and what was, by whom, until when, whom to ask; the decisions with their numbers, and the
//! signed proof of the last one to keep. Appealing against one is beside this.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{Error, HttpResponse, web};
use actors::registrar::{RegistrarError, Why};
use maud::{Markup, html};
use policy::CauseKind;
use protocol::{Basis, Colour};
use registry::{AppealRow, CauseRow, DecisionRow};
use serde::Deserialize;

use super::after;
use super::mine::{self, Mine, OwnCode};
use crate::portal::Portal;
use crate::portal::http::extract::{Answer, early};
use crate::portal::http::layout::{notice, status, wrong};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when::{self, NEVER_S};
use crate::portal::http::words::{both, both_with, en, zh};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/why", web::get().to(first))
        .route("/why/{n}", web::get().to(page))
        .route("/why/{n}/receipt", web::get().to(receipt))
        .route("/audit", web::get().to(audit));
}

async fn first(visitor: Visitor) -> HttpResponse {
    visitor.go("/why/0")
}

/// Shows why one of the visitor's codes has its colour.
async fn page(OwnCode { who, one, others }: OwnCode) -> Answer {
    let (why, appeals) = read(&who, &one)?;
    let now_s = who.now_s;
    let (force, over): (Vec<&CauseRow>, Vec<&CauseRow>) =
        why.causes.iter().rev().partition(|row| row.is_in_force(now_s));
    let (colour, basis) = one.standing();
    let body = html! {
        (mine::others("/why", &one, &others))
        p.who { (one.who()) }
        (status(colour, basis))
        @if one.entry.is_none() { (notice("card-not-loaded")) }
        @if colour != Colour::Green { section.card.after { h2 { (both("after-title")) } (after::what_now(&who, &one, &why, &appeals)) } }
        (in_short(&why, basis, now_s))
        @if force.is_empty() { div.card { p { (both(nothing_in_force(&why))) } } }
        @for row in force { (cause(row, now_s)) }
        @if !over.is_empty() {
            details.card { summary { (both("why-over")) } @for row in over { (cause(row, now_s)) } }
        }
        section.card {
            h2 { (both("why-decisions")) }
            @if why.decisions.is_empty() { p.hint { (both("why-no-decision")) } }
            @else {
                p.hint { (both("why-decisions-what")) }
                ul.list { @for row in why.decisions.iter().rev() { (decision(&one, row, &appeals)) } }
                a.button.quiet href={ "/why/" (one.index) "/receipt" } download="changtong-receipt.json" { (both("why-receipt")) }
                p.hint { (both("why-receipt-what")) }
            }
        }
        a.button.quiet href="/code" { (both("card-back")) }
    };
    Ok(who.page(who.frame(), "why-title", &body))
}

/// The causes and decisions of the code, and the appeals against these.
pub(super) fn read(visitor: &Visitor, one: &Mine) -> Result<(Why, Vec<AppealRow>), Error> {
    let code = one.holder.code;
    let read = visitor.portal.read(|registrar| Ok((registrar.why(code)?, registrar.appeals(code)?)));
    let read = read.ok_or_else(|| mine::busy(visitor))?;
    let (why, appeals) = read.map_err(|error| mine::failed(visitor, &error))?;
    Ok((why.ok_or_else(|| early(visitor.go("/code")))?, appeals))
}

/// A colour that came with an import has no cause of its own yet.
fn nothing_in_force(why: &Why) -> &'static str {
    match why.entry.colour() {
        Colour::Green => "why-nothing",
        Colour::Yellow | Colour::Red => "why-inherited",
        Colour::Unknown => "why-unknown",
    }
}

/// Draws the basis, since when, and the next change by itself.
fn in_short(why: &Why, basis: Basis, now_s: u64) -> Markup {
    let since = why.decisions.last().map(|row| when::minute(row.at_s));
    let next = why.next_colour_change(now_s).map(|turn| turn.at_s).filter(|&at_s| at_s < NEVER_S);
    let basis = match basis {
        Basis::Verified => "basis-verified",
        Basis::Declared => "basis-declared",
        Basis::Nothing => "why-basis-nothing",
    };
    html! {
        dl.facts.card {
            dt { (both("why-basis")) } dd { (both(basis)) }
            @if let Some(since) = since { dt { (both("why-since")) } dd { (since) } }
            dt { (both("why-next")) }
            dd { @match next { Some(at_s) => (when::minute(at_s)), None => (both("why-next-none")) } }
        }
    }
}

fn cause(row: &CauseRow, now_s: u64) -> Markup {
    let (name, rests_on) = words(row.cause.kind);
    let colour = format!("colour-{}", row.cause.colour.name());
    let until = match row.cleared_s {
        Some(at_s) => both_with("why-cleared", &[("when", &when::minute(at_s))]),
        None if row.cause.until_s >= NEVER_S => both("why-no-end"),
        None => html! { (when::minute(row.cause.until_s)) },
    };
    html! {
        section.card.cause {
            h2 { (both(name)) }
            dl.facts {
                dt { (both("why-gives")) } dd { (both(&colour)) }
                dt { (both("why-evidence")) } dd { (both(rests_on)) }
                dt { (both("why-authority")) } dd { (authority(&row.authority)) }
                dt { (both("why-from")) } dd { (when::minute(row.cause.from_s)) }
                dt { (both("why-until")) } dd { (until) }
                @if !row.policy.is_empty() { dt { (both("why-policy")) } dd translate="no" { (row.policy) } }
            }
            @if row.is_in_force(now_s) { p.hint { (both("why-ask")) } }
        }
    }
}

/// Returns the texts of a cause and of its evidence.
const fn words(kind: CauseKind) -> (&'static str, &'static str) {
    match kind {
        CauseKind::Trajectory => ("cause-trajectory", "evidence-carrier"),
        CauseKind::Declaration => ("cause-declaration", "evidence-declared"),
        CauseKind::CloseContact => ("cause-contact", "evidence-authority"),
        CauseKind::Diagnosis => ("cause-diagnosis", "evidence-authority"),
        CauseKind::Quarantine => ("cause-quarantine", "evidence-authority"),
        CauseKind::Inherited => ("cause-inherited", "evidence-inherited"),
        CauseKind::InheritedDeclared => ("cause-inherited", "evidence-inherited-declared"),
        CauseKind::Accompanied => ("cause-accompanied", "evidence-accompanied"),
        CauseKind::Corrected => ("cause-corrected", "evidence-declared"),
    }
}

/// An authority in words; one that has none here by its name.
pub(super) fn authority(name: &str) -> Markup {
    let known = ["carrier", "citizen", "former-system", "clock", "cdc"].contains(&name);
    if known {
        both(&format!("authority-{name}"))
    } else {
        html! { span translate="no" { (name) } }
    }
}

fn decision(one: &Mine, row: &DecisionRow, appeals: &[AppealRow]) -> Markup {
    let number = row.id.to_string();
    let of = |colour: Colour| format!("colour-{}", colour.name());
    let (from, to) = (of(row.from), of(row.to));
    let appeals: Vec<&AppealRow> = appeals.iter().filter(|appeal| appeal.decision == row.id).collect();
    let may = row.cause.is_some()
        && row.to != Colour::Green
        && appeals.iter().all(|appeal| appeal.answer.is_some());
    html! {
        li {
            b { (zh(&from)) " → " (zh(&to)) } span.en lang="en" { (en(&from)) " → " (en(&to)) }
            p.hint {
                (both_with("why-decision", &[("number", &number), ("when", &when::minute(row.at_s))]))
                (authority(&row.authority))
                @if !row.operators.is_empty() { (both_with("why-signed", &[("who", &row.operators)])) }
                @if !row.policy.is_empty() { (both_with("why-by-policy", &[("policy", &row.policy)])) }
            }
            @for appeal in appeals { (appealed(appeal)) }
            @if may { a.button.quiet href={ "/why/" (one.index) "/appeal/" (row.id) } { (both("why-appeal")) } }
        }
    }
}

fn appealed(appeal: &AppealRow) -> Markup {
    let number = appeal.id.to_string();
    html! {
        div.appeal {
            @match &appeal.answer {
                None => {
                    p { (both_with("appeal-open", &[("number", &number), ("due", &when::minute(appeal.due_s))])) }
                    p.hint { (authority(&appeal.authority)) }
                    blockquote translate="no" { (appeal.text) }
                }
                Some(answer) => {
                    p { b { (both(if answer.granted { "appeal-granted" } else { "appeal-refused" })) } }
                    blockquote translate="no" { (answer.text) }
                    p.hint { (both_with("appeal-by", &[("who", &answer.by), ("when", &when::minute(answer.at_s)), ("number", &number)])) }
                }
            }
        }
    }
}

/// The last decision with the proof that it is on record: some dozens of rows, as for any page.
async fn receipt(OwnCode { who, one, .. }: OwnCode) -> Answer {
    let receipt = who.portal.read(|registrar| registrar.decision_receipt(one.holder.code));
    let receipt = receipt.ok_or_else(|| mine::busy(&who))?.map_err(|error| mine::failed(&who, &error))?;
    let Some(receipt) = receipt else {
        let back = format!("/why/{}", one.index);
        let body = html! { (wrong("why-receipt-later")) a.button href=(back) { (both("card-back")) } };
        return Err(who.refused(StatusCode::NOT_FOUND, "why-title", &body));
    };
    let attached = "attachment; filename=\"changtong-receipt.json\"";
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_DISPOSITION, attached)).json(receipt))
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

/// Gives the newest signed checkpoint of the decisions, or the proof that the tree has only grown since an earlier size. It contains no
/// person, and needs no sign-in.
async fn audit(portal: web::Data<Portal>, since: web::Query<Since>) -> HttpResponse {
    let found = portal.read(|registrar| match since.since {
        Some(since) => Ok(registrar.growth(since)?.map(|growth| HttpResponse::Ok().json(growth))),
        None => Ok(registrar.checkpoint()?.map(|checkpoint| HttpResponse::Ok().json(checkpoint))),
    });
    match found {
        Some(Ok(Some(answer))) => answer,
        Some(Ok(None)) => HttpResponse::NotFound().body("nothing is signed yet; ask again in a minute\n"),
        Some(Err(error)) => {
            let error: RegistrarError = error;
            tracing::error!(%error, "the signed tree cannot be read");
            HttpResponse::ServiceUnavailable().body("the signed tree cannot be read; ask again later\n")
        }
        None => HttpResponse::ServiceUnavailable().body("too many ask; ask again in a moment\n"),
    }
}
