//! The begin and the end of a shift in a browser. The link of an invitation only shows a button, so that a program that opens links does
//! not begin a shift.

use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, web};
use actors::registrar::{EndShift, JoinShift};
use maud::html;

use crate::portal::http::extract::{Answer, NoFields, OwnForm};
use crate::portal::http::layout::{notice, wrong};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::both;

/// Shows what an invitation begins, and the button that begins it.
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

/// Uses the invitation up: from now on this browser is at work, and its visitor is no citizen.
pub(super) async fn join(token: web::Path<String>, form: OwnForm<NoFields>) -> Answer {
    let mut visitor = form.sender;
    let (token_hash, now_s) = (registry::token_hash(&token), visitor.now_s);
    let joined = visitor.portal.registrar.act(JoinShift { token_hash, now_s }).await;
    match joined {
        Ok(Some(shift)) => {
            let fresh = visitor.portal.sessions.fresh(now_s);
            visitor.change(|session| *session = fresh.on_shift(session, shift));
            Ok(visitor.go("/staff"))
        }
        Ok(None) => Err(gone(&visitor, StatusCode::GONE, "staff-join-gone")),
        Err(error) => {
            tracing::warn!(%error, "a shift could not be opened");
            Err(gone(&visitor, StatusCode::SERVICE_UNAVAILABLE, "staff-busy"))
        }
    }
}

fn gone(visitor: &Visitor, status: StatusCode, key: &str) -> Error {
    visitor.refused(status, "staff-join-title", &wrong(key))
}

/// Ends the shift of staff: it is over everywhere, and this browser forgets it.
pub(super) async fn end(OwnForm { sender: visitor, .. }: OwnForm<NoFields>) -> Answer {
    if let Some(shift) = visitor.session.staff {
        visitor.portal.staff.shifts.forget(shift);
        let ended = visitor.portal.registrar.act(EndShift { shift }).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "a shift could not be ended");
            return Err(gone(&visitor, StatusCode::SERVICE_UNAVAILABLE, "staff-busy"));
        }
    }
    // The shift's cookie names a shift that is over.
    Ok(visitor.leave("/"))
}
