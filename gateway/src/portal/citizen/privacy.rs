//! The privacy page: which data are kept, for how long and what for. A visitor who is signed in also sees their consents, each with a
//! button that takes it back, and the way to the withdrawal.

use actix_web::web;
use actors::registrar::WithdrawConsent;
use actors::sms::ProvenPhone;
use maud::{Markup, html};
use protocol::CodeId;
use registry::{Beneficiary, ConsentId, ConsentRow, ConsentState, Flow, Holder};
use serde::Deserialize;

use super::mine;
use crate::portal::http::extract::{Answer, OwnForm, SignedIn};
use crate::portal::http::layout::notice;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, both_with};

/// The words of the page, in this order: a heading and a text each.
const SAID: [(&str, &str); 6] = [
    ("privacy-person-title", "privacy-person"),
    ("privacy-travel-title", "privacy-travel"),
    ("privacy-punch-title", "privacy-punch"),
    ("privacy-decision-title", "privacy-decision"),
    ("privacy-consent-title", "privacy-consent"),
    ("privacy-rights-title", "privacy-rights"),
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/privacy", web::get().to(page)).route("/privacy/consent", web::post().to(take_back));
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    withdrawn: Option<String>,
}

/// Shows what is kept of everybody, and to a visitor who is signed in the consents that they gave.
async fn page(visitor: Visitor, done: web::Query<Done>) -> Answer {
    let consents = |proven: &ProvenPhone| {
        let read = visitor.portal.read(|registrar| registrar.consents_of(proven, visitor.now_s));
        read.ok_or_else(|| mine::busy(&visitor))?.map_err(|error| mine::failed(&visitor, &error))
    };
    let consents = visitor.proven().map(consents).transpose()?;
    let holders = visitor.holdings().unwrap_or_default();
    let body = html! {
        @if done.withdrawn.is_some() { (notice("privacy-consent-withdrawn")) }
        @for (title, text) in SAID { section.card { h2 { (both(title)) } p { (both(text)) } } }
        @if let Some(consents) = consents {
            section.card #consents {
                h2 { (both("privacy-consents")) }
                @if consents.is_empty() { p.hint { (both("privacy-consents-none")) } }
                @else {
                    p.hint { (both("privacy-consents-what")) }
                    ul.list { @for row in &consents { (consent(&visitor, &holders, row)) } }
                }
            }
            a.button.quiet href="/looked" { (both("card-looked")) }
            a.button.danger href="/withdraw/0" { (both("privacy-withdraw")) }
        } @else {
            a.button.quiet href="/in?next=/privacy" { (both("privacy-sign-in")) }
        }
    };
    Ok(visitor.page(visitor.frame(), "privacy-title", &body))
}

fn consent(visitor: &Visitor, holders: &[Holder], row: &ConsentRow) -> Markup {
    let name =
        |code: CodeId| holders.iter().find(|holder| holder.code == code).map(|holder| &holder.person.name);
    let flow = match row.flow {
        Flow::Apply => "consent-apply",
        Flow::Modify => "consent-modify",
        Flow::Scan => "consent-scan",
    };
    let (state, open) = match row.state {
        ConsentState::Given => ("consent-given", true),
        ConsentState::Used => ("consent-used", true),
        ConsentState::Withdrawn => ("consent-withdrawn", false),
    };
    html! {
        li {
            b { (both(flow)) }
            @if let Beneficiary::Ward(code) = row.beneficiary {
                p { (both("consent-ward")) @if let Some(name) = code.and_then(name) { " " b { (name) } } }
            }
            p.hint { (both_with("consent-when", &[("when", &when::minute(row.given_s))])) (both(state)) }
            @if open {
                form method="post" action="/privacy/consent" {
                    (visitor.field())
                    input type="hidden" name="consent" value=(row.id.0);
                    button.quiet type="submit" { (both("consent-take-back")) }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct TakeBack {
    consent: i64,
}

/// Takes a consent of the visitor's back.
async fn take_back(OwnForm { sender: who, fields, .. }: OwnForm<TakeBack, SignedIn>) -> Answer {
    let (consent, phone) = (ConsentId(fields.consent), who.phone.clone());
    let taken = who.portal.registrar.act(WithdrawConsent { consent, phone }).await;
    taken.map_err(|error| mine::failed(&who, &error))?;
    who.portal.queries.forget(consent);
    who.portal.travels.taken_back(consent);
    Ok(who.go("/privacy?withdrawn=yes"))
}
