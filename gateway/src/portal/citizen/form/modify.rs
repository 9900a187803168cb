//! The modification of what is registered: of the visitor's own code, or of a ward's. The document stays; the travel module and the
//! rule of the field "history" are those of an application.

use actix_web::http::StatusCode;
use actix_web::{Error, web};
use maud::html;
use registry::Holder;

use super::sheet::Sheet;
use super::{Subject, busy_page};
use crate::portal::http::extract::{Answer, OwnForm, SignedIn};
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

/// Returns the path of the form that modifies the holder's information.
pub(crate) fn path(visitor: &Visitor, holder: &Holder) -> String {
    Page::Modify(visitor.number_of(holder.code)).form_path().unwrap_or_default()
}

/// Shows for which of the visitor's holders information can be modified; the only one's form at once.
async fn choose(visitor: SignedIn) -> Answer {
    let holdings = visitor.holdings().ok_or_else(|| busy_page(&visitor, "modify-title"))?;
    Ok(match &holdings[..] {
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
    })
}

/// Shows the form of one holder, with what is registered.
async fn show(who: SignedIn, code: web::Path<String>) -> Answer {
    Ok(super::show(&who, &subject(&who, &code)?, StatusCode::OK, &[]))
}

/// Takes the modified information of one holder.
async fn send(code: web::Path<String>, form: OwnForm<Fields, SignedIn>) -> Answer {
    let subject = subject(&form.sender, &code)?;
    Ok(super::send(form.sender, subject, &form.fields).await)
}

/// Finds the holder whom the path names; the name is valid in this session only.
fn subject(visitor: &Visitor, code: &str) -> Result<Subject, Error> {
    let holders = visitor.holdings().ok_or_else(|| busy_page(visitor, "modify-title"))?;
    let page = Page::parse(&format!("modify-{code}"));
    let named = |holder: &Holder| page == Some(Page::Modify(visitor.number_of(holder.code)));
    let Some(holder) = holders.into_iter().find(named) else {
        return Err(visitor.refused(StatusCode::NOT_FOUND, "modify-title", &wrong("modify-nobody")));
    };
    let sheet = Sheet {
        title: "modify-title",
        above: html! { p.hint { (both("modify-what")) } },
        send: "modify-send",
        registered: Fields::of(&holder.person),
    };
    let page = Page::Modify(visitor.number_of(holder.code));
    // A ward keeps its guardian, no matter which of the phone's holders sends the form.
    Ok(Subject { page, document: Some(holder.person.document), guardian: None, back: "/".to_owned(), sheet })
}
