//! The actors of the regions. Made once at start; the regions are fixed for the life of the process.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::LedgerHandle;
use protocol::RegionId;

use crate::judge::Judge;
use crate::region::{RegionConfig, RegionHandle};

/// The regions of one front; clones share them.
#[derive(Clone)]
pub struct Directory(Arc<HashMap<RegionId, RegionHandle>>);

impl Directory {
    /// Starts an actor for each region on the current arbiter.
    ///
    /// # Panics
    /// Outside a front.
    pub fn start(
        regions: &[RegionId],
        judge: &Arc<Judge>,
        ledger: &LedgerHandle,
        config: &RegionConfig,
    ) -> Self {
        let start = |&id| (id, RegionHandle::start(id, Arc::clone(judge), ledger.clone(), config));
        Self(Arc::new(regions.iter().map(start).collect()))
    }

    /// The region's handle, if there is such a region.
    pub fn region(&self, id: RegionId) -> Option<&RegionHandle> {
        self.0.get(&id)
    }

    /// Every region.
    pub fn regions(&self) -> impl Iterator<Item = &RegionHandle> {
        self.0.values()
    }
}
