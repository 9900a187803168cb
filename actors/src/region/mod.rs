//! A region of the city: judges punches and hands them to the punch log. Its actor keeps no state that a failure could lose, so it may
//! fail at any moment; a run of punches that makes it fail three times is judged punch by punch.
//!
//! [`Directory`] is every region of a front. Of one region, [`RegionHandle`] (`handle`) is what sessions hold, `actor` the actix actor
//! behind it, `state` what the two share.

mod actor;
mod counts;
mod directory;
mod handle;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ledger::AppendOutcome;
use protocol::message::BusyReason;
use protocol::{RegionId, metric};
use runtime::lock::lock;
use runtime::supervisor::{ParkedGauge, RestartPolicy};

use crate::tap::Taps;

pub use directory::Directory;
pub use handle::{PendingRun, RegionHandle};

/// The settings of a region. The fronts of a process have clones of one value.
#[derive(Clone)]
pub struct RegionConfig {
    /// Punches in the actor and its mailbox together; a run above this number is answered `Busy`. For each front: it bounds the delay in
    /// one mailbox, and a share of it would be less than the window of one concentrator.
    pub(super) punches_max: usize,
    /// The restarts that the actor is given before it is parked.
    pub(super) restarts: RestartPolicy,
    /// The operators' taps, which are shown each recorded verdict.
    pub(super) taps: Taps,
    /// The gauges that the actors of a region on all fronts share.
    pub(super) parked: ParkedRegions,
}

/// The gauge of each region, 1 while its actor on any front is parked. Clones share them.
#[derive(Clone, Default)]
pub(super) struct ParkedRegions(Arc<Mutex<HashMap<RegionId, ParkedGauge>>>);

impl ParkedRegions {
    pub(super) fn of(&self, id: RegionId) -> ParkedGauge {
        let gauge = || ParkedGauge::new(metrics::gauge!(metric::REGION_PARKED, "region" => id.to_string()));
        lock(&self.0).entry(id).or_insert_with(gauge).clone()
    }
}

impl RegionConfig {
    /// Makes settings with room for four of the largest windows.
    pub fn new(taps: Taps) -> Self {
        Self {
            punches_max: 64 * 1024,
            restarts: RestartPolicy::default(),
            taps,
            parked: ParkedRegions::default(),
        }
    }
}

/// The outcome of a run of punches.
#[derive(Debug)]
pub enum RegionOutcome {
    /// The punch log's answer.
    Ledger(AppendOutcome),
    /// Not taken; the device sends it again later.
    Busy(BusyReason),
}

#[cfg(test)]
mod tests;
