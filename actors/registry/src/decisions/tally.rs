//! Metrics of decisions: counted when their transaction commits, dropped when it rolls back. Nothing is stored.

use std::cell::RefCell;

use policy::CauseKind;
use protocol::{Colour, metric};

use crate::decisions::INHERITED;

/// Authorities that are not people. An operator's authority counts as [`OPERATORS`], because operators choose its name.
const MACHINES: [&str; 5] = ["citizen", "carrier", "clock", "policy", INHERITED];
const OPERATORS: &str = "operators";
/// The cause in the metric of a change that no cause made.
const TIME: &str = "time";

struct Decided {
    authority: &'static str,
    cause: &'static str,
    from: Colour,
    to: Colour,
}

/// The decisions of the open transaction.
#[derive(Default)]
pub(crate) struct Tally(RefCell<Vec<Decided>>);

impl Tally {
    pub(crate) fn note(&self, authority: &str, cause: Option<CauseKind>, (from, to): (Colour, Colour)) {
        let authority = MACHINES.into_iter().find(|known| *known == authority).unwrap_or(OPERATORS);
        let cause = cause.map_or(TIME, CauseKind::name);
        self.0.borrow_mut().push(Decided { authority, cause, from, to });
    }

    /// Returns the position to roll back to.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Drops the decisions after this position.
    pub(crate) fn truncate(&self, len: usize) {
        self.0.borrow_mut().truncate(len);
    }

    /// Counts the decisions, after the commit.
    pub(crate) fn count(&self) {
        for Decided { authority, cause, from, to } in self.0.borrow_mut().drain(..) {
            decisions(authority, to).increment(1);
            if from != to {
                changes(cause, to).increment(1);
            }
        }
    }
}

/// Creates every series with the value 0 before the first decision.
pub fn start_at_zero() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Registry, RegistryError};
    use keys::Keys;

    #[test]
    fn what_is_durable_is_counted_and_what_is_rolled_back_is_not() {
        let directory = tempfile::tempdir().unwrap();
        Keys::init(&directory.path().join("keys")).unwrap();
        let keys = Keys::load(&directory.path().join("keys")).unwrap();
        let mut registry = Registry::open(&directory.path().join("registry.db"), &keys).unwrap();
        let note = |registry: &mut Registry, authority: &str, to| {
            registry.tally.note(authority, Some(CauseKind::Diagnosis), (Colour::Green, to));
        };
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            start_at_zero();
            let grouped = registry.group(|registry| {
                for (authority, to, stays) in [
                    ("citizen", Colour::Red, true),
                    ("health-bureau", Colour::Red, true),
                    ("carrier", Colour::Red, false),
                    ("clock", Colour::Green, true),
                ] {
                    let step = registry.step::<_, RegistryError>("act", |registry| {
                        note(registry, authority, to);
                        if stays { Ok(()) } else { Err(RegistryError::GroupLost) }
                    });
                    assert_eq!(step.is_ok(), stays);
                }
            });
            grouped.unwrap();
            let failed = registry.transaction::<(), RegistryError>(|registry| {
                note(registry, "policy", Colour::Yellow);
                Err(RegistryError::GroupLost)
            });
            assert!(failed.is_err());
            registry.transaction::<_, RegistryError>(|_| Ok(())).unwrap();
        });
        let text = handle.render();
        let counted: Vec<&str> =
            text.lines().filter(|line| line.contains('{') && !line.ends_with(" 0")).collect();
        let expected = [
            "changtong_decisions_total{authority=\"citizen\",colour=\"red\"} 1",
            "changtong_decisions_total{authority=\"clock\",colour=\"green\"} 1",
            "changtong_decisions_total{authority=\"operators\",colour=\"red\"} 1",
            "changtong_colour_changes_total{cause=\"diagnosis\",colour=\"red\"} 2",
        ];
        for line in expected {
            assert!(counted.contains(&line), "{line} is not among {counted:?}");
        }
        assert_eq!(counted.len(), expected.len(), "{counted:?}");
    }
}
