//! The context that all sessions of a front share. The front's thread is the only one that uses it; a session borrows from it and owns
//! nothing in it.

use std::rc::Rc;
use std::sync::Arc;

use actors::judge::Judge;
use actors::query::Queries;
use actors::region::{Directory, RegionHandle};
use actors::tap::Taps;
use ledger::LedgerHandle;
use tokio::sync::{Semaphore, watch};

use super::metrics::QuicMetrics;
use crate::fleet::Fleet;

/// Queries of a front that wait for a carrier: more than carriers answer in the time that one may take. They shed first.
const QUERIES_MAX: usize = 256;

/// The parts of the process that a front's sessions use.
pub(crate) struct Front {
    pub(crate) fleet: Fleet,
    pub(crate) directory: Directory,
    pub(crate) judge: Arc<Judge>,
    pub(crate) ledger: LedgerHandle,
    /// Receives copies of verdicts while an operator watches.
    pub(crate) taps: Taps,
    pub(crate) queries: Queries,
    /// Turns true when the process is to end.
    pub(crate) drain: watch::Receiver<bool>,
}

/// The state of a front's sessions.
pub(super) struct Shared {
    pub(super) front: Front,
    pub(super) metrics: QuicMetrics,
    /// Bounds the queries that wait for a carrier.
    pub(super) query_permits: Semaphore,
}

impl Shared {
    pub(super) fn new(front: Front) -> Rc<Self> {
        let metrics = QuicMetrics::new(front.directory.regions().map(RegionHandle::id));
        Rc::new(Self { front, metrics, query_permits: Semaphore::new(QUERIES_MAX) })
    }
}
