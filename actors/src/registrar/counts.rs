//! Counters of what happens to people, registered at the start: alerts and dashboards need the zero before the first event.

use policy::CauseKind;
use protocol::metric;
use registry::lookups::Lookup;

use super::chores::Chore;

/// An event of an appeal; the names are labels.
#[derive(Clone, Copy)]
pub(super) enum Appealed {
    Made,
    Granted,
    Refused,
}

impl Appealed {
    const ALL: [Self; 3] = [Self::Made, Self::Granted, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }

    pub(super) fn count(self) {
        self.add(1);
    }

    fn add(self, count: u64) {
        metrics::counter!(metric::APPEALS, "outcome" => self.name()).increment(count);
    }
}

/// Registers every counter before its first event.
pub(super) fn start_at_zero() {
    registry::start_at_zero();
    for kind in CauseKind::ALL {
        metrics::counter!(metric::CAUSES, "kind" => kind.name()).increment(0);
    }
    for lookup in Lookup::ALL {
        metrics::counter!(metric::LOOKUPS, "lookup" => lookup.name()).increment(0);
        metrics::counter!(metric::LOOKUPS_REFUSED, "lookup" => lookup.name()).increment(0);
    }
    metrics::counter!(metric::LOOKUP_PEOPLE).increment(0);
    Appealed::ALL.iter().for_each(|appealed| appealed.add(0));
    Chore::start_at_zero();
}
