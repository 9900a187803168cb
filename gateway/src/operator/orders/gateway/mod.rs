//! Orders about the gateway itself: its policy, its files, its stores and its clock.

pub(super) mod accept_stores;
pub(super) mod activate_policy;
pub(super) mod backup;
pub(super) mod believe_clock;
pub(super) mod join_fleet;
pub(super) mod refill_fleet;
pub(super) mod reload;
