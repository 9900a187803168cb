//! The visitor's code that a page or a form is about: a page names it by its place in the visitor's list, a form by a mark that is valid in
//! one session. No code's number stands in a page or an address.

use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::ErrorNotFound;
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpRequest};
use actors::registrar::RegistrarError;
use maud::{Markup, html};
use protocol::{Basis, Colour};
use registry::Holder;
use registry::colours::CodeEntry;
use serde::de::DeserializeOwned;

use crate::portal::http::extract::{OwnForm, Role, SignedIn, early};
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

/// All of the visitor's codes, the own one first.
pub(super) fn all(who: &SignedIn) -> Result<Vec<Mine>, Error> {
    let read = who.portal.read(|registrar| registrar.holders(&who.proven, who.now_s));
    let holders = read.ok_or_else(|| busy(who))?.map_err(|error| failed(who, &error))?;
    let codes = &who.portal.codes;
    let of = holders.len();
    let mine = holders.into_iter().enumerate().map(|(index, holder)| {
        let entry = codes.get(holder.code).filter(|_| codes.is_loaded());
        Mine { index, of, holder, entry }
    });
    Ok(mine.collect())
}

/// The visitor's code that a page is about: the one at the place `n` of the path.
pub(super) struct OwnCode {
    pub(super) who: SignedIn,
    pub(super) one: Mine,
    pub(super) others: Vec<Mine>,
}

impl OwnCode {
    fn of(request: &HttpRequest) -> Result<Self, Error> {
        let index: usize = request.match_info().query("n").parse().map_err(ErrorNotFound)?;
        let who = SignedIn::of(Visitor::open(request)?)?;
        let mut others = all(&who)?;
        if others.is_empty() {
            return Err(early(who.go("/code")));
        }
        if index >= others.len() {
            return Err(early(who.go(&who.way_back)));
        }
        Ok(Self { one: others.remove(index), who, others })
    }
}

impl FromRequest for OwnCode {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// A form about one of the visitor's codes, which its mark names.
pub(super) struct CodeForm<T> {
    pub(super) who: SignedIn,
    pub(super) one: Mine,
    pub(super) fields: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for CodeForm<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = OwnForm::<T, Visitor>::from_request(request, payload);
        Box::pin(async move {
            let OwnForm { sender, which, fields } = form.await?;
            let who = SignedIn::or_first(sender, "/code")?;
            let is_it =
                |mine: &Mine| who.portal.sessions.is_mark_of(&who.session, mine.holder.code.get(), &which);
            let one = all(&who)?.into_iter().find(is_it).ok_or_else(|| who.stale())?;
            Ok(Self { who, one, fields })
        })
    }
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

/// Answers that too many read or write at this moment.
pub(super) fn busy(visitor: &Visitor) -> Error {
    let body = html! { (layout::wrong("card-busy")) a.button href="/code" { (both("card-again")) } };
    visitor.refused(StatusCode::SERVICE_UNAVAILABLE, "card-busy-title", &body)
}

/// Answers an act that failed, by its error.
pub(super) fn failed(visitor: &Visitor, error: &RegistrarError) -> Error {
    let (status, key) = match error {
        RegistrarError::NotProven => return visitor.sign_in_first("/code"),
        RegistrarError::Busy | RegistrarError::NotNow(_) => return busy(visitor),
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
    visitor.refused(status, "card-failed-title", &body)
}
