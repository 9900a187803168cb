//! The load of the codes into memory, beside a gateway that serves already.

use std::time::Duration;

use actors::registrar::{LoadCodes, RegistrarError, RegistrarHandle};
use protocol::metric;
use runtime::{clock, thread};

use crate::host::readiness::Readiness;

/// Tries to load the codes, and the pause between two: longer than the registrar is parked.
const LOADS_MAX: u32 = 60;
const LOAD_PAUSE: Duration = Duration::from_secs(1);

/// Colours are unknown until all of them are there; devices are answered meanwhile.
pub(super) fn load_codes(registrar: RegistrarHandle, readiness: Readiness) -> std::io::Result<()> {
    thread::spawn("load-codes", move |stop| {
        let start = clock::now();
        let mut tries = 0;
        let loaded = loop {
            tries += 1;
            match registrar.act_blocking(LoadCodes {}) {
                // A member of a fleet has nothing to load before it has joined, however long that takes.
                Err(RegistrarError::NotNow(_)) => {
                    tries = 0;
                    stop.wait(LOAD_PAUSE);
                }
                // It may have failed with another change of its group, or be parked.
                Err(RegistrarError::Busy | RegistrarError::Failed) if tries < LOADS_MAX => {
                    stop.wait(LOAD_PAUSE);
                }
                other => break other,
            }
        };
        match loaded {
            Ok(loaded) => {
                let seconds = clock::since(start).as_secs_f64();
                metrics::gauge!(metric::CODES_LOAD_SECONDS).set(seconds);
                tracing::info!(loaded, seconds, "codes are loaded");
                if readiness.loaded() {
                    tracing::info!("ready");
                }
            }
            Err(error) => {
                tracing::error!(%error, "codes cannot be loaded; colours stay unknown");
                readiness.unloaded();
            }
        }
    })?;
    Ok(())
}
