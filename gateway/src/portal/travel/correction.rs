//! The correction of a declared stay: what a form with "No" would change, told before it is sent.

use actors::registrar::Why;
use maud::{Markup, html};
use policy::{CauseKind, Correction};

use super::history;
use crate::portal::http::paths::Page;
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when::{self, NEVER_S};
use crate::portal::http::words::{both, both_with};

/// Draws what a form tells a holder who has declared a stay before.
pub(super) fn on_form(visitor: &Visitor, page: Page) -> Option<Markup> {
    let code = visitor.subject(page)?.code;
    let why = visitor.portal.read(|registrar| registrar.why(code))?.ok()??;
    Offer::of(visitor, page, &why).map(|offer| offer.said(visitor))
}

/// The effect that a form with No would have on a declared stay, told beforehand. The form itself goes by the same.
pub(crate) struct Offer {
    pub(crate) correction: Correction,
    /// All declarations come from the record of an earlier system, none was made here.
    is_inherited: bool,
    /// Until when other causes keep the colour all the same, seconds since 1970 UTC.
    outlasted_until_s: Option<u64>,
}

impl Offer {
    /// `None` if no declared stay is in force.
    pub(crate) fn of(visitor: &Visitor, page: Page, why: &Why) -> Option<Self> {
        let (outcome, whose) = history::outcome(visitor, page)?;
        let (policy, now_s, field) = (visitor.portal.policy.get(), visitor.now_s, outcome.field(whose));
        let causes = why.in_force(now_s);
        let declared = causes.iter().filter(|&&cause| policy.correction(cause, field, now_s).is_some());
        Some(Self {
            correction: policy.correction_of(&causes, field, now_s)?,
            is_inherited: declared.into_iter().all(|cause| cause.kind == CauseKind::InheritedDeclared),
            outlasted_until_s: policy.outlasting(&causes, field, now_s),
        })
    }

    pub(crate) fn said(&self, visitor: &Visitor) -> Markup {
        let hours = visitor.portal.policy.get().correction_wait_hours().unwrap_or_default().to_string();
        let by = ("by", if self.is_inherited { "record" } else { "holder" });
        let (name, words) = match self.correction {
            Correction::Ends => ("at-once", both_with("after-correct-now", &[by])),
            Correction::EndsLater { .. } => ("wait", both_with("after-correct", &[by, ("hours", &hours)])),
            Correction::Locked => ("locked", both("after-correct-locked")),
            Correction::Appeal => ("appeal", both_with("after-correct-appeal", &[by])),
            Correction::Waits => ("waits", both("after-corrected")),
            Correction::EndsSooner => ("sooner", both_with("after-correct-sooner", &[by])),
        };
        html! {
            p.notice.correct data-correction=(name) { (words) }
            @if let Some(until_s) = self.outlasted_until_s {
                p.notice.correct data-outlasts {
                    @if until_s < NEVER_S { (both_with("after-outlasted", &[("when", &when::minute(until_s))])) }
                    @else { (both("after-outlasted-open")) }
                }
            }
        }
    }
}
