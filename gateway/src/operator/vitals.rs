//! The state of a running process for `changtong status`. Its troubles are those of the overview page.

use std::path::PathBuf;

use ledger::LedgerHandle;
use metrics_exporter_prometheus::PrometheusHandle;
use protocol::metric;
use runtime::clock;

use crate::config::Settings;
use crate::history::History;
use crate::host::readiness::Readiness;
use crate::overview::Overview;
use crate::status::{Clock, Devices, Listens, Status};

/// A running process's knowledge of itself.
#[derive(Clone)]
pub(crate) struct Vitals {
    pub(crate) readiness: Readiness,
    pub(crate) metrics: PrometheusHandle,
    overview: Overview,
    log: LedgerHandle,
    listens: Listens,
    data: PathBuf,
    started_ms: u64,
}

impl Vitals {
    pub(crate) fn new(
        settings: &Settings,
        (readiness, metrics): (Readiness, PrometheusHandle),
        overview: Overview,
        log: LedgerHandle,
        listens: Listens,
    ) -> Self {
        let (data, started_ms) = (settings.data.clone(), clock::now_ms());
        Self { readiness, metrics, overview, log, listens, data, started_ms }
    }

    /// Returns its present state, with the devices that the caller has counted.
    pub(crate) fn status(&self, devices: Devices) -> Status {
        let metrics = History::of(&self.metrics.render());
        let (rates, troubles) = self.overview.now();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            data: self.data.clone(),
            test: metrics.sum(metric::TEST_GATEWAY) > 0.0,
            up_s: clock::now_ms().saturating_sub(self.started_ms) / 1000,
            listens: self.listens.clone(),
            stage: self.readiness.text().trim().to_owned(),
            devices,
            punches: rates.map(|(punches, _)| punches),
            verifies: rates.map(|(_, verifies)| verifies),
            durable_lsn: self.log.durable_lsn(),
            clock: Clock {
                believed: metrics.sum(metric::CLOCK_DISBELIEVED) == 0.0,
                step_s: metrics.sum(metric::CLOCK_STEP_SECONDS),
            },
            troubles,
        }
    }
}
