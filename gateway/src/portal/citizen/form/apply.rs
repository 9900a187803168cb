//! The first application, and the one for a ward: what differs between them. The rest is the form's (`mod.rs`).

use actix_web::http::{StatusCode, header};
use actix_web::{Error, HttpResponse, web};
use maud::{Markup, html};

use super::sheet::{self, Sheet};
use super::{Subject, busy_page};
use crate::portal::http::extract::{Answer, OwnForm, SignedIn};
use crate::portal::http::layout::wrong;
use crate::portal::http::paths::{Next, Page};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;
use crate::portal::travel::Fields;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/apply", web::get().to(show))
        .route("/apply", web::post().to(send))
        .route("/streets/{district}", web::get().to(streets))
        .route("/apply/ward", web::get().to(show_ward))
        .route("/apply/ward", web::post().to(send_ward));
}

/// Shows the form of a first application.
async fn show(who: SignedIn, next: web::Query<Next>) -> HttpResponse {
    super::show(&who, &own(&who, next.path()), StatusCode::OK, &[])
}

/// Takes a first application.
async fn send(OwnForm { sender: who, fields, .. }: OwnForm<Fields, SignedIn>) -> HttpResponse {
    let subject = own(&who, &fields.back());
    super::send(who, subject, &fields).await
}

fn own(visitor: &Visitor, back: &str) -> Subject {
    let codes = visitor.holdings().map(|holdings| holdings.len()).unwrap_or_default();
    let above = if codes == 0 { above("apply-what") } else { have_one() };
    let sheet = Sheet { title: "apply-title", above, send: "apply-send", registered: Fields::default() };
    Subject { page: Page::Apply, document: None, guardian: None, back: back.to_owned(), sheet }
}

fn above(key: &str) -> Markup {
    html! { p.hint { (both(key)) } p.hint { (both("apply-privacy")) } }
}

/// Tells a visitor who has a code that no other application is needed: the same document would only change what is registered.
fn have_one() -> Markup {
    html! {
        div.notice role="status" {
            (both("apply-have-one"))
            div.row { a.button.quiet href="/modify" { (both("modify-title")) } a.button.quiet href="/apply/ward" { (both("ward-title")) } }
        }
    }
}

/// Shows the form of an application for a ward.
async fn show_ward(who: SignedIn) -> Answer {
    Ok(super::show(&who, &ward(&who)?, StatusCode::OK, &[]))
}

/// Takes an application for a ward.
async fn send_ward(OwnForm { sender: who, fields, .. }: OwnForm<Fields, SignedIn>) -> Answer {
    let subject = ward(&who)?;
    Ok(super::send(who, subject, &fields).await)
}

/// Gives the streets of a district to the script that puts them into the form. They are the same for everybody.
async fn streets(district: web::Path<String>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .content_type("text/html; charset=utf-8")
        .body(sheet::streets(&district, "").into_string())
}

/// A guardian has an own code first.
fn ward(visitor: &Visitor) -> Result<Subject, Error> {
    let holdings = visitor.holdings().ok_or_else(|| busy_page(visitor, "ward-title"))?;
    let Some(guardian) = holdings.iter().find(|holder| !holder.is_ward) else {
        let body = html! { (wrong("ward-first")) a.button href="/apply" { (both("apply-title")) } };
        return Err(visitor.refused(StatusCode::FORBIDDEN, "ward-title", &body));
    };
    let above = above("ward-what");
    let sheet = Sheet { title: "ward-title", above, send: "apply-send", registered: Fields::default() };
    Ok(Subject {
        page: Page::Ward,
        document: None,
        guardian: Some(guardian.code),
        back: "/".to_owned(),
        sheet,
    })
}
