//! What the registrar's actor and its chores work with, and where tests let it fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy::PolicyInEffect;
use registry::Registry;
use registry::colours::Codes;
use zeroize::Zeroizing;

/// Called between the steps of an act with the step's name; tests panic, or let the process die, there.
pub type Fault = Arc<dyn Fn(&'static str) + Send + Sync>;

/// The registry, the codes in memory and the policy in effect, as the registrar's acts and chores use them; clones share them.
#[derive(Clone)]
pub(super) struct RegistrarContext {
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) codes: Codes,
    pub(super) policy: PolicyInEffect,
    pub(super) signing_pkcs8: Zeroizing<Vec<u8>>,
    /// The rest of a chore that panicked.
    pub(super) chore_rests: Duration,
    pub(super) fault: Option<Fault>,
}

impl RegistrarContext {
    /// Calls the fault, if there is one, with the name of the step that is done.
    pub(super) fn passed(&self, step: &'static str) {
        if let Some(fault) = &self.fault {
            fault(step);
        }
    }
}
