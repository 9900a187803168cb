//! The number of series a gateway can have: every metric with every value of its labels, counted from the sets that these come from. No
//! load adds to it.

use std::collections::BTreeSet;

use actors::bounds;
use policy::CauseKind;
use protocol::message::BusyReason;
use protocol::metric::{self, Kind, Metric};
use protocol::trajectory::TrajectoryReason;
use protocol::{Colour, ErrorCode, Reason};
use registry::lookups::Lookup;

use super::BUCKETS;
use crate::portal::page_names;

/// Series of one gateway, as the rules of the project have it.
const SERIES_MAX: usize = 2_000;
/// Districts of a large city: Shanghai has 16, Beijing 16; and what a gateway counts for any other.
const REGIONS: usize = 17;
/// Fronts of a machine with seventeen cores.
const FRONTS: usize = 16;
/// The mainland has four.
const CARRIERS: usize = 4;

/// Returns the number of values that a label of that metric has.
fn values(metric: &Metric, label: &str) -> usize {
    match (label, metric.name) {
        ("region", _) => REGIONS,
        ("front", _) => FRONTS,
        ("carrier", _) => CARRIERS,
        ("colour", _) => Colour::ALL.len(),
        ("page", _) => page_names().len(),
        ("version", _) => 1,
        ("bound", _) => bounds::ALL.len(),
        ("certificate" | "queue", _) => 3,
        ("request" | "own", _) => 2,
        ("kind", _) => CauseKind::ALL.len(),
        // Inherited, and time.
        ("cause", _) => CauseKind::ALL.len() + 2,
        // Citizen, carrier, clock, policy, the former system, operators.
        ("authority", _) => 6,
        ("lookup", _) => Lookup::ALL.len(),
        // Regions, carriers, the registrar, and the chores of its clock.
        ("actor", _) => REGIONS + CARRIERS + 1 + 5,
        ("reason", metric::NOT_A_PASS_CODE) => Reason::ALL.len(),
        ("reason", metric::SHED | metric::REFUSED) => BusyReason::ALL.len(),
        ("reason", metric::CLOSED | metric::REQUEST_ERRORS) => ErrorCode::ALL.len(),
        ("outcome", metric::QUERIES) => TrajectoryReason::ALL.len() + 2,
        ("outcome", metric::CARRIER_QUERIES) => 11,
        ("outcome", metric::HANDSHAKES) => 5,
        ("outcome", metric::SMS | metric::SMS_CHECKS) => 8,
        ("outcome", metric::PAGES) => 4,
        ("outcome", metric::RELOADS) => 2,
        ("outcome", metric::REQUESTS | metric::APPEALS | metric::REGISTRAR_ACTS) => 3,
        (label, name) => panic!("how many values has {label} of {name}? labels come from closed sets only"),
    }
}

fn series(metric: &Metric) -> usize {
    let buckets = BUCKETS.iter().find(|(name, _)| *name == metric.name).map(|(_, buckets)| buckets.len());
    let each = match metric.kind {
        Kind::Counter | Kind::Gauge => 1,
        // Its buckets and the last one, sum and count.
        Kind::Histogram => buckets.expect("every histogram has buckets") + 3,
    };
    metric.labels.iter().map(|label| values(metric, label)).product::<usize>() * each
}

#[test]
fn a_large_city_has_few_enough_series() {
    let mut all: Vec<_> = metric::ALL.iter().map(|metric| (series(metric), metric.name)).collect();
    all.sort_unstable();
    let total: usize = all.iter().map(|(count, _)| count).sum();
    assert!(total <= SERIES_MAX, "{total} series: {all:?}");
    let names: BTreeSet<_> = all.iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), metric::ALL.len(), "each metric is named once");
    eprintln!("{total} series of a city of {REGIONS} regions");
}
