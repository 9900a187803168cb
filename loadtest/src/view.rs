//! What is shown while a run goes on.

use std::time::Duration;

use crate::record::Record;
use crate::scenario::Scenario;

/// A run under way.
pub struct View;

impl View {
    /// Begins.
    pub fn start(_scenario: &Scenario) -> Self {
        Self
    }

    /// How it stands.
    pub fn show(&mut self, _elapsed: Duration, _record: &Record, _waiting: u64) {}

    /// Something happened.
    pub fn say(&self, text: &str) {
        eprintln!("{text}");
    }

    /// Ends.
    pub fn end(self) {}
}
