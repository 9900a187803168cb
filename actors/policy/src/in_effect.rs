//! The policy in effect, shared by the registrar, the judge and the operators' orders. The registry stores which one it is; the value
//! here is swapped after the registry's commit, and readers never wait.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::Policy;

/// The policy in effect; clones share it.
#[derive(Clone, Debug)]
pub struct PolicyInEffect(Arc<ArcSwap<Policy>>);

impl PolicyInEffect {
    /// Starts with this policy.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// Returns the policy, for the duration of one act.
    pub fn get(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Returns a guard of the policy, for one batch; cheaper than [`Self::get`].
    pub fn load(&self) -> Guard<Arc<Policy>> {
        self.0.load()
    }

    /// Replaces the policy for all holders.
    pub fn set(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}
