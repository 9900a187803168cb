//! Counts decisions once they are durable: what a transaction decides waits here until it is committed, and is forgotten with what
//! is rolled back. Nothing here is kept.

use std::cell::RefCell;

use protocol::{Colour, metric};

use super::causes::INHERITED;
use crate::policy::CauseKind;

/// Whoever decides without a human; an operator's authority counts as [`OPERATORS`], because its name is anybody's choice.
const MACHINES: [&str; 5] = ["citizen", "carrier", "clock", "policy", INHERITED];
const OPERATORS: &str = "operators";
/// What changes a colour when no cause was set or cleared.
const TIME: &str = "time";

struct Decided {
    authority: &'static str,
    cause: &'static str,
    from: Colour,
    to: Colour,
}

/// What the open transaction has decided so far.
#[derive(Default)]
pub(super) struct Tally(RefCell<Vec<Decided>>);

impl Tally {
    pub(super) fn note(&self, authority: &str, cause: Option<CauseKind>, (from, to): (Colour, Colour)) {
        let authority = MACHINES.into_iter().find(|known| *known == authority).unwrap_or(OPERATORS);
        let cause = cause.map_or(TIME, CauseKind::name);
        self.0.borrow_mut().push(Decided { authority, cause, from, to });
    }

    /// Where a step begins.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Forgets what was noted after that.
    pub(super) fn truncate(&self, len: usize) {
        self.0.borrow_mut().truncate(len);
    }

    /// It is durable.
    pub(super) fn count(&self) {
        for Decided { authority, cause, from, to } in self.0.borrow_mut().drain(..) {
            decisions(authority, to).increment(1);
            if from != to {
                changes(cause, to).increment(1);
            }
        }
    }
}

/// Has every series there before the first decision.
pub(crate) fn start_at_zero() {
    for colour in Colour::ALL {
        for authority in MACHINES.into_iter().chain([OPERATORS]) {
            decisions(authority, *colour).increment(0);
        }
        for kind in CauseKind::ALL.iter().chain([&CauseKind::Inherited]) {
            changes(kind.name(), *colour).increment(0);
        }
        changes(TIME, *colour).increment(0);
    }
}

fn decisions(authority: &'static str, colour: Colour) -> metrics::Counter {
    metrics::counter!(metric::DECISIONS, "authority" => authority, "colour" => colour.name())
}

fn changes(cause: &'static str, colour: Colour) -> metrics::Counter {
    metrics::counter!(metric::COLOUR_CHANGES, "cause" => cause, "colour" => colour.name())
}
