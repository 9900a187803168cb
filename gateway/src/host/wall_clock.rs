//! The process's wall clock: watched from the start on, and told when it is not believed. What is believed is judged in
//! `runtime::clock`; what waits meanwhile stands with those who would do it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::registrar::{NoteTime, RegistrarHandle};
use metrics::Gauge;
use protocol::metric;
use registry::Registry;
use runtime::clock::{self, Doubt, Reading};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The interval at which the clock is checked. A step is never used before it is judged.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// Tells what is believed.
pub(crate) struct WallClock {
    disbelieved: Gauge,
    step: Gauge,
    /// The words that were told last.
    told: Option<Doubt>,
}

impl WallClock {
    /// Begins to watch, with the newest time that registry or log know. To be called before anything acts on either.
    pub(crate) fn watch(ledger: &Path, registry: &Registry) -> anyhow::Result<Self> {
        let on_record = match registry.noted_ms()? {
            Some(noted_ms) => Some(noted_ms),
            None => registry.decided_ms()?.max(ledger::newest_ms(ledger)?),
        };
        let mut watched = Self {
            disbelieved: metrics::gauge!(metric::CLOCK_DISBELIEVED),
            step: metrics::gauge!(metric::CLOCK_STEP_SECONDS),
            told: None,
        };
        watched.tell(&clock::watch(on_record));
        Ok(watched)
    }

    /// Looks at the clock, and tells what has changed.
    pub(crate) fn look(&mut self) {
        self.tell(&clock::look());
    }

    fn tell(&mut self, reading: &Reading) {
        self.disbelieved.set(f64::from(u8::from(reading.doubt.is_some())));
        let step_ms = reading.doubt.map_or(0, Doubt::step_ms);
        self.step.set(step_ms as f64 / 1000.0);
        let is_ahead = |doubt: Doubt| matches!(doubt, Doubt::Ahead(_));
        if reading.doubt.map(is_ahead) != self.told.map(is_ahead) {
            match reading.doubt {
                Some(doubt) => tracing::error!(
                    step_s = step_ms / 1000,
                    is_dated = reading.is_dated,
                    "the clock is {} what it can be and is not believed: nothing ends or is destroyed by it; put it right, or \
                     have two operators say that it is right: changtong clock believe",
                    if is_ahead(doubt) { "ahead of" } else { "behind" }
                ),
                None => tracing::warn!("the clock is believed again"),
            }
        }
        self.told = reading.doubt;
    }
}

/// Notes the time for the next start.
pub(crate) fn note(registrar: &RegistrarHandle) {
    let reading = clock::look();
    if reading.is_dated
        && let Err(error) = registrar.act_blocking(NoteTime { at_ms: reading.certain_ms })
    {
        tracing::error!(%error, "the time cannot be noted; the next start may not believe its clock");
    }
}

/// The time by which certificates are checked: the one that the whole process goes by.
#[derive(Debug)]
struct CertificateTime;

impl TimeProvider for CertificateTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(clock::now_ms())))
    }
}

/// For every configuration of TLS.
pub(crate) fn certificate_time() -> Arc<dyn TimeProvider> {
    Arc::new(CertificateTime)
}
