//! An import among others: how it takes turns with the registrar on the same registry.

use std::sync::PoisonError;

use actors::holders::Turns;
use registry::Registry;

use crate::operator::OperatorContext;

/// Before each of its transactions the registrar does what waits there.
pub(super) struct Between<'a>(pub(super) &'a OperatorContext);

impl Turns for Between<'_> {
    fn turn<T>(&mut self, work: impl FnOnce(&mut Registry) -> T) -> T {
        if let Some(running) = &self.0.running {
            // An act of nothing comes after all that came before it.
            let _ = running.registrar.act_blocking(|_| Ok(()));
        }
        work(&mut self.0.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
