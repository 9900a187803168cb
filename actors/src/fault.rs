//! The one way in which tests make an actor fail. Each actor calls its hook between two steps. Production starts every actor without
//! one: no configuration has a field for it.

use std::sync::Arc;

/// A function of a test that an actor calls with each step that it reaches; it may panic, block, or end the process. Clones share it.
pub struct FaultHook<Step: ?Sized + 'static>(Option<Arc<Call<Step>>>);

type Call<Step> = dyn Fn(&Step) + Send + Sync;

impl<Step: ?Sized> FaultHook<Step> {
    /// Makes a hook that does nothing.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Makes a hook that calls `at` with each step.
    pub fn new(at: impl Fn(&Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(at)))
    }

    /// Calls the test's function, if there is one.
    pub(crate) fn reached(&self, step: &Step) {
        if let Some(at) = &self.0 {
            at(step);
        }
    }
}

impl<Step: ?Sized> Clone for FaultHook<Step> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
