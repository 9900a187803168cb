//! The context that all sessions of a front share. The front's thread is the only one that uses it; a session borrows from it and owns
//! nothing in it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::judge::Judge;
use actors::query::Queries;
use actors::region::{Directory, RegionHandle};
use actors::tap::Taps;
use fleet::Peers;
use ledger::LedgerHandle;
use protocol::metric;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::metrics::QuicMetrics;
use crate::fleet::Fleet;
use crate::tls::connection_ids::FrontNumber;

/// Queries of devices that wait for a carrier: more than carriers answer in the time that one may take. They shed first. For all fronts
/// together: the carriers do not become faster by more fronts, and citizens' queries need the rest of [`actors::bounds::QUERIES`].
const QUERIES_MAX: usize = 256;

/// The limits that the fronts of a process keep together; clones share them.
#[derive(Clone)]
pub(crate) struct Together {
    connections_max: usize,
    connections: Arc<AtomicUsize>,
    query_permits: Arc<Semaphore>,
}

impl Together {
    /// Makes the limits of a process that may hold so many connections. They are counted for all fronts together, because clients choose
    /// the front: a share of each would refuse devices while another front has room.
    pub(crate) fn new(connections_max: usize) -> Self {
        metrics::gauge!(metric::CONNECTIONS_MAX).set(connections_max as f64);
        let query_permits = Arc::new(Semaphore::new(QUERIES_MAX));
        Self { connections_max, connections: Arc::default(), query_permits }
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn open(&self) -> Counted {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        Counted { connections: Arc::clone(&self.connections), is_within: before < self.connections_max }
    }
}

/// A connection that is counted.
pub(super) struct Counted {
    connections: Arc<AtomicUsize>,
    /// True if it was among as many as may be.
    pub(super) is_within: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The parts of the process that a front's sessions use.
pub(crate) struct Front {
    pub(crate) number: FrontNumber,
    pub(crate) together: Together,
    pub(crate) fleet: Fleet,
    pub(crate) directory: Directory,
    pub(crate) judge: Arc<Judge>,
    pub(crate) ledger: LedgerHandle,
    /// Receives copies of verdicts while an operator watches.
    pub(crate) taps: Taps,
    pub(crate) queries: Queries,
    /// The other gateways of the fleet; `None` without one.
    pub(crate) peers: Option<Peers>,
    /// Turns true when the process is to end.
    pub(crate) drain: watch::Receiver<bool>,
}

/// The state of a front's sessions.
pub(super) struct Shared {
    pub(super) front: Front,
    pub(super) metrics: QuicMetrics,
}

impl Shared {
    pub(super) fn new(front: Front) -> Rc<Self> {
        let metrics = QuicMetrics::new(front.number.front, front.directory.regions().map(RegionHandle::id));
        Rc::new(Self { front, metrics })
    }

    /// Takes the permit of a query that waits for a carrier; `None` if too many wait.
    pub(super) fn query_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.front.together.query_permits.try_acquire().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_for_all_fronts_together_and_their_room_comes_back() {
        let one = Together::new(3);
        let other = one.clone();
        let mut open: Vec<_> = [&one, &other, &one].map(Together::open).into();
        assert!(open.iter().all(|counted| counted.is_within));
        assert!(!other.open().is_within, "a fourth, whatever the front");
        open.pop();
        assert!(other.open().is_within);
    }
}
