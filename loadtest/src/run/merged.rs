//! The proof of a fleet after its run: its registries are equal, no gateway waits for another's word, and the punch logs of all of them together
//! have every acknowledged punch.

use std::time::Duration;

use anyhow::Context;
use device::clock;
use protocol::metric;

use super::city::figures::value;
use super::city::{self, City};
use super::privacy;
use crate::outcome::FleetReport;
use crate::proof::{self, Claims, Proof};

/// The longest time until all registries are equal and all numbers are confirmed.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The interval between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Proves it, and adds what was found to the report. The gateways end, all but one.
pub(super) fn prove(city: &mut City, claims: &Claims, report: &mut FleetReport) -> anyhow::Result<Proof> {
    let end = clock::now() + SETTLE_MAX;
    loop {
        let metrics = privacy::metrics(city.fleets().iter().map(|fleet| fleet.http))?;
        let sum = |name| metrics.iter().filter_map(|metrics| value(metrics, name)).sum::<f64>() as u64;
        report.unconfirmed = sum(metric::UNCONFIRMED);
        report.reported_lost = sum(metric::LOST);
        let digests = city.digests().context("comparing the registries")?;
        report.registries_equal = digests.iter().all(|digest| *digest == digests[0]);
        if report.unconfirmed == 0 && report.registries_equal || clock::now() >= end {
            break;
        }
        city::pause(LOOK);
    }
    Ok(proof::check_all(claims, city.exports()?)?)
}
