//! The modification of what is registered: of the visitor's own code, or of a ward's. The document stays; the travel module and the
//! rule of the field "history" are those of an application.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::html;
use registry::Holder;

use super::sheet::Sheet;
use super::{Subject, busy_page};
use crate::portal::http::layout::wrong;
use crate::portal::http::paths::Page;
use crate::portal::http::terms;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;
use crate::portal::travel::Fields;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/modify", web::get().to(choose))
        .route("/modify/{code}", web::get().to(show))
        .route("/modify/{code}", web::post().to(send));
}

/// Says where the holder's information is modified.
pub(crate) fn path(visitor: &Visitor, holder: &Holder) -> String {
    Page::Modify(visitor.number_of(holder.code)).form_path().unwrap_or_default()
}

/// Whose information: the only one's at once.
async fn choose(visitor: Visitor) -> HttpResponse {
    if visitor.proven().is_none() {
        return visitor.sign_in_first("/modify");
    }
    let Some(holdings) = visitor.holdings() else { return busy_page(&visitor, "modify-title") };
    match &holdings[..] {
        [] => visitor.go("/confirm"),
        [only] => visitor.go(&path(&visitor, only)),
        several => {
            let body = html! {
                p { (both("modify-whose")) }
                @for holder in several {
                    a.button.quiet href=(path(&visitor, holder)) {
                        span { span translate="no" { (holder.person.name) } " " (terms::whose(holder)) }
                    }
                }
            };
            visitor.page(visitor.frame(), "modify-title", &body)
        }
    }
}

async fn show(visitor: Visitor, code: web::Path<String>) -> HttpResponse {
    match subject(&visitor, &code) {
        Ok(subject) => super::show(&visitor, &subject, StatusCode::OK, &[]),
        Err(answer) => answer,
    }
}

async fn send(visitor: Visitor, code: web::Path<String>, fields: web::Form<Fields>) -> HttpResponse {
    if !visitor.sent(&fields.token) {
        return visitor.stale();
    }
    match subject(&visitor, &code) {
        Ok(subject) => super::send(visitor, subject, &fields).await,
        Err(answer) => answer,
    }
}

/// Whom the path names within this session: in another it names nobody.
fn subject(visitor: &Visitor, code: &str) -> Result<Subject, HttpResponse> {
    if visitor.proven().is_none() {
        return Err(visitor.sign_in_first("/modify"));
    }
    let Some(holders) = visitor.holdings() else { return Err(busy_page(visitor, "modify-title")) };
    let page = Page::parse(&format!("modify-{code}"));
    let named = |holder: &Holder| page == Some(Page::Modify(visitor.number_of(holder.code)));
    let Some(holder) = holders.into_iter().find(named) else {
        let (status, body) = (StatusCode::NOT_FOUND, wrong("modify-nobody"));
        return Err(visitor.page_with(status, visitor.frame(), "modify-title", &body));
    };
    let sheet = Sheet {
        title: "modify-title",
        above: html! { p.hint { (both("modify-what")) } },
        send: "modify-send",
        registered: Fields::of(&holder.person),
    };
    let page = Page::Modify(visitor.number_of(holder.code));
    // A ward stays its guardian's, whoever of the phone's holders sends the form.
    Ok(Subject { page, document: Some(holder.person.document), guardian: None, back: "/".to_owned(), sheet })
}
