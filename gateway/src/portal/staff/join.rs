//! The begin and the end of a shift in a browser. The link of an invitation only shows a button: whatever opens links by itself begins
//! nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::registrar::{EndShift, JoinShift};
use maud::html;
use serde::Deserialize;

use crate::portal::http::layout::{notice, wrong};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;

pub(super) async fn ask(visitor: Visitor, token: web::Path<String>) -> HttpResponse {
    let body = html! {
        (notice("staff-join-what"))
        form method="post" action={ "/staff/join/" (token) } {
            (visitor.field())
            button type="submit" { (both("staff-join-yes")) }
        }
    };
    visitor.page(visitor.frame(), "staff-join-title", &body)
}

#[derive(Deserialize)]
pub(super) struct Token {
    token: String,
}

/// Uses the invitation up; from now on this browser is at work, and nobody else's.
pub(super) async fn join(
    mut visitor: Visitor,
    token: web::Path<String>,
    form: web::Form<Token>,
) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    let (token_hash, now_s) = (registry::token_hash(&token), visitor.now_s);
    let joined = visitor.portal.registrar.act(JoinShift { token_hash, now_s }).await;
    match joined {
        Ok(Some(shift)) => {
            let fresh = visitor.portal.sessions.fresh(now_s);
            visitor.change(|session| *session = fresh.on_shift(session, shift));
            visitor.go("/staff")
        }
        Ok(None) => gone(&visitor, StatusCode::GONE, "staff-join-gone"),
        Err(error) => {
            tracing::warn!(%error, "a shift could not be opened");
            gone(&visitor, StatusCode::SERVICE_UNAVAILABLE, "staff-busy")
        }
    }
}

fn gone(visitor: &Visitor, status: StatusCode, key: &str) -> HttpResponse {
    visitor.page_with(status, visitor.frame(), "staff-join-title", &wrong(key))
}

/// Staff end their own shift: it is over everywhere, and this browser forgets it.
pub(super) async fn end(visitor: Visitor, form: web::Form<Token>) -> HttpResponse {
    if !visitor.sent(&form.token) {
        return visitor.stale();
    }
    if let Some(shift) = visitor.session.staff {
        visitor.portal.staff.shifts.forget(shift);
        let ended = visitor.portal.registrar.act(EndShift { shift }).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "a shift could not be ended");
            return gone(&visitor, StatusCode::SERVICE_UNAVAILABLE, "staff-busy");
        }
    }
    // The shift's cookie names a shift that is over.
    visitor.leave("/")
}
