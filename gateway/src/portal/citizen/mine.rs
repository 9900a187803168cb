//! Which of the visitor's codes a page is about: by its place in the visitor's own list, or in a form by a mark that only this session
//! can make. No code's number stands in a page or an address.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actors::registrar::RegistrarError;
use maud::{Markup, html};
use protocol::{Basis, Colour};
use registry::Holder;
use registry::colours::CodeEntry;

use crate::portal::http::visitor::Visitor;
use crate::portal::http::words::{both, line};
use crate::portal::http::{layout, terms};

/// One of the visitor's codes.
pub(super) struct Mine {
    /// Its place in the list.
    pub(super) index: usize,
    /// The number of there that are.
    pub(super) of: usize,
    pub(super) holder: Holder,
    /// As memory has it; `None` while codes are being loaded.
    pub(super) entry: Option<CodeEntry>,
}

impl Mine {
    /// The name in full: who is signed in sees their own people.
    pub(super) fn name(&self) -> &str {
        &self.holder.person.name
    }

    /// Unknown unless memory says otherwise.
    pub(super) fn standing(&self) -> (Colour, Basis) {
        self.entry.map_or((Colour::Unknown, Basis::Nothing), |entry| (entry.colour(), entry.basis()))
    }

    /// The form's fields: whose form it is, and which code it is about.
    pub(super) fn fields(&self, visitor: &Visitor) -> Markup {
        html! {
            (visitor.field())
            input type="hidden" name="which" value=(visitor.portal.sessions.mark(&visitor.session, self.holder.code.get()));
        }
    }

    /// The name, and whose code it is.
    pub(super) fn who(&self) -> Markup {
        html! {
            b translate="no" { (self.name()) } " "
            (terms::whose(&self.holder))
        }
    }
}

/// All of the visitor's codes, the own one first. Otherwise what to answer: `path` is where a sign-in leads back to.
pub(super) fn all(visitor: &Visitor, path: &str) -> Result<Vec<Mine>, Box<HttpResponse>> {
    let Some(proven) = visitor.proven() else { return Err(Box::new(visitor.sign_in_first(path))) };
    let read = visitor.portal.read(|registrar| registrar.holders(proven, visitor.now_s));
    let holders =
        read.ok_or_else(|| Box::new(busy(visitor)))?.map_err(|error| Box::new(failed(visitor, &error)))?;
    let codes = &visitor.portal.codes;
    let of = holders.len();
    let mine = holders.into_iter().enumerate().map(|(index, holder)| {
        let entry = codes.get(holder.code).filter(|_| codes.is_loaded());
        Mine { index, of, holder, entry }
    });
    Ok(mine.collect())
}

/// The visitor's code at that place, and all others.
pub(super) fn at(
    visitor: &Visitor,
    index: usize,
    path: &str,
) -> Result<(Mine, Vec<Mine>), Box<HttpResponse>> {
    let mut mine = all(visitor, path)?;
    if mine.is_empty() {
        return Err(Box::new(visitor.go("/code")));
    }
    if index >= mine.len() {
        return Err(Box::new(visitor.go(path)));
    }
    let one = mine.remove(index);
    Ok((one, mine))
}

/// The visitor's code that a form is about, once the form is known to be the visitor's.
pub(super) fn sent(visitor: &Visitor, token: &str, which: &str) -> Result<Mine, Box<HttpResponse>> {
    if !visitor.sent(token) {
        return Err(Box::new(visitor.stale()));
    }
    let is_it =
        |mine: &Mine| visitor.portal.sessions.is_mark_of(&visitor.session, mine.holder.code.get(), which);
    let found = all(visitor, "/code")?.into_iter().find(is_it);
    found.ok_or_else(|| Box::new(visitor.stale()))
}

/// The way to the same page about another of the visitor's codes; nothing where there is one only.
pub(super) fn others(path: &str, one: &Mine, others: &[Mine]) -> Markup {
    let mut all: Vec<&Mine> = others.iter().chain([one]).collect();
    all.sort_by_key(|mine| mine.index);
    html! {
        @if all.len() > 1 {
            nav.whose aria-label=(line("card-whose")) {
                @for mine in all {
                    a href={ (path) "/" (mine.index) } aria-current=[(mine.index == one.index).then_some("page")] translate="no" { (mine.name()) }
                }
            }
        }
    }
}

/// Nobody can be answered right now.
pub(super) fn busy(visitor: &Visitor) -> HttpResponse {
    let body = html! { (layout::wrong("card-busy")) a.button href="/code" { (both("card-again")) } };
    visitor.page_with(StatusCode::SERVICE_UNAVAILABLE, visitor.frame(), "card-busy-title", &body)
}

/// The answer to what was not done, by what went wrong.
pub(super) fn failed(visitor: &Visitor, error: &RegistrarError) -> HttpResponse {
    let (status, key) = match error {
        RegistrarError::NotProven => return visitor.sign_in_first("/code"),
        RegistrarError::Busy => return busy(visitor),
        RegistrarError::HasWards => (StatusCode::UNPROCESSABLE_ENTITY, "card-has-wards"),
        RegistrarError::Appeal(_) => (StatusCode::UNPROCESSABLE_ENTITY, "why-no-appeal"),
        RegistrarError::NotYours => (StatusCode::FORBIDDEN, "card-not-yours"),
        RegistrarError::Consent => (StatusCode::UNPROCESSABLE_ENTITY, "privacy-consent-gone"),
        RegistrarError::Failed | RegistrarError::Registry(_) => {
            tracing::error!(%error, "a page of a citizen's own failed");
            (StatusCode::SERVICE_UNAVAILABLE, "card-failed")
        }
        RegistrarError::Receipt
        | RegistrarError::ReceiptExpired
        | RegistrarError::Form(_)
        | RegistrarError::OtherPhone
        | RegistrarError::Tries
        | RegistrarError::OwnCode
        | RegistrarError::PhoneFull
        | RegistrarError::Ward
        | RegistrarError::Person(_)
        | RegistrarError::Cause(_)
        | RegistrarError::PolicyVersion { .. }
        | RegistrarError::PolicyUnderWay
        | RegistrarError::NoPolicy => (StatusCode::UNPROCESSABLE_ENTITY, "card-failed"),
    };
    let body = html! { (layout::wrong(key)) a.button href="/code" { (both("card-back")) } };
    visitor.page_with(status, visitor.frame(), "card-failed-title", &body)
}
