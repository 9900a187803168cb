//! The dashboards, one file each.

mod actors;
mod carriers;
mod city;
mod codes;
mod ledger;
mod load;
mod objectives;
mod pages;
mod quic;
mod regions;

use super::dashboard::Dashboard;

/// Returns every dashboard in the order in which they are listed.
pub(super) fn all() -> Vec<Dashboard> {
    vec![
        city::dashboard(),
        regions::dashboard(),
        carriers::dashboard(),
        codes::dashboard(),
        actors::dashboard(),
        quic::dashboard(),
        ledger::dashboard(),
        pages::dashboard(),
        objectives::dashboard(),
        load::dashboard(),
    ]
}
