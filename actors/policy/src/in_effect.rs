//! The policy that is in effect, for all who go by it: the registrar, the judge and the orders share one. Which one it is stands in
//! the registry; this is swapped after it is durable there, so nobody ever waits for it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::Policy;

/// The policy in effect; clones share it.
#[derive(Clone, Debug)]
pub struct PolicyInEffect(Arc<ArcSwap<Policy>>);

impl PolicyInEffect {
    /// Starts with that one.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// It, for as long as an act takes.
    pub fn get(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// It, for a batch: costs next to nothing.
    pub fn glance(&self) -> Guard<Arc<Policy>> {
        self.0.load()
    }

    /// From now on everybody goes by that one.
    pub fn set(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}
