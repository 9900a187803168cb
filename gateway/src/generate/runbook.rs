//! Which section of the runbooks a panel leads to: the file, and the id of the section, which is that of the alert.

/// The place where the runbooks lie in this repository.
pub(super) const BASE: &str = "dashboards/runbooks";
/// The variable of every dashboard that holds what links begin with.
pub(super) const VARIABLE: &str = "runbooks";

/// A section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Runbook {
    file: &'static str,
    pub(super) id: &'static str,
}

impl Runbook {
    /// Says what the link leads to, behind the base.
    pub(super) fn url(self) -> String {
        format!("${{{VARIABLE}}}/{}.md#{}", self.file, self.id)
    }
}

macro_rules! runbooks {
    ($($constant:ident = $file:literal $id:literal;)+) => {
        $(pub(super) const $constant: Runbook = Runbook { file: $file, id: $id };)+
        #[cfg(test)]
        const ALL: &[Runbook] = &[$($constant),+];
    };
}

runbooks! {
    VERIFY_AVAILABILITY = "objectives" "verify-availability";
    PUNCH_AVAILABILITY = "objectives" "punch-availability";
    VERIFY_LATENCY = "objectives" "verify-latency";
    PUNCH_LATENCY = "objectives" "punch-latency";
    GONE = "gateway" "gone";
    NOT_READY = "gateway" "not-ready";
    RESTART_STORM = "gateway" "restart-storm";
    PAGES_FAILING = "gateway" "pages-failing";
    HANDSHAKES_REFUSED = "gateway" "handshakes-refused";
    CERTIFICATE_EXPIRY = "gateway" "certificate-expiry";
    RELOAD_REFUSED = "gateway" "reload-refused";
    CLOCK_WRONG = "gateway" "clock-wrong";
    CLOCK_SKEW = "gateway" "clock-skew";
    PUNCHES_LOST = "punches" "punches-lost";
    LEDGER_POISONED = "punches" "ledger-poisoned";
    LEDGER_FULL = "punches" "ledger-full";
    DISK_FILLING = "punches" "disk-filling";
    SCRUB_FAILED = "punches" "scrub-failed";
    SYNC_SLOW = "punches" "sync-slow";
    SHEDS = "punches" "sheds";
    NUMBERS_USED = "punches" "numbers-used";
    PUNCHES_TOO_OLD = "punches" "punches-too-old";
    REGION_PARKED = "actors" "region-parked";
    REGISTRAR_PARKED = "actors" "registrar-parked";
    REGISTRAR_FAILING = "actors" "registrar-failing";
    COLOUR_LAG = "actors" "colour-lag";
    ACTOR_RESTARTS = "actors" "actor-restarts";
    POISON_BATCHES = "actors" "poison-batches";
    CARRIER_FAILING = "carriers" "carrier-failing";
    CARRIER_WAITING = "carriers" "carrier-waiting";
    CARRIER_PARKED = "carriers" "carrier-parked";
    MANUAL_REDS = "people" "manual-reds-burst";
    LOOKUPS_BURST = "people" "lookups-burst";
    LOOKUPS_REFUSED = "people" "lookups-refused";
    SIGN_IN_FLOOD = "people" "sign-in-flood";
    APPEALS_OVERDUE = "people" "appeals-overdue";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::generate::{alerts, objectives};

    #[test]
    fn every_section_is_that_of_an_alert() {
        let groups = std::iter::once(objectives::group()).chain(alerts::groups());
        let sections: BTreeSet<_> = groups
            .flat_map(|group| group.alerts.into_iter().map(move |alert| (group.runbook, alert.id)))
            .collect();
        for Runbook { file, id } in ALL {
            assert!(sections.contains(&(*file, *id)), "{file}.md#{id} is no alert's section");
        }
    }
}
