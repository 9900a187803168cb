//! The policy that is in effect now, in memory: read by the registrar and the judge, swapped whole when another is activated.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Policy;

/// The policy in effect; clones share it.
#[derive(Clone)]
pub struct PolicyInEffect(Arc<ArcSwap<Policy>>);

impl PolicyInEffect {
    /// Puts a policy into effect.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// What is in effect. An act takes it once.
    pub fn get(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Puts another one into effect.
    pub fn set(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}
