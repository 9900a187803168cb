//! Every region of one front. Made once, at the start; the regions are fixed for the life of the process.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::{LedgerHandle, LedgerPort, Run};
use protocol::message::BusyReason;
use protocol::{Punch, RegionId};

use super::{PendingRun, RegionConfig, RegionHandle};
use crate::fault::FaultHook;
use crate::judge::Judge;

/// The regions' handles, by number; clones share them.
#[derive(Clone)]
pub struct Directory(Arc<HashMap<RegionId, RegionHandle>>);

impl Directory {
    /// Starts an actor for each region on the current arbiter.
    ///
    /// # Panics
    /// On a thread without an arbiter.
    pub fn start(
        regions: &[RegionId],
        judge: &Arc<Judge>,
        ledger: &LedgerHandle,
        config: &RegionConfig,
    ) -> Self {
        Self::start_with(regions, judge, ledger, config, &FaultHook::none())
    }

    /// Does the same as [`Self::start`] with a hook in each actor, by which a test makes them fail.
    pub(crate) fn start_with(
        regions: &[RegionId],
        judge: &Arc<Judge>,
        ledger: &LedgerHandle,
        config: &RegionConfig,
        faults: &FaultHook<Run<Punch>>,
    ) -> Self {
        let (port, carry) = LedgerPort::open(ledger);
        actix_rt::spawn(carry);
        let start =
            |&id| (id, RegionHandle::start(id, Arc::clone(judge), port.clone(), config, faults.clone()));
        Self(Arc::new(regions.iter().map(start).collect()))
    }

    /// Sends a run of punches to its region, as [`RegionHandle::punch`] does. A region that the registry got after this process started
    /// counts as parked.
    pub fn punch(&self, run: Run<Punch>) -> PendingRun {
        match self.0.get(&run.region) {
            Some(region) => region.punch(run),
            None => PendingRun::refused(BusyReason::Parked),
        }
    }

    /// Returns the region's handle, if there is such a region.
    pub fn region(&self, id: RegionId) -> Option<&RegionHandle> {
        self.0.get(&id)
    }

    /// Returns the handles of every region, in no order.
    pub fn regions(&self) -> impl Iterator<Item = &RegionHandle> {
        self.0.values()
    }
}
