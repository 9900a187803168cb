//! Words for the terms of other crates, the same on every page: colours, what they rest on, documents, reasons of carriers' answers.

use maud::{Markup, html};
use protocol::trajectory::TrajectoryReason;
use protocol::{Basis, Colour};
use registry::{DocumentKind, Holder};

use super::words::{en, line, zh};

pub(crate) const fn colour_key(colour: Colour) -> &'static str {
    match colour {
        Colour::Green => "colour-green",
        Colour::Yellow => "colour-yellow",
        Colour::Red => "colour-red",
        Colour::Unknown => "colour-unknown",
    }
}

pub(crate) const fn basis_key(basis: Basis) -> Option<&'static str> {
    match basis {
        Basis::Verified => Some("basis-verified"),
        Basis::Declared => Some("basis-declared"),
        Basis::Nothing => None,
    }
}

/// A document's kind and how its number ends, to compare one with.
pub(crate) fn end_of(kind: DocumentKind, tail: &str) -> Markup {
    let kind = kind_key(kind);
    html! { (zh(kind)) (zh("document-ends")) " " span.inline lang="en" { (en(kind)) " " (en("document-ends")) } " " b.tail { (tail) } }
}

pub(crate) const fn kind_key(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::IdCard => "kind-id-card",
        DocumentKind::HkMacauPermit => "kind-hk-macau-permit",
        DocumentKind::TaiwanPermit => "kind-taiwan-permit",
        DocumentKind::Passport => "kind-passport",
        DocumentKind::ForeignPrCard => "kind-foreign-pr-card",
    }
}

pub(crate) const fn travel_key(reason: TrajectoryReason) -> &'static str {
    match reason {
        TrajectoryReason::StayFound => "staff-travel-stay-found",
        TrajectoryReason::Clean => "staff-travel-clean",
        TrajectoryReason::Partial => "staff-travel-partial",
        TrajectoryReason::NewNumber => "staff-travel-new-number",
        TrajectoryReason::Unanswerable => "staff-travel-unanswerable",
        TrajectoryReason::Unavailable => "staff-travel-unavailable",
        TrajectoryReason::TimedOut => "staff-travel-timed-out",
        TrajectoryReason::NotAsked => "staff-travel-not-asked",
    }
}

/// Draws whether a code is the visitor's own or a family member's, beside the holder's name.
pub(crate) fn whose(holder: &Holder) -> Markup {
    html! { span.tag { (line(if holder.is_ward { "card-ward" } else { "card-own" })) } }
}
